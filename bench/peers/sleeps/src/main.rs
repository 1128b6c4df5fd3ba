//! Sleeps of 0.2 to 50 ms, some at once, on another reactor: `sleeps tokio|async-io COUNT AT_ONCE` prints how late each ended,
//! in milliseconds, as a line of JSON.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What all lanes share: how many sleeps are left to start, and how late those ended that are over.
struct Lanes {
    left: Cell<u32>,
    late_ms: RefCell<Vec<f64>>,
}

/// Durations spread evenly and out of order; which does not matter, since no two reactors sleep at the same time.
fn duration(index: u32) -> Duration {
    Duration::from_micros(200 + u64::from(index.wrapping_mul(7919) % 49_800))
}

async fn lane<F: Future>(lanes: Rc<Lanes>, sleep: impl Fn(Duration) -> F) {
    while lanes.left.get() > 0 {
        lanes.left.set(lanes.left.get() - 1);
        let length = duration(lanes.left.get());
        let begun = Instant::now();
        sleep(length).await;
        let late = begun.elapsed().as_secs_f64() - length.as_secs_f64();
        lanes.late_ms.borrow_mut().push(late * 1000.0);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, reactor, count, at_once] = &args[..] else {
        eprintln!("usage: sleeps tokio|async-io COUNT AT_ONCE");
        std::process::exit(2);
    };
    let lanes = Rc::new(Lanes {
        left: Cell::new(count.parse().expect("COUNT is a number")),
        late_ms: RefCell::default(),
    });
    let at_once: u32 = at_once.parse().expect("AT_ONCE is a number");
    if reactor == "tokio" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let local = tokio::task::LocalSet::new();
        for _ in 0..at_once {
            local.spawn_local(lane(Rc::clone(&lanes), tokio::time::sleep));
        }
        runtime.block_on(local);
    } else {
        let mut all: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for _ in 0..at_once {
            all.push(Box::pin(lane(Rc::clone(&lanes), async_io::Timer::after)));
        }
        async_io::block_on(async move {
            std::future::poll_fn(|context| {
                all.retain_mut(|lane| lane.as_mut().poll(context).is_pending());
                if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        });
    }
    println!("{:?}", lanes.late_ms.borrow());
}
