//! Asking the kernel about one descriptor, without a registration: `poll(2)`. What a deadline does before it accuses,
//! and a cached hang-up before it is believed for ever.

use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::Error;
use crate::interest::{Bits, CLOSED, ERROR, PRIORITY, READ_CLOSED, READABLE, WRITABLE, WRITE_CLOSED};
use crate::registration::borrow;

#[cfg(any(target_os = "linux", target_os = "android"))]
const HALF_CLOSED: PollFlags = PollFlags::RDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const HALF_CLOSED: PollFlags = PollFlags::empty();

/// Waits until `fd` is ready for something of `interest`, or closed, or in error, and says what the kernel says.
/// Empty when the timeout passed first; `None` waits for ever, zero asks once. Blocks this thread. Signals do not
/// end it.
pub fn wait(fd: RawFd, interest: Bits, timeout: Option<Duration>) -> Result<Bits, Error> {
    let mut asked = HALF_CLOSED;
    for (bit, flag) in [(READABLE, PollFlags::IN), (WRITABLE, PollFlags::OUT), (PRIORITY, PollFlags::PRI)] {
        asked.set(flag, interest & bit != 0);
    }
    let borrowed = borrow(fd)?;
    let mut fds = [PollFd::new(&borrowed, asked)];
    let deadline = timeout.filter(|t| !t.is_zero()).and_then(|timeout| Instant::now().checked_add(timeout));
    let mut left = timeout;
    loop {
        // A time too long for the kernel is for ever.
        let spec = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, spec.as_ref()) {
            Ok(_) => break,
            Err(Errno::INTR) => {
                left = deadline.map(|at| at.saturating_duration_since(Instant::now())).or(timeout)
            }
            Err(error) => return Err(error),
        }
    }
    let seen = fds[0].revents();
    if seen.contains(PollFlags::NVAL) {
        return Err(Errno::BADF);
    }
    let mut bits = 0;
    for (flag, bit) in [
        (PollFlags::IN, READABLE),
        (PollFlags::OUT, WRITABLE),
        (PollFlags::PRI, PRIORITY),
        (PollFlags::ERR, ERROR),
        (PollFlags::HUP, CLOSED),
        (HALF_CLOSED, READ_CLOSED),
    ] {
        if !flag.is_empty() && seen.contains(flag) {
            bits |= bit;
        }
    }
    Ok(with_pipe_end(fd, bits))
}

/// The writing end of a pipe says that its readers are gone by an error alone, a hang-up by another name.
pub(crate) fn with_pipe_end(fd: RawFd, bits: Bits) -> Bits {
    if bits & ERROR != 0 && bits & CLOSED == 0 && is_pipe(fd) { bits | WRITE_CLOSED } else { bits }
}

fn is_pipe(fd: RawFd) -> bool {
    use rustix::fs::{FileType, fstat};
    let Ok(fd) = borrow(fd) else { return false };
    fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
}
