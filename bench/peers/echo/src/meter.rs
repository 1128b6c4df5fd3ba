//! What the load generator counts.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Counts between a warm-up and an end.
pub struct Meter {
    span: Duration,
    begun: Instant,
    /// The CPU that this process had used by then.
    cpu: Duration,
    warm: bool,
    count: u64,
    micros: Vec<u32>,
}

impl Meter {
    pub fn new(ms: usize) -> Self {
        Meter {
            span: Duration::from_millis(ms as u64),
            begun: Instant::now(),
            cpu: cpu(),
            warm: false,
            count: 0,
            micros: Vec::with_capacity(1 << 20),
        }
    }

    pub fn note(&mut self, since: Instant, now: Instant) {
        self.count += 1;
        if self.micros.len() < self.micros.capacity() {
            self.micros.push(((now - since).as_nanos() / 10).min(u128::from(u32::MAX)) as u32);
        }
    }

    /// True when the time is up.
    pub fn over(&mut self, now: Instant) -> bool {
        let elapsed = now - self.begun;
        if self.warm {
            return elapsed >= self.span;
        }
        if elapsed >= self.span / 3 {
            (self.warm, self.begun, self.cpu, self.count) = (true, now, cpu(), 0);
            self.micros.clear();
        }
        false
    }

    pub fn report(mut self) {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.micros.sort_unstable();
        let at = |part: f64| f64::from(self.micros[((self.micros.len() - 1) as f64 * part) as usize]) / 100.0;
        println!(
            "{{\"perSecond\":{:.1},\"p50\":{:.2},\"p99\":{:.2},\"busy\":{:.3}}}",
            self.count as f64 / seconds,
            at(0.5),
            at(0.99),
            (cpu() - self.cpu).as_secs_f64() / seconds
        );
    }
}

fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().expect("a time since the start")
}
