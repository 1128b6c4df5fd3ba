//! Many datagrams at once, by recvmmsg(2) and sendmmsg(2); one after the other where the system has no such calls.

use super::address::{Address, RawAddress};
use super::{Errno, RawFd, Result, socket};

/// The most datagrams of one call: more of them cost hardly less each.
pub const MAX: usize = 64;

/// A datagram that came: how much of it there was room for, and who sent it.
pub type Received = (usize, Option<Address>);

/// A datagram to send; without an address to the peer of the socket.
pub type Outgoing = (libc::iovec, Option<Address>);

/// Receives a datagram into each buffer, as many as there are now. Fails only if there is none.
///
/// # Safety
/// Every buffer is valid for writes until the call returns.
pub unsafe fn recv(fd: RawFd, buffers: &[libc::iovec]) -> Result<Vec<Received>> {
    check_count(buffers.len())?;
    #[cfg(target_os = "linux")]
    // SAFETY: the caller vouches for the memory.
    match unsafe { at_once::recv(fd, buffers) } {
        Err(Errno::NOSYS) => {}
        received => return received,
    }
    // SAFETY: as above.
    unsafe { each::recv(fd, buffers) }
}

/// Sends datagrams in order without SIGPIPE: how many were taken. Fails only if the first one was not.
///
/// # Safety
/// Every buffer is valid for reads until the call returns.
pub unsafe fn send(fd: RawFd, datagrams: &[Outgoing]) -> Result<usize> {
    check_count(datagrams.len())?;
    #[cfg(target_os = "linux")]
    // SAFETY: the caller vouches for the memory.
    match unsafe { at_once::send(fd, datagrams) } {
        Err(Errno::NOSYS) => {}
        sent => return sent,
    }
    // SAFETY: as above.
    unsafe { each::send(fd, datagrams) }
}

fn check_count(count: usize) -> Result<()> {
    if (1..=MAX).contains(&count) { Ok(()) } else { Err(Errno::INVAL) }
}

#[cfg(target_os = "linux")]
mod at_once {
    use std::mem::zeroed;
    use std::ops::Range;

    use super::super::control::Builder;
    use super::super::retry;
    use super::{Address, Errno, Outgoing, RawAddress, RawFd, Received, Result, socket};

    fn header(name: Option<&mut RawAddress>, buffers: &[libc::iovec]) -> libc::mmsghdr {
        // SAFETY: all zeroes is a valid mmsghdr.
        let mut header: libc::mmsghdr = unsafe { zeroed() };
        if let Some(name) = name {
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = name.size();
        }
        header.msg_hdr.msg_iov = buffers.as_ptr().cast_mut();
        header.msg_hdr.msg_iovlen = buffers.len() as _;
        header
    }

    /// # Safety
    /// Every buffer is valid for writes until the call returns.
    pub unsafe fn recv(fd: RawFd, buffers: &[libc::iovec]) -> Result<Vec<Received>> {
        let mut names: Vec<RawAddress> = buffers.iter().map(|_| RawAddress::room()).collect();
        let mut headers: Vec<libc::mmsghdr> = names
            .iter_mut()
            .zip(buffers.chunks(1))
            .map(|(name, buffer)| header(Some(name), buffer))
            .collect();
        // A descriptor that blocks does so until there is one, not until all buffers are full.
        let flags = libc::MSG_WAITFORONE;
        // SAFETY: the caller vouches for the buffers; names and headers outlive the call and are as many as it is told.
        let count = retry(|| unsafe {
            libc::recvmmsg(fd, headers.as_mut_ptr(), headers.len() as _, flags as _, std::ptr::null_mut())
                as isize
        })?;
        let received = names.iter_mut().zip(&headers).take(count).map(|(name, header)| {
            *name.size_mut() = header.msg_hdr.msg_namelen;
            (header.msg_len as usize, name.decode())
        });
        Ok(received.collect())
    }

    /// # Safety
    /// Every buffer is valid for reads until the call returns.
    pub unsafe fn send(fd: RawFd, datagrams: &[Outgoing]) -> Result<usize> {
        let runs = runs(datagrams);
        if runs.len() < datagrams.len() && segments(fd) {
            // SAFETY: the caller vouches for the buffers.
            match unsafe { send_runs(fd, datagrams, &runs) } {
                // The size, the interface or the route does not allow for it.
                Err(Errno::INVAL | Errno::IO | Errno::MSGSIZE) => {}
                sent => return sent,
            }
        }
        let each: Vec<Run> = (0..datagrams.len()).map(|at| at..at + 1).collect();
        // SAFETY: as above.
        unsafe { send_runs(fd, datagrams, &each) }
    }

    /// How many datagrams were sent, each run by one message.
    ///
    /// # Safety
    /// Every buffer is valid for reads until the call returns.
    unsafe fn send_runs(fd: RawFd, datagrams: &[Outgoing], runs: &[Run]) -> Result<usize> {
        let buffers: Vec<libc::iovec> = datagrams.iter().map(|(buffer, _)| *buffer).collect();
        let mut names = Vec::with_capacity(runs.len());
        let mut controls = Vec::with_capacity(runs.len());
        for run in runs {
            names.push(datagrams[run.start].1.as_ref().map(Address::encode).transpose()?);
            let mut control = Builder::default();
            if run.len() > 1 {
                let size = buffers[run.start].iov_len as u16;
                control.push(libc::SOL_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
            }
            controls.push(control);
        }
        let mut headers = Vec::with_capacity(runs.len());
        for ((run, name), control) in runs.iter().zip(&mut names).zip(&mut controls) {
            let mut header = header(name.as_mut(), &buffers[run.clone()]);
            if control.len > 0 {
                header.msg_hdr.msg_control = control.memory.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = control.len as _;
            }
            headers.push(header);
        }
        let flags = libc::MSG_NOSIGNAL;
        // SAFETY: the caller vouches for the buffers; what the headers point to outlives the call, and they are as many as it is
        // told.
        let sent = retry(|| unsafe {
            libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as _, flags as _) as isize
        })?;
        Ok(sent.checked_sub(1).map_or(0, |last| runs[last].end))
    }

    /// Datagrams that follow each other.
    type Run = Range<usize>;

    /// What a message of segments may hold: as much as the longest datagram of IPv4.
    const MOST: usize = 65_507;
    /// No route to speak of has room for larger segments, and then each would be cut up anyway.
    const LARGEST: usize = 1472;

    /// The datagrams in runs to one address: all of a run are as long as its first, but the last may be shorter. Such a run can go
    /// through the network's layers as one, which segments it at the end (UDP_SEGMENT, see udp(7)).
    pub fn runs(datagrams: &[Outgoing]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut open, mut total) = (false, 0);
        for (at, (buffer, to)) in datagrams.iter().enumerate() {
            let len = buffer.iov_len;
            if let Some(run) = runs.last_mut().filter(|_| open) {
                let (first, its) = &datagrams[run.start];
                let fits = len > 0 && len <= first.iov_len && total + len <= MOST;
                if fits && to == its {
                    run.end = at + 1;
                    total += len;
                    open = len == first.iov_len;
                    continue;
                }
            }
            runs.push(at..at + 1);
            (open, total) = (0 < len && len <= LARGEST, len);
        }
        runs
    }

    /// Whether this is a UDP socket of a kernel that segments. Others take the control message for nothing, and would send a run as
    /// one datagram.
    fn segments(fd: RawFd) -> bool {
        let mut size = [0; 4];
        let asked = socket::get_option(fd, libc::SOL_UDP, libc::UDP_SEGMENT, &mut size);
        asked == Ok(size.len()) && size == [0; 4]
    }
}

mod each {
    use super::{Outgoing, RawFd, Received, Result, socket};

    /// # Safety
    /// Every buffer is valid for writes until the call returns.
    pub unsafe fn recv(fd: RawFd, buffers: &[libc::iovec]) -> Result<Vec<Received>> {
        let mut received = Vec::new();
        for buffer in buffers {
            // Only the first may block, where the descriptor does.
            let flags = if received.is_empty() { 0 } else { libc::MSG_DONTWAIT };
            // SAFETY: the caller vouches for the memory.
            match unsafe { socket::recv_from(fd, buffer.iov_base.cast(), buffer.iov_len, flags) } {
                Ok(one) => received.push(one),
                Err(errno) if received.is_empty() => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(received)
    }

    /// # Safety
    /// Every buffer is valid for reads until the call returns.
    pub unsafe fn send(fd: RawFd, datagrams: &[Outgoing]) -> Result<usize> {
        for (count, (buffer, to)) in datagrams.iter().enumerate() {
            let (ptr, len) = (buffer.iov_base.cast(), buffer.iov_len);
            let sent = match to {
                // SAFETY: the caller vouches for the memory.
                Some(to) => unsafe { socket::send_to(fd, ptr, len, 0, to) },
                // SAFETY: as above.
                None => unsafe { socket::send(fd, ptr, len, 0) },
            };
            match sent {
                Ok(_) => {}
                Err(errno) if count == 0 => return Err(errno),
                Err(_) => return Ok(count),
            }
        }
        Ok(datagrams.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    type Recv = unsafe fn(RawFd, &[libc::iovec]) -> Result<Vec<Received>>;
    type Send = unsafe fn(RawFd, &[Outgoing]) -> Result<usize>;

    fn bound() -> (UdpSocket, Address) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = Address::Inet(socket.local_addr().unwrap());
        (socket, address)
    }

    fn vector(memory: &mut [u8]) -> libc::iovec {
        libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() }
    }

    fn carries(recv: Recv, send: Send) {
        let ((a, from), (b, to)) = (bound(), bound());
        let mut memory = [[0u8; 4]; 5];
        let buffers: Vec<libc::iovec> = memory.iter_mut().map(|room| vector(room)).collect();
        let mut texts = [*b"one.", *b"two.", *b"six."];
        let mut datagrams: Vec<Outgoing> =
            texts.iter_mut().map(|text| (vector(text), Some(to.clone()))).collect();
        datagrams[1].0.iov_len = 0;
        // SAFETY: the arrays live through the calls.
        unsafe {
            assert_eq!(recv(b.as_raw_fd(), &buffers), Err(Errno::AGAIN));
            assert_eq!(send(a.as_raw_fd(), &datagrams), Ok(3));
            let received = recv(b.as_raw_fd(), &buffers).unwrap();
            assert_eq!(received, [4, 0, 4].map(|len| (len, Some(from.clone()))));
            assert_eq!(recv(b.as_raw_fd(), &buffers), Err(Errno::AGAIN));
            // Not connected: the second one has nowhere to go, and the third is not attempted.
            datagrams[1].1 = None;
            assert_eq!(send(a.as_raw_fd(), &datagrams), Ok(1));
            assert_eq!(send(a.as_raw_fd(), &datagrams[1..]), Err(Errno::DESTADDRREQ));
            assert_eq!(recv(b.as_raw_fd(), &buffers[..1]).map(|one| one.len()), Ok(1));
            assert_eq!(recv(-1, &buffers), Err(Errno::BADF));
            assert_eq!(send(-1, &datagrams), Err(Errno::BADF));
        }
        assert_eq!(&memory[0], b"one.");
        assert_eq!(&memory[2], b"six.");
    }

    #[test]
    fn many_at_once_and_one_after_the_other_come_to_the_same() {
        carries(recv, send);
        carries(each::recv, each::send);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_run_goes_to_one_address_and_ends_with_what_is_shorter() {
        let (a, b) = (bound().1, bound().1);
        let lengths = |all: &[(usize, &Address)]| {
            let nowhere = std::ptr::null_mut();
            let outgoing: Vec<Outgoing> = all
                .iter()
                .map(|&(len, to)| (libc::iovec { iov_base: nowhere, iov_len: len }, Some(to.clone())))
                .collect();
            at_once::runs(&outgoing).into_iter().map(|run| run.len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[(5, &a), (5, &a), (3, &a), (3, &a)]), [3, 1]);
        assert_eq!(lengths(&[(5, &a), (6, &a), (6, &a)]), [1, 2]);
        assert_eq!(lengths(&[(5, &a), (5, &b), (5, &b), (5, &a)]), [1, 2, 1]);
        assert_eq!(lengths(&[(0, &a), (0, &a), (1, &a), (0, &a)]), [1, 1, 1, 1]);
        assert_eq!(lengths(&[(1472, &a), (1472, &a), (1473, &a), (1473, &a)]), [2, 1, 1]);
        // No longer than a datagram may be.
        assert_eq!(lengths(&[(1472, &a); 46]), [44, 2]);
    }

    #[test]
    fn none_and_too_many_are_refused() {
        let (socket, _) = bound();
        let mut memory = [0u8; 1];
        let buffers: Vec<libc::iovec> = (0..=MAX).map(|_| vector(&mut memory)).collect();
        // SAFETY: nothing is received.
        unsafe {
            assert_eq!(recv(socket.as_raw_fd(), &[]), Err(Errno::INVAL));
            assert_eq!(recv(socket.as_raw_fd(), &buffers), Err(Errno::INVAL));
            assert_eq!(send(socket.as_raw_fd(), &[]), Err(Errno::INVAL));
        }
    }
}
