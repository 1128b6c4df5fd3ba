//! The one error of the core: an errno. The binding hands it on as a negative number, TypeScript names it.

use rustix::io::Errno;

/// A failed system call, or a key that names no registration ([`STALE`]).
pub type Error = Errno;

/// What using a key after its registration ended is answered with.
pub const STALE: Error = Errno::NOENT;
