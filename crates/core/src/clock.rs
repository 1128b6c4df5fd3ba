//! Time: the kernel's monotonic clock, or one that a test moves by hand. In milliseconds on the caller's scale, which
//! begins where the caller says.

use std::cell::Cell;

use rustix::time::{ClockId, clock_gettime};

use crate::wheel::TICKS_PER_MS;

/// A point in time or a span, in nanoseconds of `CLOCK_MONOTONIC`.
type Nanos = i128;

const NANOS_PER_TICK: Nanos = 1_000_000 / TICKS_PER_MS as Nanos;

pub struct Clock {
    /// The kernel's time at the caller's zero; later, or earlier, once time was stopped and ran on.
    origin: Cell<Nanos>,
    /// The time that is told while paused.
    paused_at_ms: Cell<Option<f64>>,
}

pub(crate) fn kernel_now() -> Nanos {
    let now = clock_gettime(ClockId::Monotonic);
    Nanos::from(now.tv_sec) * 1_000_000_000 + Nanos::from(now.tv_nsec)
}

impl Clock {
    /// A clock that tells `now_ms` now. Whoever read that a moment ago is told a time that much too early, so that
    /// nothing ends before its time.
    pub fn new(now_ms: f64) -> Self {
        Clock { origin: Cell::new(origin(now_ms)), paused_at_ms: Cell::new(None) }
    }

    /// The tick that has begun.
    pub fn now(&self) -> u64 {
        match self.paused_at_ms.get() {
            Some(ms) => (ms * TICKS_PER_MS as f64) as u64,
            None => ((kernel_now() - self.origin.get()) / NANOS_PER_TICK) as u64,
        }
    }

    /// Milliseconds.
    pub fn now_ms(&self) -> f64 {
        self.paused_at_ms.get().unwrap_or_else(|| (kernel_now() - self.origin.get()) as f64 / 1e6)
    }

    /// The first tick at which `ms` have passed: never early. Anything too far is the end of time.
    pub fn tick_at(ms: f64) -> u64 {
        let ticks = ms * TICKS_PER_MS as f64;
        // By hand: of the processors that we build for, not all can round up.
        let whole = ticks.max(0.0) as i64;
        whole as u64 + u64::from((whole as f64) < ticks)
    }

    /// When a tick begins, as the kernel counts: what a timerfd is armed with.
    pub fn kernel_nanos(&self, tick: u64) -> Nanos {
        self.origin.get() + Nanos::from(tick) * NANOS_PER_TICK
    }

    pub fn is_paused(&self) -> bool {
        self.paused_at_ms.get().is_some()
    }

    /// Stops time, or moves stopped time forward to `ms`; `None` lets it run on from there, so that it never goes back.
    pub fn pause(&self, ms: Option<f64>) {
        let before = self.paused_at_ms.get();
        let ms = ms.map(|ms| if ms.is_nan() { 0.0 } else { ms });
        if let (Some(before), None) = (before, ms) {
            self.origin.set(origin(before));
        }
        self.paused_at_ms.set(ms.map(|ms| ms.max(before.unwrap_or(ms))));
    }
}

/// The zero of a clock that tells `now_ms` now.
fn origin(now_ms: f64) -> Nanos {
    let now_ms = if now_ms.is_finite() { now_ms.clamp(0.0, 1e15) } else { 0.0 };
    kernel_now() - (now_ms * 1e6).floor() as Nanos
}
