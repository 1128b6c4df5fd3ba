//! Terminals: attributes, size, and pairs of pseudo-terminals.

use std::os::fd::AsRawFd;

use super::{Errno, OwnedFd, RawFd, Result, check, created, file, retry};

/// How many control characters there are.
#[cfg(target_os = "linux")]
pub const CONTROL_CHARACTERS: usize = 19;
#[cfg(not(target_os = "linux"))]
pub const CONTROL_CHARACTERS: usize = libc::NCCS;

/// The attributes of a terminal, with speeds in baud on every system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    pub iflag: u32,
    pub oflag: u32,
    pub cflag: u32,
    pub lflag: u32,
    pub ispeed: u32,
    pub ospeed: u32,
    pub cc: [u8; CONTROL_CHARACTERS],
}

/// When new attributes take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Now,
    /// Once everything written has gone out.
    Drain,
    /// As `Drain`, and what has come in unread is dropped.
    Flush,
}

impl Termios {
    /// Raw mode, by the letter of cfmakeraw(3).
    #[allow(clippy::unnecessary_cast)] // flags are wider on macOS
    pub fn make_raw(&mut self) {
        use libc::*;
        self.iflag &= !((IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON) as u32);
        self.oflag &= !(OPOST as u32);
        self.lflag &= !((ECHO | ECHONL | ICANON | ISIG | IEXTEN) as u32);
        self.cflag &= !((CSIZE | PARENB) as u32);
        self.cflag |= CS8 as u32;
        self.cc[VMIN] = 1;
        self.cc[VTIME] = 0;
    }
}

#[cfg(target_os = "linux")]
mod system {
    //! By TCGETS2 and its kind: they take any speed, where tcgetattr(3) knows a fixed list.

    use super::super::{RawFd, Result, retry};
    use super::{Termios, When};

    const BAUD_MASK: u32 = libc::CBAUD;

    fn get(fd: RawFd) -> Result<libc::termios2> {
        // SAFETY: all zeroes is a valid termios2.
        let mut raw: libc::termios2 = unsafe { std::mem::zeroed() };
        // SAFETY: TCGETS2 writes one termios2, which outlives the call.
        retry(|| unsafe { libc::ioctl(fd, libc::TCGETS2 as _, &mut raw) } as isize)?;
        Ok(raw)
    }

    pub fn tcgetattr(fd: RawFd) -> Result<Termios> {
        let raw = get(fd)?;
        Ok(Termios {
            iflag: raw.c_iflag,
            oflag: raw.c_oflag,
            cflag: raw.c_cflag,
            lflag: raw.c_lflag,
            ispeed: raw.c_ispeed,
            ospeed: raw.c_ospeed,
            cc: raw.c_cc,
        })
    }

    pub fn tcsetattr(fd: RawFd, when: When, termios: &Termios) -> Result<()> {
        let mut raw = get(fd)?; // for the line discipline
        raw.c_iflag = termios.iflag;
        raw.c_oflag = termios.oflag;
        raw.c_lflag = termios.lflag;
        raw.c_cc = termios.cc;
        let input = if termios.ispeed == termios.ospeed { 0 } else { baud_bits(termios.ispeed) };
        let bits = baud_bits(termios.ospeed) | input << libc::IBSHIFT;
        raw.c_cflag = termios.cflag & !(BAUD_MASK | BAUD_MASK << libc::IBSHIFT) | bits;
        raw.c_ispeed = termios.ispeed;
        raw.c_ospeed = termios.ospeed;
        let request = match when {
            When::Now => libc::TCSETS2,
            When::Drain => libc::TCSETSW2,
            When::Flush => libc::TCSETSF2,
        };
        // SAFETY: the requests read one termios2, which outlives the call.
        retry(|| unsafe { libc::ioctl(fd, request as _, &raw) } as isize)?;
        Ok(())
    }

    /// The bits of a speed that has a name, so that programs which only know the names can read it; BOTHER else.
    fn baud_bits(speed: u32) -> u32 {
        use libc::*;
        let named = [
            (0, B0),
            (50, B50),
            (75, B75),
            (110, B110),
            (134, B134),
            (150, B150),
            (200, B200),
            (300, B300),
            (600, B600),
            (1200, B1200),
            (1800, B1800),
            (2400, B2400),
            (4800, B4800),
            (9600, B9600),
            (19200, B19200),
            (38400, B38400),
            (57600, B57600),
            (115_200, B115200),
            (230_400, B230400),
            (460_800, B460800),
            (500_000, B500000),
            (576_000, B576000),
            (921_600, B921600),
            (1_000_000, B1000000),
            (1_152_000, B1152000),
            (1_500_000, B1500000),
            (2_000_000, B2000000),
            (2_500_000, B2500000),
            (3_000_000, B3000000),
            (3_500_000, B3500000),
            (4_000_000, B4000000),
        ];
        named.iter().find(|(baud, _)| *baud == speed).map_or(libc::BOTHER, |(_, bits)| *bits)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    //! By termios(3), whose speeds are plain numbers on the BSDs.

    use super::super::{RawFd, Result, check, retry};
    use super::{Termios, When};

    fn get(fd: RawFd) -> Result<libc::termios> {
        // SAFETY: all zeroes is a valid termios.
        let mut raw: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: writes one termios, which outlives the call.
        retry(|| unsafe { libc::tcgetattr(fd, &mut raw) } as isize)?;
        Ok(raw)
    }

    pub fn tcgetattr(fd: RawFd) -> Result<Termios> {
        let raw = get(fd)?;
        Ok(Termios {
            iflag: raw.c_iflag as u32,
            oflag: raw.c_oflag as u32,
            cflag: raw.c_cflag as u32,
            lflag: raw.c_lflag as u32,
            ispeed: raw.c_ispeed as u32,
            ospeed: raw.c_ospeed as u32,
            cc: raw.c_cc,
        })
    }

    pub fn tcsetattr(fd: RawFd, when: When, termios: &Termios) -> Result<()> {
        let mut raw = get(fd)?;
        raw.c_iflag = termios.iflag as _;
        raw.c_oflag = termios.oflag as _;
        raw.c_cflag = termios.cflag as _;
        raw.c_lflag = termios.lflag as _;
        raw.c_cc = termios.cc;
        // SAFETY: both only write into the structure.
        unsafe {
            check(libc::cfsetispeed(&mut raw, termios.ispeed as _))?;
            check(libc::cfsetospeed(&mut raw, termios.ospeed as _))?;
        }
        let action = match when {
            When::Now => libc::TCSANOW,
            When::Drain => libc::TCSADRAIN,
            When::Flush => libc::TCSAFLUSH,
        };
        // SAFETY: reads one termios, which outlives the call.
        retry(|| unsafe { libc::tcsetattr(fd, action, &raw) } as isize)?;
        Ok(())
    }
}

pub use system::{tcgetattr, tcsetattr};

/// A pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    pub master: OwnedFd,
    pub slave: OwnedFd,
    /// Such as `/dev/pts/3`.
    pub path: Vec<u8>,
}

/// Opens a pseudo-terminal of the given size; neither end becomes the controlling terminal.
pub fn openpty(columns: u16, rows: u16) -> Result<Pty> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // Linux takes open's flags here, the others only those of POSIX.
    #[cfg(target_os = "linux")]
    // SAFETY: only a number is passed.
    let master = created(unsafe { libc::posix_openpt(flags | libc::O_NONBLOCK) })?;
    #[cfg(not(target_os = "linux"))]
    // SAFETY: only a number is passed.
    let master = super::prepare(created(unsafe { libc::posix_openpt(flags & !libc::O_CLOEXEC) })?)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let path = rustix::pty::ptsname(&master, Vec::new())?;
    let slave = match peer(&master) {
        Err(Errno::INVAL | Errno::NOTTY) => file::open(&path, libc::O_RDWR, 0)?,
        slave => slave?,
    };
    set_winsize(master.as_raw_fd(), columns, rows, 0, 0)?;
    Ok(Pty { master, slave, path: path.into_bytes() })
}

/// The other end without its name, which may mean nothing in this mount namespace.
#[cfg(target_os = "linux")]
fn peer(master: &OwnedFd) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: TIOCGPTPEER takes an int and touches no memory of ours.
    created(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER as _, flags) })
}

#[cfg(not(target_os = "linux"))]
fn peer(_master: &OwnedFd) -> Result<OwnedFd> {
    Err(Errno::NOTTY)
}

/// Tells the programs on a terminal its size in characters, and in pixels if that is known.
pub fn set_winsize(fd: RawFd, columns: u16, rows: u16, width: u16, height: u16) -> Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: width, ws_ypixel: height };
    // SAFETY: TIOCSWINSZ reads one winsize, which outlives the call.
    check(unsafe { libc::ioctl(fd, libc::TIOCSWINSZ as _, &size) })?;
    Ok(())
}

/// Columns, rows, width and height.
pub fn winsize(fd: RawFd) -> Result<[u16; 4]> {
    // SAFETY: all zeroes is a valid winsize.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one winsize, which outlives the call.
    retry(|| unsafe { libc::ioctl(fd, libc::TIOCGWINSZ as _, &mut size) } as isize)?;
    Ok([size.ws_col, size.ws_row, size.ws_xpixel, size.ws_ypixel])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_what_was_set_also_at_odd_speeds() {
        let pty = openpty(80, 25).unwrap();
        let fd = pty.slave.as_raw_fd();
        let mut termios = tcgetattr(fd).unwrap();
        termios.make_raw();
        for speed in [9600, 115_200, 250_000, 31_250] {
            (termios.ispeed, termios.ospeed) = (speed, speed);
            tcsetattr(fd, When::Now, &termios).unwrap();
            let now = tcgetattr(fd).unwrap();
            assert_eq!((now.ispeed, now.ospeed), (speed, speed));
            assert_eq!((now.lflag, now.cc), (termios.lflag, termios.cc));
        }
        assert_eq!(winsize(fd), Ok([80, 25, 0, 0]));
    }
}
