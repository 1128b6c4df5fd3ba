//! Who waits for the kernel: libuv's own loop, into which the reactor is embedded, or a thread of ours.

mod embedded;
mod threaded;
mod uv;

pub use embedded::Embedded;
pub use threaded::Threaded;

pub enum Driver {
    Embedded(Embedded),
    Threaded(Threaded),
}

impl Driver {
    /// Holds the event loop open, or lets it go.
    pub fn hold(&self, hold: bool) {
        match self {
            Driver::Embedded(driver) => driver.hold(hold),
            Driver::Threaded(driver) => driver.hold(hold),
        }
    }

    /// Asks for a turn in the next iteration of the loop.
    pub fn wake(&self) {
        match self {
            Driver::Embedded(driver) => driver.wake(),
            Driver::Threaded(driver) => driver.wake(),
        }
    }

    /// Whether events were collected that no turn has taken yet.
    pub fn has_untaken(&self) -> bool {
        match self {
            // They stay in the kernel, which keeps the poller readable.
            Driver::Embedded(_) => false,
            Driver::Threaded(driver) => driver.has_untaken(),
        }
    }

    /// A turn has begun: what it was asked for is under way.
    pub fn turn_began(&self) {
        if let Driver::Threaded(driver) = self {
            driver.turn_began();
        }
    }

    /// A turn was refused, as one is running: no other is wanted before [`Driver::resume`].
    pub fn pause(&self) {
        if let Driver::Embedded(driver) = self {
            driver.pause(true);
            driver.rest();
        }
    }

    /// Has the turn that was refused made up for.
    pub fn resume(&self) {
        match self {
            // What it was for is still in the kernel.
            Driver::Embedded(driver) => driver.pause(false),
            Driver::Threaded(driver) => {
                driver.turn_began();
                driver.wake();
            }
        }
    }

    /// Whether the thread may not ask for a turn now; see [`Threaded::hold_back`].
    pub fn hold_back(&self, held: bool) {
        if let Driver::Threaded(driver) = self {
            driver.hold_back(held);
        }
    }

    /// No turn is wanted beyond those that the kernel asks for.
    pub fn rest(&self) {
        if let Driver::Embedded(driver) = self {
            driver.rest();
        }
    }
}
