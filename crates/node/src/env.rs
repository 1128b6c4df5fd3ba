//! The state of one JS environment (the main thread, or a worker): its reactor, its board, its driver, and the turn.
//! Touched on its JS thread only. No borrow is held while JavaScript runs, since it may call back in.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asyncfd_core::collector::{Buffer, Event};
use asyncfd_core::look::Look;
use asyncfd_core::reactor::Reactor;
use asyncfd_core::timers::Timers;
use asyncfd_core::wheel::Progress;
use napi::sys;

use crate::board::{Board, Dispatched, EXPIRED_CAPACITY};
use crate::driver::{Driver, Embedded, Threaded};
use crate::refusal::Refusal;
use crate::streak::{Streak, When};

/// For how long a turn goes on where more timers are due, or move, than it takes at once: the way through libuv costs as
/// much as some dozens of them.
const EXPIRING: Duration = Duration::from_micros(250);

pub struct EnvState {
    env: sys::napi_env,
    /// `None` once the environment has ended: its descriptors are closed then, whoever still holds this state.
    reactor: RefCell<Option<Reactor>>,
    pub timers: RefCell<Timers>,
    pub board: Board,
    /// `None` once the environment is ending.
    driver: RefCell<Option<Driver>>,
    calls: RefCell<Option<Calls>>,
    /// A turn is running; a nested loop must not collect what only the outer one can deliver.
    in_turn: Cell<bool>,
    /// The last expiry ran out of budget.
    expiring: Cell<bool>,
    /// A nested loop asked for a turn: the driver asks for no other until the turn ends.
    paused: Cell<bool>,
    collected: RefCell<(Buffer, Vec<Event>)>,
    /// How many of the collected events have been delivered.
    delivered: Cell<usize>,
    looking: Cell<Looking>,
    streak: Streak,
    pub turns: Cell<u64>,
    pub dispatches: Cell<u64>,
}

/// What a call into JavaScript takes; gone when the environment ends.
struct Calls {
    dispatch: sys::napi_ref,
    context: sys::napi_async_context,
}

/// How a call of dispatch ended.
enum Outcome {
    Done,
    /// It threw, which was reported; the rest of the batch waits.
    Threw,
    /// No JavaScript runs any more.
    Ending,
}

/// How far the look is that JavaScript asked for.
#[derive(Clone, Copy)]
enum Looking {
    Idle,
    /// Under way; each collection of a turn is a part of it.
    Here(Look),
    /// Under way in the driver's thread, which asks for a turn when it is over.
    Elsewhere,
    /// Over, that of this number; what it found is not all delivered.
    Over(u32),
}

/// Where the reactor is driven from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Embedded,
    Threaded,
}

impl EnvState {
    /// Makes the state and starts its driver. The message says what failed.
    pub fn start(
        env: sys::napi_env,
        reactor: Reactor,
        timers: Timers,
        board: Board,
        dispatch: sys::napi_value,
        resource: sys::napi_value,
        wanted: Wanted,
    ) -> Result<Rc<EnvState>, Refusal> {
        let (mut reference, mut context, mut name) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: env, dispatch and resource belong to the call we are in; the out pointers outlive the calls. Node
        // notices if the resource is collected.
        unsafe {
            if sys::napi_create_reference(env, dispatch, 1, &mut reference) != sys::Status::napi_ok {
                return Err(Refusal::Runtime("dispatch must be a function"));
            }
            if wanted == Wanted::Embedded {
                sys::napi_create_string_utf8(env, c"asyncfd".as_ptr(), -1, &mut name);
                if sys::napi_async_init(env, resource, name, &mut context) != sys::Status::napi_ok {
                    return Err(Refusal::Runtime("resource must be an object"));
                }
            }
        }
        let collector = reactor.collector().clone();
        let state = Rc::new(EnvState {
            env,
            reactor: RefCell::new(Some(reactor)),
            timers: RefCell::new(timers),
            board,
            driver: RefCell::new(None),
            calls: RefCell::new(Some(Calls { dispatch: reference, context })),
            in_turn: Cell::new(false),
            expiring: Cell::new(false),
            paused: Cell::new(false),
            collected: RefCell::default(),
            delivered: Cell::new(0),
            looking: Cell::new(Looking::Idle),
            streak: Streak::default(),
            turns: Cell::new(0),
            dispatches: Cell::new(0),
        });
        let driver = match wanted {
            Wanted::Embedded => Embedded::start(env, &state, collector.fd()).map(Driver::Embedded),
            Wanted::Threaded => Threaded::start(env, &state, collector).map(Driver::Threaded),
        };
        match driver {
            Ok(driver) => state.driver.replace(Some(driver)),
            Err(reason) => {
                state.close();
                return Err(reason);
            }
        };
        // After the driver: hooks run last added first, and ours must run before that of the ThreadsafeFunction.
        let data = Rc::into_raw(Rc::clone(&state)).cast_mut().cast::<c_void>();
        // SAFETY: env is that of the call we are in; the hook gives the count in `data` back.
        unsafe {
            match wanted {
                Wanted::Embedded => {
                    sys::napi_add_async_cleanup_hook(env, Some(on_async_cleanup), data, ptr::null_mut());
                }
                Wanted::Threaded => {
                    sys::napi_add_env_cleanup_hook(env, Some(on_cleanup), data);
                }
            }
        }
        Ok(state)
    }

    /// What `with` makes of the reactor; `None` once the environment has ended. `with` must not run JavaScript.
    pub fn with_reactor<R>(&self, with: impl FnOnce(&mut Reactor) -> R) -> Option<R> {
        self.reactor.borrow_mut().as_mut().map(with)
    }

    /// One turn: collect without blocking, deliver, tell JavaScript. See docs/ARCHITECTURE.md for its order.
    pub fn turn(&self) {
        if self.in_turn.replace(true) {
            // A nested loop inside a listener. Refused before collecting: an edge collected and dropped is lost.
            if !self.paused.replace(true)
                && let Some(driver) = &*self.driver.borrow()
            {
                driver.pause();
            }
            return;
        }
        let _turn = TurnGuard(self);
        self.next_iteration();
        let mut embedded = false;
        if let Some(driver) = &*self.driver.borrow() {
            driver.turn_began();
            embedded = matches!(driver, Driver::Embedded(_));
        }
        // What was submitted counts before what happened: a cancel wins over an expiry.
        self.drain();
        // What the last turn had no time for comes first; the kernel keeps the rest.
        let behind = self.board.leftover() || self.undelivered();
        if !behind {
            self.collect();
        } else if !self.board.leftover() {
            self.deliver();
        }
        if !self.board.expired_leftover() {
            self.expire();
        }
        let many_due = self.expiring.get().then(Instant::now);
        self.board.set_eager(embedded && self.streak.begin());
        if self.board.has_work() {
            self.tell();
            // Blocks that were given back meanwhile are for the rest.
            while self.undelivered() && !self.board.leftover() {
                self.deliver();
                if self.board.has_work() {
                    self.tell();
                }
            }
            // Once more while that pays: the way through libuv costs as much as a wake-up.
            while self.collect_again(When::AfterMicrotasks) {
                self.tell();
            }
        }
        while self.expiring.get()
            && !self.board.has_work()
            && many_due.is_some_and(|since| since.elapsed() < EXPIRING)
        {
            self.drain();
            self.expire();
            if self.board.has_work() {
                self.tell();
            }
        }
        self.streak.end();
        self.resume();
        self.settle();
        if behind
            && let Some(driver) = &*self.driver.borrow()
            && driver.has_untaken()
        {
            // This turn may be the one that the thread asked for, and it took nothing.
            driver.wake();
        }
    }

    /// Within a turn: looks for more if a streak promises it. True if dispatch has something to do.
    pub fn collect_again(&self, when: When) -> bool {
        if !self.in_turn.get() || self.board.has_work() || self.undelivered() || !self.streak.promises(when) {
            return false;
        }
        // What the last batch asked to arm again may be what comes next.
        self.drain();
        self.collect();
        let found = self.board.leftover();
        self.streak.note(when, found);
        found
    }

    fn collect(&self) {
        self.turns.set(self.turns.get() + 1);
        let mut collected = self.collected.borrow_mut();
        let (buffer, events) = &mut *collected;
        events.clear();
        match &*self.driver.borrow() {
            Some(Driver::Embedded(_)) => {
                // The poller is ours and open: nothing but a signal can fail this, and that is retried.
                let collected = self.with_reactor(|reactor| {
                    reactor.collector().collect(buffer, events, Some(Duration::ZERO))
                });
                if collected == Some(Ok(true)) {
                    self.timers.borrow_mut().alarmed();
                }
                if let Looking::Here(mut look) = self.looking.get() {
                    let over = look.is_over(events.len());
                    self.looking.set(if over { Looking::Over(look.number) } else { Looking::Here(look) });
                }
            }
            Some(Driver::Threaded(driver)) => {
                let (alarm, looked) = driver.take(events);
                if alarm {
                    self.timers.borrow_mut().alarmed();
                }
                if let Some(number) = looked {
                    self.looking.set(Looking::Over(number));
                }
            }
            None => return,
        }
        self.delivered.set(0);
        drop(collected);
        self.deliver();
    }

    /// Delivers what was collected, as far as there are blocks for it.
    fn deliver(&self) {
        self.board.begin_batch();
        let collected = self.collected.borrow();
        let events = &collected.1[self.delivered.get()..];
        let count = self.with_reactor(|reactor| {
            self.board.readiness(|readiness| {
                self.board.blocks(|blocks| {
                    reactor.deliver(readiness, events, blocks, |key, news| self.board.woken(key, news))
                })
            })
        });
        self.delivered.set(self.delivered.get() + count.unwrap_or(events.len()));
        if !self.undelivered()
            && let Looking::Over(number) = self.looking.get()
        {
            self.looking.set(Looking::Idle);
            self.board.set_looked(number);
        }
    }

    /// Whether collected events have not been delivered.
    fn undelivered(&self) -> bool {
        self.delivered.get() < self.collected.borrow().1.len()
    }

    fn expire(&self) {
        self.board.begin_expired();
        let progress = self.board.timers(|words| {
            self.timers.borrow_mut().expire(words, EXPIRED_CAPACITY, |id| self.board.expired(id))
        });
        self.expiring.set(progress == Progress::More);
    }

    /// Calls dispatch, again after each throw, until the batch has been begun whole or its time is up.
    fn tell(&self) {
        let mut scope = ptr::null_mut();
        // SAFETY: on the JS thread, in a callback of the runtime; closed below.
        if unsafe { sys::napi_open_handle_scope(self.env, &mut scope) } != sys::Status::napi_ok {
            return;
        }
        // After a throw it is called again even with nothing left: the microtasks of that call have not run.
        while let Outcome::Threw = self.dispatch() {}
        // SAFETY: opened above.
        unsafe { sys::napi_close_handle_scope(self.env, scope) };
    }

    fn dispatch(&self) -> Outcome {
        self.dispatches.set(self.dispatches.get() + 1);
        let (mut global, mut function, mut result) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        let Some((reference, context)) =
            self.calls.borrow().as_ref().map(|calls| (calls.dispatch, calls.context))
        else {
            return Outcome::Ending;
        };
        // SAFETY: on the JS thread inside a handle scope; the reference and the context live until `close`. A context
        // is there exactly with the embedded driver, which runs outside any callback scope; a ThreadsafeFunction's
        // callback runs inside one.
        let status = unsafe {
            sys::napi_get_reference_value(self.env, reference, &mut function);
            sys::napi_get_global(self.env, &mut global);
            if context.is_null() {
                sys::napi_call_function(self.env, global, function, 0, ptr::null(), &mut result)
            } else {
                sys::napi_make_callback(self.env, context, global, function, 0, ptr::null(), &mut result)
            }
        };
        let dispatched = self.board.take_outcome();
        if status == sys::Status::napi_ok {
            return Outcome::Done;
        }
        self.report(dispatched)
    }

    /// Hands a pending exception to the runtime's `uncaughtException`.
    fn report(&self, dispatched: Dispatched) -> Outcome {
        let mut error = ptr::null_mut();
        // A terminated environment fails every call too, and that is nothing to report: Deno would go on for ever.
        let threw = self.calls.borrow().is_some() && dispatched != Dispatched::Terminated;
        // SAFETY: on the JS thread inside a handle scope.
        let reported = unsafe {
            sys::napi_get_and_clear_last_exception(self.env, &mut error) == sys::Status::napi_ok
                && !error.is_null()
                && threw
                && (dispatched == Dispatched::Reported
                    || sys::napi_fatal_exception(self.env, error) == sys::Status::napi_ok)
        };
        if !reported || self.calls.borrow().is_none() {
            return Outcome::Ending;
        }
        // What the ticks left is run in Node's next iteration.
        if dispatched == Dispatched::Returned { Outcome::Done } else { Outcome::Threw }
    }

    /// Reports a panic that was caught before it reached C.
    pub fn report_panic(&self) {
        let (mut scope, mut message, mut error) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: on the JS thread; strings are NUL-terminated; the scope is closed here.
        unsafe {
            if sys::napi_open_handle_scope(self.env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            let text = c"asyncfd: internal error (a panic in native code); please report it";
            sys::napi_create_string_utf8(self.env, text.as_ptr(), -1, &mut message);
            sys::napi_create_error(self.env, ptr::null_mut(), message, &mut error);
            sys::napi_fatal_exception(self.env, error);
            sys::napi_close_handle_scope(self.env, scope);
        }
    }

    /// Before the loop blocks: drains what was submitted outside a turn. Never calls JavaScript.
    pub fn prepare(&self) {
        self.next_iteration();
        self.settle();
    }

    fn next_iteration(&self) {
        self.board.next_iteration(|| self.timers.borrow().now_ms());
    }

    /// Does what JavaScript submitted.
    fn drain(&self) {
        if self.board.submitted() {
            self.with_reactor(|reactor| {
                self.board.readiness(|readiness| self.board.drain(|key| reactor.rearm(readiness, key)));
            });
        }
        if self.board.timers_submitted() {
            self.board.timers(|words| self.timers.borrow_mut().drain(words, self.board.submitted_timers()));
        }
    }

    /// Drains the submission rings, has the driver look if that is wanted, sets the alarm for the next timer, brings the hold on the
    /// loop up to date, and asks for another turn while work is left.
    pub fn settle(&self) {
        self.drain();
        if let Some(driver) = &*self.driver.borrow() {
            self.seek(driver);
            let hold = self.board.wants_ref();
            if hold != self.board.is_refd() {
                driver.hold(hold);
                self.board.set_refd(hold);
            }
            match self.looking.get() {
                _ if self.paused.get() => {}
                Looking::Here(_) => driver.wake(),
                // Its end asks.
                Looking::Elsewhere => {}
                _ if self.board.has_work() || self.expiring.get() || self.undelivered() => driver.wake(),
                _ => driver.rest(),
            }
        }
        // A turn that comes anyway expires what is due: an alarm for that would be a system call, or another turn, in vain.
        if !self.expiring.get()
            && matches!(self.looking.get(), Looking::Idle)
            && let Some(nanos) = self.timers.borrow_mut().alarm()
        {
            // A clock that reaches as far as the alarm's cannot refuse a time.
            self.with_reactor(|reactor| reactor.set_alarm(nanos));
        }
    }

    /// The turn that refused others is over, or about to be.
    fn resume(&self) {
        if self.paused.replace(false)
            && let Some(driver) = &*self.driver.borrow()
        {
            driver.resume();
        }
    }

    /// Begins the look that JavaScript asks for, unless one is under way.
    fn seek(&self, driver: &Driver) {
        if let Looking::Idle = self.looking.get()
            && let Some(number) = self.board.wanted_look()
        {
            let look = Look::new(number, self.with_reactor(|reactor| reactor.len()).unwrap_or(0));
            self.looking.set(match driver {
                Driver::Embedded(_) => Looking::Here(look),
                Driver::Threaded(driver) => {
                    driver.look(look);
                    Looking::Elsewhere
                }
            });
        }
    }

    /// Keeps turns from being asked for, until told otherwise.
    pub fn hold_back(&self, held: bool) {
        if let Some(driver) = &*self.driver.borrow() {
            driver.hold_back(held);
        }
    }

    /// Ends everything that belongs to the environment, in its cleanup hook: descriptors we own are closed, the
    /// board's and the callback's references given back. No JavaScript runs after this. What is returned is to be ended
    /// in this order; the reactor's own descriptors go with it, however long some runtimes keep this state.
    fn close(&self) -> (Option<Driver>, Option<Reactor>) {
        let driver = self.driver.take();
        if let Some(Calls { dispatch, context }) = self.calls.take() {
            // SAFETY: on the JS thread while the environment lives; each is given back once.
            unsafe {
                sys::napi_delete_reference(self.env, dispatch);
                if !context.is_null() {
                    sys::napi_async_destroy(self.env, context);
                }
            }
        }
        let mut reactor = self.reactor.take();
        if let Some(reactor) = &mut reactor {
            for fd in self.board.readiness(|readiness| reactor.close(readiness)) {
                asyncfd_core::registration::close_owned(fd);
            }
        }
        self.board.release();
        (driver, reactor)
    }
}

/// Ends a turn however it is left.
struct TurnGuard<'a>(&'a EnvState);

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        self.0.in_turn.set(false);
        self.0.resume();
    }
}

unsafe extern "C" fn on_async_cleanup(hook: sys::napi_async_cleanup_hook_handle, data: *mut c_void) {
    // SAFETY: the count taken in `start`; the hook runs once.
    let state = unsafe { Rc::from_raw(data.cast_const().cast::<EnvState>()) };
    let (driver, reactor) = state.close();
    match driver {
        Some(Driver::Embedded(driver)) => driver.close(hook),
        // SAFETY: this hook's own handle, removed once.
        _ => unsafe {
            sys::napi_remove_async_cleanup_hook(hook);
        },
    }
    drop(reactor);
}

unsafe extern "C" fn on_cleanup(data: *mut c_void) {
    // SAFETY: as in `on_async_cleanup`.
    let state = unsafe { Rc::from_raw(data.cast_const().cast::<EnvState>()) };
    let (driver, reactor) = state.close();
    if let Some(Driver::Threaded(driver)) = driver {
        driver.close();
    }
    drop(reactor);
}
