//! The native half of `src/reactor.ts`: one reactor of one JS environment.
//!
//! Numbers below zero are negative errnos; TypeScript names them.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use asyncfd_core::error::{Error, STALE};
use asyncfd_core::probe;
use asyncfd_core::reactor::Reactor;
use asyncfd_core::readiness::Readiness;
use asyncfd_core::registration::{Key, Trigger};
use asyncfd_core::timers::Timers;
use napi::bindgen_prelude::{FromNapiValue, Object, Result, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{Env, sys};
use napi_derive::napi;

use crate::board::{Board, LAYOUT};
use crate::env::{EnvState, Wanted};
use crate::raw::{self, Value};
use crate::refusal::Refusal;
use crate::streak::When;

/// A value that is handed on to Node-API untouched, and checked there.
pub struct Raw(sys::napi_value);

impl FromNapiValue for Raw {
    unsafe fn from_napi_value(_env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        Ok(Raw(value))
    }
}

impl ToNapiValue for Raw {
    unsafe fn to_napi_value(_env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        Ok(value.0)
    }
}

impl TypeName for Raw {
    fn type_name() -> &'static str {
        "unknown"
    }

    fn value_type() -> napi::ValueType {
        napi::ValueType::Unknown
    }
}

impl ValidateNapiValue for Raw {}

fn errno(error: Error) -> i32 {
    -error.raw_os_error()
}

/// Offsets, sizes and constants of the board, by the names of `src/board.ts`.
#[napi]
pub fn board_layout() -> HashMap<String, u32> {
    LAYOUT.iter().map(|&(name, value)| (name.to_owned(), value as u32)).collect()
}

/// Waits until `fd` is ready for `interest` and gives the ready bits: 0 when the timeout (in milliseconds; negative: for
/// ever; 0: asks once) passed first, or a negative errno. Blocks this thread.
#[napi]
pub fn probe_fd(fd: i32, interest: u32, timeout_ms: f64) -> i32 {
    let timeout = if timeout_ms < 0.0 {
        None
    } else {
        // NaN asks once; what is too long for a Duration is for ever.
        Duration::try_from_secs_f64(timeout_ms.max(0.0) / 1000.0).ok()
    };
    probe::wait(fd, interest, timeout).map_or_else(errno, |bits| bits as i32)
}

/// What the reactor has done and holds. Counts begin with the reactor.
#[napi(object)]
pub struct NativeMetrics {
    pub turns: f64,
    pub dispatches: f64,
    pub events: f64,
    pub wakeups: f64,
    pub unwanted: f64,
    pub stale: f64,
    pub lost: f64,
    pub registered: u32,
    pub timers: u32,
}

#[napi]
pub struct NativeReactor {
    state: Rc<EnvState>,
}

#[napi]
impl NativeReactor {
    /// Starts a reactor in this environment on the board made of `control`, `slots` and `timers`; its clock
    /// tells `now_ms` now. `dispatch` is called with no
    /// arguments, at most once per batch, when the board has something to tell. `resource` is what async hooks are
    /// shown where it runs in the event loop; the caller keeps it alive.
    #[napi(
        constructor,
        ts_args_type = "threaded: boolean, oneshot: boolean, control: ArrayBuffer, slots: ArrayBuffer, timers: ArrayBuffer, nowMs: number, dispatch: () => void, resource: object"
    )]
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        env: Env,
        threaded: bool,
        oneshot: bool,
        control: Raw,
        slots: Raw,
        timers: Raw,
        now_ms: f64,
        dispatch: Raw,
        resource: Raw,
    ) -> Result<Self, String> {
        let mut kind = 0;
        // SAFETY: env and value belong to this call.
        unsafe { sys::napi_typeof(env.raw(), dispatch.0, &mut kind) };
        if kind != sys::ValueType::napi_function {
            return Err(Refusal::Runtime("dispatch must be a function").into());
        }
        let board = Board::new(env.raw(), [control.0, slots.0, timers.0])
            .ok_or(Refusal::Runtime("the board does not have its layout"))?;
        let reactor = Reactor::new(oneshot).map_err(Refusal::from)?;
        let wanted = if threaded { Wanted::Threaded } else { Wanted::Embedded };
        let timers = Timers::new(now_ms);
        let state = EnvState::start(env.raw(), reactor, timers, board, dispatch.0, resource.0, wanted)?;
        Ok(NativeReactor { state })
    }

    /// Hands an error to the runtime's `uncaughtException` at once, as from inside dispatch. False if it refused.
    #[napi(ts_args_type = "error: unknown")]
    pub fn report(&self, env: Env, error: Raw) -> bool {
        // SAFETY: env and error belong to the call we are in.
        unsafe { sys::napi_fatal_exception(env.raw(), error.0) == sys::Status::napi_ok }
    }

    /// Goes over to a larger memory for the slots, into which the old words have been copied.
    #[napi(ts_args_type = "slots: ArrayBuffer")]
    pub fn grow_slots(&self, env: Env, slots: Raw) -> bool {
        self.state.board.grow_slots(env.raw(), slots.0)
    }

    /// As above, for the timers.
    #[napi(ts_args_type = "timers: ArrayBuffer")]
    pub fn grow_timers(&self, env: Env, timers: Raw) -> bool {
        self.state.board.grow_timers(env.raw(), timers.0)
    }

    /// Takes the pool that reads go into: memory of the board's size for it, which nobody can detach.
    #[napi(ts_args_type = "pool: ArrayBuffer")]
    pub fn use_pool(&self, env: Env, pool: Raw) -> bool {
        self.state.board.use_pool(env.raw(), pool.0)
    }

    /// Stops time at `ms`, or moves stopped time forward to it; null lets it run on.
    #[napi]
    pub fn pause_clock(&self, ms: Option<f64>) {
        self.state.timers.borrow_mut().pause(ms);
    }

    /// The time by which deadlines are counted. A little behind the clock of JavaScript's that it was set by.
    #[napi]
    pub fn now(&self) -> f64 {
        self.state.timers.borrow().now_ms()
    }

    /// The instant at which timers next need a turn, not later than the earliest deadline; null without timers.
    #[napi]
    pub fn next_timer(&self) -> Option<f64> {
        self.state.timers.borrow().next_ms()
    }

    /// Changes what a registration asks the kernel for: 0 or a negative errno.
    #[napi]
    pub fn set_interest(&self, slot: u32, generation: u32, interest: u32) -> i32 {
        let key = Key { slot, generation };
        with_words(&self.state, |reactor, words| reactor.set_interest(words, key, interest))
            .map_or_else(errno, |()| 0)
    }

    /// Applies now what the board asks for: submissions, the hold on the event loop, a turn for parked work.
    #[napi]
    pub fn flush(&self) {
        self.state.settle();
    }

    /// The threaded driver starts no turn while held back: what the thread sees meanwhile waits. The embedded driver runs in
    /// the loop, whose other phases always get their time.
    #[napi]
    pub fn hold_back(&self, held: bool) {
        self.state.hold_back(held);
    }

    /// What is called for every descriptor, or every batch of events.
    #[napi(ts_return_type = "NativeFunctions")]
    pub fn functions(&self, env: Env) -> Result<Object<'static>> {
        let mut functions = Object::new(&env)?;
        let state = || Rc::clone(&self.state);
        functions.set("register", Raw(raw::function(env.raw(), c"register", state(), register)?))?;
        functions.set("deregister", Raw(raw::function(env.raw(), c"deregister", state(), deregister)?))?;
        functions
            .set("collectAgain", Raw(raw::function(env.raw(), c"collectAgain", state(), collect_again)?))?;
        Ok(functions)
    }

    /// Whether events are told once per change, or once until armed again.
    #[napi(getter)]
    pub fn is_edge(&self) -> bool {
        self.state.with_reactor(|reactor| reactor.trigger()) == Some(Trigger::Edge)
    }

    #[napi]
    pub fn metrics(&self) -> NativeMetrics {
        let (core, registered) =
            self.state.with_reactor(|reactor| (reactor.metrics(), reactor.len())).unwrap_or_default();
        NativeMetrics {
            turns: self.state.turns.get() as f64,
            dispatches: self.state.dispatches.get() as f64,
            events: core.events as f64,
            wakeups: core.wakeups as f64,
            unwanted: core.unwanted as f64,
            stale: core.stale as f64,
            lost: core.lost as f64,
            registered: registered as u32,
            timers: self.state.timers.borrow().len() as u32,
        }
    }
}

/// Registers `fd`; gives the slot or a negative errno. The board then holds its generation, and which slot, if
/// any, lost the number to it. `owned`, if not 0: closed when the environment ends.
fn register(state: &EnvState, [fd, interest, owned]: [Value; 3]) -> i32 {
    let (Some(fd), Some(interest), Some(owned)) = (fd.int32(), interest.int32(), owned.int32()) else {
        return errno(Error::INVAL);
    };
    match with_words(state, |reactor, words| reactor.register(words, fd, interest as u32, owned != 0)) {
        Ok(registered) => {
            state.board.set_superseded(registered.superseded.map(|key| key.slot));
            registered.key.slot as i32
        }
        Err(error) => errno(error),
    }
}

/// Ends a registration: 1 if the number still was its own, 0 if the descriptor had been closed elsewhere, or a
/// negative errno if there is no such registration.
fn deregister(state: &EnvState, [slot, generation]: [Value; 2]) -> i32 {
    let (Some(slot), Some(generation)) = (slot.int32(), generation.int32()) else {
        return errno(Error::INVAL);
    };
    let key = Key { slot: slot as u32, generation: generation as u32 };
    with_words(state, |reactor, words| reactor.deregister(words, key))
        .map_or_else(errno, |fd| fd.is_some().into())
}

/// For dispatch: looks for more events if that is likely to find some, and puts them on the board. Whether there are some.
fn collect_again(state: &EnvState, []: [Value; 0]) -> i32 {
    state.collect_again(When::InDispatch).into()
}

fn with_words<R>(
    state: &EnvState,
    with: impl FnOnce(&mut Reactor, Readiness) -> std::result::Result<R, Error>,
) -> std::result::Result<R, Error> {
    state.with_reactor(|reactor| state.board.readiness(|words| with(reactor, words))).unwrap_or(Err(STALE))
}
