//! recvmsg and sendmsg with their control messages: descriptors, and anything else as level, type and bytes.

use std::mem::size_of;

use super::address::Address;
use super::{Errno, FromRawFd, OwnedFd, RawFd, Result, socket};

/// The most descriptors one message carries (SCM_MAX_FD on Linux).
pub const MAX_FDS: usize = 253;
/// The most control bytes we take or give in one message.
pub const MAX_CONTROL: usize = 64 * 1024;

/// A control message other than descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub level: i32,
    pub kind: i32,
    pub data: Vec<u8>,
}

/// What recvmsg brought. Dropping it closes the descriptors.
#[derive(Debug)]
pub struct Message {
    pub count: usize,
    pub flags: i32,
    pub address: Option<Address>,
    pub fds: Vec<OwnedFd>,
    pub control: Vec<Control>,
}

/// recvmsg(2). Takes at most `max_fds` descriptors, all close-on-exec; what more the kernel delivers is closed and
/// reported as MSG_CTRUNC. `control_len` is the room for other control messages, headers included.
///
/// # Safety
/// Every buffer is valid for writes until the call returns.
pub unsafe fn recv_msg(
    fd: RawFd,
    buffers: &[libc::iovec],
    max_fds: usize,
    control_len: usize,
    flags: i32,
) -> Result<Message> {
    if max_fds > MAX_FDS || control_len > MAX_CONTROL {
        return Err(Errno::INVAL);
    }
    let room = if max_fds > 0 { space(max_fds * size_of::<RawFd>()) } else { 0 } + control_len;
    let mut memory = vec![0u64; room.div_ceil(size_of::<u64>())];
    // SAFETY: the caller vouches for the buffers.
    let received = unsafe { socket::recv_message(fd, buffers, &mut memory, flags)? };
    // Taken over before anything else can fail: from here on they are closed whatever happens.
    let (mut fds, mut control) = parse(&memory, received.control_len);
    let mut flags = received.flags;
    // Other messages may have filled the room that was meant for descriptors.
    let mut left = control_len;
    let fitting = control.iter().take_while(|message| {
        let fits = space(message.data.len()) <= left;
        left = left.saturating_sub(space(message.data.len()));
        fits
    });
    let fitting = fitting.count();
    if fitting < control.len() {
        control.truncate(fitting);
        flags |= libc::MSG_CTRUNC;
    }
    if fds.len() > max_fds {
        fds.truncate(max_fds);
        flags |= libc::MSG_CTRUNC;
    }
    #[cfg(target_vendor = "apple")]
    for fd in &fds {
        use std::os::fd::AsRawFd;
        super::set_cloexec(fd.as_raw_fd())?;
    }
    Ok(Message { count: received.count, flags, address: received.address, fds, control })
}

/// sendmsg(2) with descriptors and other control messages.
///
/// # Safety
/// Every buffer is valid for reads until the call returns.
pub unsafe fn send_msg(
    fd: RawFd,
    buffers: &[libc::iovec],
    fds: &[RawFd],
    control: &[Control],
    flags: i32,
    to: Option<&Address>,
) -> Result<usize> {
    if fds.len() > MAX_FDS {
        return Err(Errno::INVAL);
    }
    let mut builder = Builder::default();
    if !fds.is_empty() {
        let data: Vec<u8> = fds.iter().flat_map(|fd| fd.to_ne_bytes()).collect();
        builder.push(libc::SOL_SOCKET, libc::SCM_RIGHTS, &data);
    }
    for message in control {
        builder.push(message.level, message.kind, &message.data);
    }
    if builder.len > MAX_CONTROL {
        return Err(Errno::INVAL);
    }
    // SAFETY: the caller vouches for the buffers.
    unsafe { socket::send_message(fd, buffers, &mut builder.memory, builder.len, flags, to) }
}

fn space(data_len: usize) -> usize {
    // SAFETY: CMSG_SPACE only computes.
    unsafe { libc::CMSG_SPACE(data_len as libc::c_uint) as usize }
}

/// The bytes of a message with its header, without the padding behind it.
fn len(data_len: usize) -> usize {
    // SAFETY: CMSG_LEN only computes.
    unsafe { libc::CMSG_LEN(data_len as libc::c_uint) as usize }
}

/// Lays control messages one behind the other, aligned as cmsg(3) asks.
#[derive(Default)]
pub(super) struct Builder {
    pub memory: Vec<u64>,
    pub len: usize,
}

impl Builder {
    pub fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let at = self.len;
        self.len += space(data.len());
        self.memory.resize(self.len.div_ceil(size_of::<u64>()), 0);
        // SAFETY: `at` is a sum of CMSG_SPACEs, so aligned for a header; header and data end within `len`.
        unsafe {
            let header = self.memory.as_mut_ptr().cast::<u8>().add(at).cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = len(data.len()) as _;
            std::ptr::copy_nonoverlapping(data.as_ptr(), header.cast::<u8>().add(len(0)), data.len());
        }
    }
}

/// Reads what the kernel wrote. Every length is held against the memory it claims to be in.
fn parse(memory: &[u64], written: usize) -> (Vec<OwnedFd>, Vec<Control>) {
    let (mut fds, mut control) = (Vec::new(), Vec::new());
    let written = written.min(size_of_val(memory));
    let mut at = 0;
    while written.saturating_sub(at) >= len(0) {
        // SAFETY: `at` is aligned (a sum of CMSG_SPACEs) and a whole header lies before `written`.
        let header: libc::cmsghdr =
            unsafe { memory.as_ptr().cast::<u8>().add(at).cast::<libc::cmsghdr>().read() };
        #[allow(clippy::unnecessary_cast)] // not a usize everywhere
        let total = header.cmsg_len as usize;
        if total < len(0) || total > written - at {
            break;
        }
        let data_len = total - len(0);
        // SAFETY: `total` bytes from `at` lie within the memory, which is initialised.
        let data =
            unsafe { std::slice::from_raw_parts(memory.as_ptr().cast::<u8>().add(at + len(0)), data_len) };
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS {
            fds.extend(data.chunks_exact(size_of::<RawFd>()).map(|bytes| {
                let fd = RawFd::from_ne_bytes(bytes.try_into().unwrap_or_default());
                // SAFETY: the kernel installed this descriptor for us with this message.
                unsafe { OwnedFd::from_raw_fd(fd) }
            }));
        } else {
            control.push(Control { level: header.cmsg_level, kind: header.cmsg_type, data: data.to_vec() });
        }
        at += space(data_len);
    }
    (fds, control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        socket::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0).unwrap()
    }

    fn iovec(bytes: &mut [u8]) -> [libc::iovec; 1] {
        [libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }]
    }

    fn open_count() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_descriptor_too_many_is_closed_and_reported() {
        let (a, b) = pair();
        let mut byte = [1u8];
        let fds = [a.as_raw_fd(), a.as_raw_fd()];
        // SAFETY: the byte lives through the calls.
        unsafe {
            send_msg(a.as_raw_fd(), &iovec(&mut byte), &fds, &[], 0, None).unwrap();
            // Two fit into the padded room for one.
            let message = recv_msg(b.as_raw_fd(), &iovec(&mut byte), 1, 0, 0).unwrap();
            assert_eq!(message.fds.len(), 1);
            assert_ne!(message.flags & libc::MSG_CTRUNC, 0);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn room_for_control_only_still_closes_descriptors() {
        let (a, b) = pair();
        let mut byte = [1u8];
        // SAFETY: the byte lives through the calls.
        let message = unsafe {
            send_msg(a.as_raw_fd(), &iovec(&mut byte), &[a.as_raw_fd()], &[], 0, None).unwrap();
            recv_msg(b.as_raw_fd(), &iovec(&mut byte), 0, 256, 0).unwrap()
        };
        assert!(message.fds.is_empty());
        assert_ne!(message.flags & libc::MSG_CTRUNC, 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn dropping_a_message_closes_what_it_brought() {
        let (a, b) = pair();
        let mut byte = [1u8];
        let fds = [a.as_raw_fd(); 8];
        for _ in 0..2000 {
            // SAFETY: the byte lives through the calls.
            unsafe {
                send_msg(a.as_raw_fd(), &iovec(&mut byte), &fds, &[], 0, None).unwrap();
                assert_eq!(recv_msg(b.as_raw_fd(), &iovec(&mut byte), 8, 0, 0).unwrap().fds.len(), 8);
            }
        }
        // 16,000 leaked descriptors would have hit the limit long before; other tests open a few meanwhile.
        assert!(open_count() < 1000);
    }

    #[test]
    fn what_the_builder_lays_out_the_parser_reads() {
        let mut builder = Builder::default();
        builder.push(1, 2, b"abc");
        builder.push(3, 4, b"");
        builder.push(5, 6, b"12345678901");
        let (fds, control) = parse(&builder.memory, builder.len);
        assert!(fds.is_empty());
        let data: Vec<_> = control.iter().map(|c| (c.level, c.kind, c.data.as_slice())).collect();
        assert_eq!(data, [(1, 2, &b"abc"[..]), (3, 4, b""), (5, 6, b"12345678901")]);
    }

    #[test]
    fn a_length_that_lies_ends_the_parse() {
        let mut builder = Builder::default();
        builder.push(1, 2, b"abc");
        for lie in [0u64, 3, 1 << 40, u64::MAX] {
            builder.memory[0] = lie;
            assert!(parse(&builder.memory, builder.len).1.is_empty());
        }
        assert!(parse(&builder.memory, usize::MAX).1.is_empty());
    }
}
