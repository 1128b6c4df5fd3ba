//! The threaded driver, for runtimes whose loop we cannot enter: a thread blocks collecting events, stores them and
//! fires one ThreadsafeFunction; the turn then runs on the JS thread. The thread touches nothing but the collector
//! and the hand-over.
//!
//! How it ends: [`Threaded::close`], from the environment's cleanup hook, which runs before that of the
//! ThreadsafeFunction (hooks run last added first), wakes the thread, joins it and lets the function go.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use asyncfd_core::collector::{Buffer, Collector, Event};
use asyncfd_core::look::Look;
use napi::sys;

use crate::env::EnvState;
use crate::refusal::Refusal;

pub struct Threaded {
    env: sys::napi_env,
    function: sys::napi_threadsafe_function,
    shared: Arc<Shared>,
    thread: RefCell<Option<JoinHandle<()>>>,
    /// A turn was asked for and has not begun; asking again would only pile up calls.
    asked: Cell<bool>,
}

/// What the thread and the JS thread share.
struct Shared {
    collector: Arc<Collector>,
    hand_over: Mutex<HandOver>,
    taken: Condvar,
}

/// Events on their way to the JS thread. The thread adds only to an empty list, so events are bounded.
#[derive(Default)]
struct HandOver {
    events: Vec<Event>,
    /// The alarm went off.
    alarm: bool,
    /// A turn is wanted though the kernel has nothing to tell.
    asked: bool,
    /// A look that is wanted.
    look: Option<Look>,
    /// The number of the last one that is over: what it found is among the events, or was taken before.
    looked: Option<u32>,
    /// No turn may be asked for now.
    held: bool,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HandOver> {
        self.hand_over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as `condition` holds and the driver is not closed.
    fn wait_while<'a>(
        &self,
        hand_over: MutexGuard<'a, HandOver>,
        condition: impl Fn(&HandOver) -> bool,
    ) -> MutexGuard<'a, HandOver> {
        self.taken
            .wait_while(hand_over, |hand_over| !hand_over.stop && condition(hand_over))
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ThreadsafeFunction as the thread may use it.
struct Function(sys::napi_threadsafe_function);

// SAFETY: Node-API allows `napi_call_threadsafe_function` from any thread until the function is released, which
// happens after the thread was joined.
unsafe impl Send for Function {}

impl Function {
    fn call(&self) -> bool {
        // SAFETY: not released yet, see above; a non-blocking call with no data.
        let status = unsafe {
            sys::napi_call_threadsafe_function(
                self.0,
                ptr::null_mut(),
                sys::ThreadsafeFunctionCallMode::nonblocking,
            )
        };
        status == sys::Status::napi_ok
    }
}

impl Threaded {
    /// Starts the thread, named `asyncfd`. The function keeps one strong count of `state` until it is finalised.
    pub fn start(
        env: sys::napi_env,
        state: &Rc<EnvState>,
        collector: Arc<Collector>,
    ) -> Result<Threaded, Refusal> {
        let context = Rc::into_raw(Rc::clone(state)).cast_mut().cast::<c_void>();
        let (mut name, mut function) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: env is that of the call we are in; `context` is given back by `finalize`.
        let status = unsafe {
            sys::napi_create_string_utf8(env, c"asyncfd".as_ptr(), -1, &mut name);
            sys::napi_create_threadsafe_function(
                env,
                ptr::null_mut(),
                ptr::null_mut(),
                name,
                0,
                1,
                context,
                Some(finalize),
                context,
                Some(on_call),
                &mut function,
            )
        };
        if status != sys::Status::napi_ok {
            // SAFETY: the function was not made, so the count taken above is still ours.
            unsafe { drop(Rc::from_raw(context.cast_const().cast::<EnvState>())) };
            return Err(Refusal::Runtime("the runtime made no ThreadsafeFunction"));
        }
        // SAFETY: made above, on its own thread.
        unsafe { sys::napi_unref_threadsafe_function(env, function) };
        let shared = Arc::new(Shared { collector, hand_over: Mutex::default(), taken: Condvar::new() });
        let thread = std::thread::Builder::new().name("asyncfd".into()).stack_size(128 * 1024).spawn({
            let (shared, function) = (Arc::clone(&shared), Function(function));
            move || wait(&shared, &function)
        });
        match thread {
            Ok(thread) => Ok(Threaded {
                env,
                function,
                shared,
                thread: RefCell::new(Some(thread)),
                asked: Cell::new(false),
            }),
            Err(error) => {
                // SAFETY: nobody else uses it; finalising gives the count back.
                unsafe {
                    sys::napi_release_threadsafe_function(function, sys::ThreadsafeFunctionReleaseMode::abort)
                };
                Err(Refusal::of("pthread_create", &error))
            }
        }
    }

    pub fn hold(&self, hold: bool) {
        // SAFETY: on the JS thread, before `close` releases the function.
        unsafe {
            if hold {
                sys::napi_ref_threadsafe_function(self.env, self.function)
            } else {
                sys::napi_unref_threadsafe_function(self.env, self.function)
            }
        };
    }

    pub fn wake(&self) {
        if !self.asked.replace(true) {
            // Through the thread: the runtime runs calls that were queued from a call at once, many of them, and
            // nothing else of the loop would breathe.
            self.shared.lock().asked = true;
            self.shared.taken.notify_one();
            self.shared.collector.wake();
        }
    }

    /// Keeps the thread from asking for a turn, until told otherwise. The runtime runs what it asks for meanwhile without
    /// going back to its loop, however often.
    pub fn hold_back(&self, held: bool) {
        self.shared.lock().held = held;
        self.shared.taken.notify_one();
    }

    pub fn turn_began(&self) {
        self.asked.set(false);
    }

    /// Whether something waits to be taken: the thread asked for one turn, which may have had no time for it.
    pub fn has_untaken(&self) -> bool {
        let hand_over = self.shared.lock();
        !hand_over.events.is_empty() || hand_over.alarm || hand_over.looked.is_some()
    }

    /// Has the thread look at what is ready from now on. What it has collected, and not handed over, may be older.
    pub fn look(&self, look: Look) {
        self.shared.lock().look = Some(look);
        self.shared.collector.wake();
    }

    /// Takes what the thread collected and lets it collect again. Says whether the alarm went off, and which look is over.
    pub fn take(&self, events: &mut Vec<Event>) -> (bool, Option<u32>) {
        let mut hand_over = self.shared.lock();
        std::mem::swap(&mut hand_over.events, events);
        let taken = (std::mem::take(&mut hand_over.alarm), hand_over.looked.take());
        drop(hand_over);
        self.shared.taken.notify_one();
        taken
    }

    pub fn close(self) {
        self.shared.lock().stop = true;
        self.shared.taken.notify_one();
        self.shared.collector.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // SAFETY: on the JS thread; the thread that also used the function has ended.
        unsafe {
            sys::napi_release_threadsafe_function(self.function, sys::ThreadsafeFunctionReleaseMode::abort)
        };
    }
}

/// The thread: collect, hand over, fire, wait until taken.
fn wait(shared: &Shared, function: &Function) {
    let (mut buffer, mut events) = (Buffer::default(), Vec::new());
    let mut look: Option<Look> = None;
    loop {
        let timeout = look.map(|_| Duration::ZERO);
        // Without the poller there is nothing left to wait for.
        let Ok(alarm) = shared.collector.collect(&mut buffer, &mut events, timeout) else { return };
        let mut hand_over = shared.lock();
        if hand_over.stop {
            return;
        }
        hand_over.alarm |= alarm;
        let over = look.take_if(|look| look.is_over(events.len()));
        if let Some(Look { number, .. }) = over {
            hand_over.looked = Some(number);
        }
        // One that was wanted after this collection had begun begins with the next, which asks for the turn.
        look = look.or_else(|| hand_over.look.take());
        if look.is_some() && over.is_none() && events.is_empty() {
            continue;
        }
        if !std::mem::take(&mut hand_over.asked) && !alarm && events.is_empty() && over.is_none() {
            continue;
        }
        hand_over.events.append(&mut events);
        loop {
            hand_over = shared.wait_while(hand_over, |hand_over| hand_over.held);
            if hand_over.stop {
                return;
            }
            drop(hand_over);
            if !function.call() {
                return;
            }
            hand_over = shared
                .wait_while(shared.lock(), |hand_over| !hand_over.events.is_empty() && !hand_over.asked);
            if hand_over.stop {
                return;
            }
            if hand_over.events.is_empty() {
                break;
            }
            hand_over.asked = false;
        }
    }
}

unsafe extern "C" fn on_call(
    env: sys::napi_env,
    _function: sys::napi_value,
    context: *mut c_void,
    _data: *mut c_void,
) {
    if env.is_null() {
        return;
    }
    // SAFETY: `context` is the `EnvState` counted in `start`, given back only in `finalize`. A count is taken for the
    // time of the call.
    let state = unsafe {
        let state = context.cast_const().cast::<EnvState>();
        Rc::increment_strong_count(state);
        Rc::from_raw(state)
    };
    if catch_unwind(AssertUnwindSafe(|| state.turn())).is_err() {
        state.report_panic();
    }
}

unsafe extern "C" fn finalize(_env: sys::napi_env, context: *mut c_void, _hint: *mut c_void) {
    // SAFETY: the count taken in `start`; the runtime finalises once, and calls nothing of the function after it.
    drop(unsafe { Rc::from_raw(context.cast_const().cast::<EnvState>()) });
}
