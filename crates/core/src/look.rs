//! A look at all that the kernel has ready, which may take several collections.

use crate::collector::EVENTS_PER_TURN;

/// Events of a collection that are our own: the waker's and the alarm's.
const OWN_EVENTS: usize = 2;

/// A look that began after JavaScript had asked for it.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// How many had been asked for by then.
    pub number: u32,
    /// Collections after which all that was ready when it began has been collected, as the kernel tells of it in order.
    left: usize,
}

impl Look {
    pub fn new(number: u32, registered: usize) -> Self {
        Look { number, left: (registered + OWN_EVENTS).div_ceil(EVENTS_PER_TURN) }
    }

    /// Notes a collection of so many events. True if the look is over.
    pub fn is_over(&mut self, events: usize) -> bool {
        self.left -= 1;
        self.left == 0 || events + OWN_EVENTS < EVENTS_PER_TURN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_over_when_the_kernel_has_no_more() {
        let mut look = Look::new(7, 100_000);
        assert!(!look.is_over(EVENTS_PER_TURN));
        assert!(!look.is_over(EVENTS_PER_TURN - OWN_EVENTS));
        assert!(look.is_over(EVENTS_PER_TURN - OWN_EVENTS - 1));
        assert_eq!(look.number, 7);
    }

    #[test]
    fn or_when_it_had_time_to_tell_of_all() {
        let mut look = Look::new(0, 2 * EVENTS_PER_TURN);
        assert!(!look.is_over(EVENTS_PER_TURN));
        assert!(!look.is_over(EVENTS_PER_TURN));
        assert!(look.is_over(EVENTS_PER_TURN));
        assert!(Look::new(0, 0).is_over(EVENTS_PER_TURN));
    }
}
