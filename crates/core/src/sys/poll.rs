//! poll(2) with fractions of a millisecond.

use std::time::{Duration, Instant};

use super::{Errno, Result, last_errno};

/// ppoll(2), or poll(2) where there is none. `None` waits for ever. A signal does not lengthen the wait: what is
/// left of it is waited after.
pub fn poll(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> Result<usize> {
    // A deadline too far away to be represented is as good as none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut left = deadline.and(timeout);
    loop {
        match usize::try_from(wait(fds, left)) {
            Ok(count) => return Ok(count),
            Err(_) => match last_errno() {
                Errno::INTR => left = deadline.map(|at| at.saturating_duration_since(Instant::now())),
                errno => return Err(errno),
            },
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn wait(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> libc::c_int {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos() as _,
    });
    let pointer = timeout.as_ref().map_or(std::ptr::null(), |timeout| timeout as *const _);
    // SAFETY: the slice and the time outlive the call; a null signal mask leaves the thread's.
    unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, pointer, std::ptr::null()) }
}

#[cfg(target_vendor = "apple")]
fn wait(fds: &mut [libc::pollfd], timeout: Option<Duration>) -> libc::c_int {
    // Rounded up: a wait may end late, never early.
    let milliseconds = timeout.map_or(-1, |timeout| {
        libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
    });
    // SAFETY: the slice outlives the call.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, milliseconds) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_fraction_of_a_millisecond_is_not_rounded_to_nothing() {
        let (reader, _writer) = super::super::io::pipe().unwrap();
        let mut fds = [libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        let start = Instant::now();
        assert_eq!(poll(&mut fds, Some(Duration::from_micros(300))), Ok(0));
        assert!(start.elapsed() >= Duration::from_micros(300));
    }

    #[test]
    fn a_timeout_past_the_end_of_time_is_accepted() {
        let (_reader, writer) = super::super::io::pipe().unwrap();
        let mut fds = [libc::pollfd { fd: writer.as_raw_fd(), events: libc::POLLOUT, revents: 0 }];
        assert_eq!(poll(&mut fds, Some(Duration::MAX)), Ok(1));
    }
}
