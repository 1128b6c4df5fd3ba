//! Interest and readiness: the bits that both sides share. `src/interest.ts` has the same numbers.

/// What a registration waits for, or what was seen: a set of bits.
pub type Bits = u32;

pub const READABLE: Bits = 1;
pub const WRITABLE: Bits = 2;
/// The peer sends no more: end of file follows the data. Implies readable.
pub const READ_CLOSED: Bits = 4;
/// Nothing can be written any more. Implies writable.
pub const WRITE_CLOSED: Bits = 8;
pub const PRIORITY: Bits = 16;
pub const ERROR: Bits = 32;

/// The bits that may be asked for.
pub const INTERESTS: Bits = READABLE | WRITABLE | PRIORITY | ERROR;
/// The bits that live in the word of the read direction.
pub const READ_SIDE: Bits = READABLE | READ_CLOSED | PRIORITY | ERROR;
/// The bits that live in the word of the write direction. An error is in both: it wakes both.
pub const WRITE_SIDE: Bits = WRITABLE | WRITE_CLOSED | ERROR;
/// The bits that say a direction has ended; a clear leaves them.
pub const CLOSED: Bits = READ_CLOSED | WRITE_CLOSED;

/// An event of the kernel as readiness. `hup` ends both directions, `rdhup` the reading one.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn from_epoll(flags: rustix::event::epoll::EventFlags) -> Bits {
    use rustix::event::epoll::EventFlags as E;
    let mut bits = 0;
    for (flag, bit) in [
        (E::IN, READABLE),
        (E::OUT, WRITABLE),
        (E::PRI, PRIORITY),
        (E::ERR, ERROR),
        (E::RDHUP, READ_CLOSED),
        (E::HUP, CLOSED),
    ] {
        if flags.contains(flag) {
            bits |= bit;
        }
    }
    bits
}

/// The mask of a registration; errors and hang-ups are always reported, a half-close has to be asked for.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn to_epoll(asked: Bits) -> rustix::event::epoll::EventFlags {
    use rustix::event::epoll::EventFlags as E;
    let mut flags = E::empty();
    for (bit, flag) in [(READABLE, E::IN), (WRITABLE, E::OUT), (PRIORITY, E::PRI), (READ_CLOSED, E::RDHUP)] {
        flags.set(flag, asked & bit != 0);
    }
    flags
}
