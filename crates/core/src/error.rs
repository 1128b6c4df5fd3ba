//! The one error of the core: an errno. The binding hands it on as a negative number, TypeScript names it.

use rustix::io::Errno;

/// A failed system call, or a key that names no registration ([`STALE`]).
pub type Error = Errno;

/// What a reactor could not be started for: the system call that failed.
#[derive(Debug)]
pub struct NotStarted {
    pub call: &'static str,
    pub errno: Errno,
}

impl NotStarted {
    /// The error of `call`.
    pub fn by(call: &'static str) -> impl Fn(Errno) -> NotStarted {
        move |errno| NotStarted { call, errno }
    }
}

/// What using a key after its registration ended is answered with.
pub const STALE: Error = Errno::NOENT;
