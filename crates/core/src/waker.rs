//! Wakes the thread that waits on the poller. Our own instead of `Poller::notify`: on Linux collection does not go
//! through `polling`, which would never re-arm its notifier, and on macOS `polling` 3.11 can lose one (polling#265).

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

/// The writing end of a descriptor registered edge-triggered under a key of its own; reading it is never needed.
pub(crate) struct Waker {
    read: OwnedFd,
    /// `None` where one descriptor serves both ends (an eventfd).
    write: Option<OwnedFd>,
}

impl Waker {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const CALL: &str = "eventfd";
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub const CALL: &str = "pipe";

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn new() -> Result<Self, Errno> {
        use rustix::event::{EventfdFlags, eventfd};
        let read = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Waker { read, write: None })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub fn new() -> Result<Self, Errno> {
        let (read, write) = rustix::pipe::pipe()?;
        for end in [&read, &write] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Waker { read, write: Some(write) })
    }

    pub fn fd(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    /// Each write is an edge. A full pipe or counter already holds an edge that nobody consumed.
    pub fn wake(&self) {
        let _ = rustix::io::write(self.write.as_ref().unwrap_or(&self.read), &1u64.to_ne_bytes());
    }

    /// Makes room for further wakes where the edge needs it (a pipe fills up, an eventfd practically never does).
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub fn drain(&self) {
        let mut scratch = [0u8; 512];
        while matches!(rustix::io::read(&self.read, &mut scratch), Ok(n) if n > 0) {}
    }
}
