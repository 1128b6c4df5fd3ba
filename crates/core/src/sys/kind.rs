//! What kind of file a descriptor is, as far as reading and writing it goes.

use std::mem::MaybeUninit;

use super::{RawFd, Result, check};

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
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` outlives the call, which fills it unless it fails.
    let mode = unsafe {
        check(libc::fstat(fd, stat.as_mut_ptr()))?;
        stat.assume_init().st_mode
    };
    Ok(match mode & libc::S_IFMT {
        libc::S_IFIFO => Kind::Pipe,
        libc::S_IFCHR => Kind::CharacterDevice,
        libc::S_IFSOCK if is_tcp(fd) => Kind::Tcp,
        libc::S_IFSOCK => Kind::Socket,
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
        let file = std::fs::File::open("/proc/self/exe").unwrap();
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
