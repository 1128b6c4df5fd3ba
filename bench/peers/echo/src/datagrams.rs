//! Datagrams: the same number are on their way at any time.

use std::io::{ErrorKind, Result};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::meter::Meter;

/// One that is lost would be missed for ever, so a silence sends all of them anew.
pub fn udp(address: SocketAddr, on_their_way: usize, size: usize, ms: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.connect(address).expect("connect");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("timeout");
    let mut batch = Batch::new(on_their_way, size);
    let mut meter = Meter::new(ms);
    batch.send(&socket, on_their_way).expect("send");
    let mut last = Instant::now();
    while !meter.over(last) {
        let count = match batch.receive(&socket) {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                batch.send(&socket, on_their_way).expect("send");
                continue;
            }
            Err(error) => panic!("recv: {error}"),
        };
        let now = Instant::now();
        for _ in 0..count {
            meter.note(last, now);
        }
        last = now;
        batch.send(&socket, count).expect("send");
    }
    meter.report();
}

/// As many datagrams as there are in one system call: the server has no less work with them for that.
#[cfg(target_os = "linux")]
struct Batch {
    size: usize,
    /// What the headers point to, here and below; neither is moved or grown.
    _datagrams: Vec<Vec<u8>>,
    _pieces: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

#[cfg(target_os = "linux")]
impl Batch {
    fn new(count: usize, size: usize) -> Self {
        let mut datagrams = vec![vec![7u8; size]; count];
        let mut pieces: Vec<_> = datagrams
            .iter_mut()
            .map(|datagram| libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: size })
            .collect();
        let headers = pieces
            .iter_mut()
            .map(|piece| {
                // SAFETY: zeros are a header without an address, control data or flags.
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                (header.msg_hdr.msg_iov, header.msg_hdr.msg_iovlen) = (piece, 1);
                header
            })
            .collect();
        Batch { size, _datagrams: datagrams, _pieces: pieces, headers }
    }

    fn send(&mut self, socket: &UdpSocket, count: usize) -> Result<()> {
        use std::os::fd::AsRawFd;
        let mut left = &mut self.headers[..count];
        while !left.is_empty() {
            // SAFETY: the headers point to memory that `self` owns.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), left.as_mut_ptr(), left.len() as u32, 0) };
            let sent = usize::try_from(sent).map_err(|_| std::io::Error::last_os_error())?;
            left = &mut left[sent..];
        }
        Ok(())
    }

    /// Waits for one, and takes what else is there.
    fn receive(&mut self, socket: &UdpSocket) -> Result<usize> {
        use std::os::fd::AsRawFd;
        let (fd, headers, count) = (socket.as_raw_fd(), self.headers.as_mut_ptr(), self.headers.len() as u32);
        // SAFETY: as above, and nobody else looks at that memory meanwhile.
        let received =
            unsafe { libc::recvmmsg(fd, headers, count, libc::MSG_WAITFORONE, std::ptr::null_mut()) };
        let received = usize::try_from(received).map_err(|_| std::io::Error::last_os_error())?;
        let whole = |header: &libc::mmsghdr| {
            header.msg_len as usize == self.size && header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0
        };
        assert!(self.headers[..received].iter().all(whole), "a datagram came back as another");
        Ok(received)
    }
}

#[cfg(not(target_os = "linux"))]
struct Batch {
    message: Vec<u8>,
    /// A byte more than a datagram has.
    buffer: Vec<u8>,
}

#[cfg(not(target_os = "linux"))]
impl Batch {
    fn new(_count: usize, size: usize) -> Self {
        Batch { message: vec![7; size], buffer: vec![0; size + 1] }
    }

    fn send(&mut self, socket: &UdpSocket, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| socket.send(&self.message).map(drop))
    }

    fn receive(&mut self, socket: &UdpSocket) -> Result<usize> {
        let count = socket.recv(&mut self.buffer)?;
        assert_eq!(count, self.message.len(), "a datagram came back as another");
        Ok(1)
    }
}
