//! Terminals. Attributes travel as numbers: iflag, oflag, cflag, lflag, ispeed, ospeed, then one per control
//! character.

use asyncfd_core::sys::tty::{self, CONTROL_CHARACTERS, Termios, When};
use asyncfd_core::sys::{Errno, IntoRawFd, Result};
use napi_derive::napi;

use super::view::View;
use super::{done, failure};

const FLAGS: usize = 6;

fn read(numbers: &View) -> Result<Termios> {
    let numbers = numbers.numbers()?;
    if numbers.len() < FLAGS + CONTROL_CHARACTERS {
        return Err(Errno::RANGE);
    }
    let word = |index: usize| numbers[index] as u32;
    Ok(Termios {
        iflag: word(0),
        oflag: word(1),
        cflag: word(2),
        lflag: word(3),
        ispeed: word(4),
        ospeed: word(5),
        cc: std::array::from_fn(|index| numbers[FLAGS + index] as u8),
    })
}

fn write(numbers: &View, termios: &Termios) -> Result<()> {
    let Termios { iflag, oflag, cflag, lflag, ispeed, ospeed, cc } = *termios;
    let flags = [iflag, oflag, cflag, lflag, ispeed, ospeed].map(|flags| flags as i32);
    let all: Vec<i32> = flags.into_iter().chain(cc.map(i32::from)).collect();
    numbers.write_numbers(&all)
}

/// `tcgetattr(3)`: writes the attributes; how many control characters there are, or `-errno`.
#[napi(catch_unwind)]
pub fn sys_tcgetattr(fd: i32, #[napi(ts_arg_type = "Uint32Array")] numbers: View) -> i32 {
    match tty::tcgetattr(fd).and_then(|termios| write(&numbers, &termios)) {
        Ok(()) => CONTROL_CHARACTERS as i32,
        Err(errno) => failure(errno),
    }
}

/// `tcsetattr(3)`, `when` being 0 (now), 1 (drain) or 2 (flush): 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_tcsetattr(fd: i32, when: u32, #[napi(ts_arg_type = "Uint32Array")] numbers: View) -> i32 {
    let when = match when {
        0 => When::Now,
        1 => When::Drain,
        2 => When::Flush,
        _ => return failure(Errno::INVAL),
    };
    done(read(&numbers).and_then(|termios| tty::tcsetattr(fd, when, &termios)))
}

/// `cfmakeraw(3)` on attributes in place: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_make_raw(#[napi(ts_arg_type = "Uint32Array")] numbers: View) -> i32 {
    done(read(&numbers).and_then(|mut termios| {
        termios.make_raw();
        write(&numbers, &termios)
    }))
}

/// A pseudo-terminal: writes `[master, slave]` to `fds` and the slave's path to `path`; the length of the path, or
/// `-errno`.
#[napi(catch_unwind)]
pub fn sys_openpty(
    columns: u16,
    rows: u16,
    #[napi(ts_arg_type = "Int32Array")] fds: View,
    #[napi(ts_arg_type = "Uint8Array")] path: View,
) -> i32 {
    super::count((|| {
        fds.bytes()?.part(0, 8).ok_or(Errno::RANGE)?;
        let pty = tty::openpty(columns, rows)?;
        path.write(&pty.path)?;
        fds.write_numbers(&[pty.master.into_raw_fd(), pty.slave.into_raw_fd()])?;
        Ok(pty.path.len())
    })())
}

/// `TIOCSWINSZ`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_set_winsize(fd: i32, columns: u16, rows: u16, width: u16, height: u16) -> i32 {
    done(tty::set_winsize(fd, columns, rows, width, height))
}

/// `TIOCGWINSZ`: writes columns, rows, width and height; 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_winsize(fd: i32, #[napi(ts_arg_type = "Int32Array")] numbers: View) -> i32 {
    done(tty::winsize(fd).and_then(|size| numbers.write_numbers(&size.map(i32::from))))
}
