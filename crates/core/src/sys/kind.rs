//! What kind of file a descriptor is, as far as reading and writing it goes.

use rustix::fs::{FileType, fstat};

use super::{RawFd, Result};
use crate::registration::borrow;

/// How bytes go in and out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// By read and write; each goes on until it would block.
    Other = 0,
    /// By recv and send; each goes on until it would block, as a read may end at the border of a message, or of what was
    /// sent along with descriptors.
    Socket = 1,
    /// As `Socket`, but a short transfer says that the next one would block.
    Tcp = 2,
    /// As `Other`, likewise.
    Pipe = 3,
    /// As `Other`; of a terminal, EIO is the end.
    CharacterDevice = 4,
}

/// Asks the kernel: EBADF is the only thing that can go wrong.
pub fn kind(fd: RawFd) -> Result<Kind> {
    // Not the C library's, which on 32-bit systems refuses large files and large inode numbers (EOVERFLOW).
    let mode = fstat(borrow(fd)?)?.st_mode;
    Ok(match FileType::from_raw_mode(mode) {
        FileType::Fifo => Kind::Pipe,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::Socket if is_tcp(fd) => Kind::Tcp,
        FileType::Socket => Kind::Socket,
        _ => Kind::Other,
    })
}

fn is_tcp(fd: RawFd) -> bool {
    // SAFETY: the descriptor is borrowed for this line, and was just found open.
    let socket = unsafe { rustix::fd::BorrowedFd::borrow_raw(fd) };
    rustix::net::sockopt::socket_type(socket) == Ok(rustix::net::SocketType::STREAM)
        && rustix::net::getsockname(socket).is_ok_and(|address| {
            matches!(
                address.address_family(),
                rustix::net::AddressFamily::INET | rustix::net::AddressFamily::INET6
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn tells_what_a_short_read_means() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (unix, _peer) = UnixStream::pair().unwrap();
        let (reader, writer) = super::super::io::pipe().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let large = std::env::temp_dir().join(format!("asyncfd-kind-{}", std::process::id()));
        let file = std::fs::File::create(&large).unwrap();
        std::fs::remove_file(&large).unwrap();
        file.set_len(3 << 30).unwrap(); // a hole, which takes no room
        assert_eq!(kind(tcp.as_raw_fd()), Ok(Kind::Tcp));
        assert_eq!(kind(udp.as_raw_fd()), Ok(Kind::Socket));
        assert_eq!(kind(unix.as_raw_fd()), Ok(Kind::Socket));
        assert_eq!(kind(reader.as_raw_fd()), Ok(Kind::Pipe));
        assert_eq!(kind(writer.as_raw_fd()), Ok(Kind::Pipe));
        assert_eq!(kind(null.as_raw_fd()), Ok(Kind::CharacterDevice));
        assert_eq!(kind(file.as_raw_fd()), Ok(Kind::Other));
        assert_eq!(kind(-1), Err(super::super::Errno::BADF));
    }
}
