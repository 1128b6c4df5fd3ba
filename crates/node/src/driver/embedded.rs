//! The embedded driver: the poller's own descriptor is watched by libuv, so that the whole reactor runs inside
//! Node's loop and no event changes threads.
//!
//! Three handles: a poll handle starts a turn when the kernel has events; a prepare handle drains, natively and before
//! the loop blocks, what JavaScript submitted outside a turn; an idle handle is started while a turn left work behind.
//! Only the poll handle ever holds the loop. How the handles die: [`Embedded::close`], from the environment's async
//! cleanup hook, closes all three; the last close callback frees them and lets the environment go on ending.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::sys;

use super::uv::{self, Handle, Kind, Uv};
use crate::env::EnvState;
use crate::refusal::Refusal;

pub struct Embedded {
    uv: Uv,
    poll: *mut Handle,
    prepare: *mut Handle,
    idle: *mut Handle,
    idling: Cell<bool>,
}

/// What the close callbacks share: freed by the last of them.
struct Closing {
    open: Cell<u32>,
    state: *const EnvState,
    hook: sys::napi_async_cleanup_hook_handle,
}

impl Embedded {
    /// Starts watching `fd`. The handles keep one strong count of `state` until they are closed.
    pub fn start(env: sys::napi_env, state: &Rc<EnvState>, fd: c_int) -> Result<Embedded, Refusal> {
        let uv = Uv::load().ok_or(Refusal::Runtime("this runtime exports no libuv to embed into"))?;
        let mut uv_loop = ptr::null_mut();
        // SAFETY: env is that of the call we are in.
        if unsafe { sys::napi_get_uv_event_loop(env, &mut uv_loop) } != sys::Status::napi_ok
            || uv_loop.is_null()
        {
            return Err(Refusal::Runtime("this runtime has no libuv loop to embed into"));
        }
        let uv_loop: *mut uv::Loop = uv_loop.cast();
        let [poll, prepare, idle] = [Kind::Poll, Kind::Prepare, Kind::Idle].map(|kind| uv.allocate(kind));
        // SAFETY: the loop is this environment's, used on its thread; the handles have libuv's size for their kind
        // and stay allocated until their close callbacks run. Only `poll_init` can fail (it looks at `fd`); the others
        // just set fields, so on failure nothing has to be closed.
        unsafe {
            let refused = (uv.poll_init)(uv_loop, poll, fd);
            if refused != 0 {
                [poll, prepare, idle].into_iter().for_each(|handle| Uv::free(handle));
                return Err(Refusal::Call("uv_poll_init", -refused));
            }
            (uv.prepare_init)(uv_loop, prepare);
            (uv.idle_init)(uv_loop, idle);
            let data = Rc::into_raw(Rc::clone(state)).cast_mut().cast::<c_void>();
            for handle in [poll, prepare, idle] {
                (*handle).data = data;
                (uv.release)(handle);
            }
            (uv.poll_start)(poll, uv::READABLE, on_poll);
            (uv.prepare_start)(prepare, on_prepare);
        }
        nest(&uv, uv_loop, fd);
        Ok(Embedded { uv, poll, prepare, idle, idling: Cell::new(false) })
    }

    pub fn hold(&self, hold: bool) {
        // SAFETY: the handle is open: after `close` nobody has this driver any more.
        unsafe { if hold { (self.uv.hold)(self.poll) } else { (self.uv.release)(self.poll) } };
    }

    pub fn wake(&self) {
        if !self.idling.replace(true) {
            // SAFETY: as in `hold`.
            unsafe { (self.uv.idle_start)(self.idle, on_idle) };
        }
    }

    pub fn rest(&self) {
        if self.idling.replace(false) {
            // SAFETY: as in `hold`.
            unsafe { (self.uv.idle_stop)(self.idle) };
        }
    }

    /// Stops watching while a nested loop runs inside a turn: what it cannot collect would make it spin.
    pub fn pause(&self, pause: bool) {
        // SAFETY: as in `hold`.
        unsafe {
            if pause {
                (self.uv.poll_stop)(self.poll)
            } else {
                (self.uv.poll_start)(self.poll, uv::READABLE, on_poll)
            }
        };
    }

    /// Closes the handles; their callbacks give the count of `state` back and tell `hook` that we are done.
    pub fn close(self, hook: sys::napi_async_cleanup_hook_handle) {
        // SAFETY: the handles are open; their data is the `EnvState` counted in `start`. `closing` is freed by the
        // last close callback, of which there are three.
        unsafe {
            let state = (*self.poll).data.cast_const().cast();
            let closing = Box::into_raw(Box::new(Closing { open: Cell::new(3), state, hook }));
            for handle in [self.poll, self.prepare, self.idle] {
                (*handle).data = closing.cast();
                (self.uv.close)(handle, on_close);
            }
        }
    }
}

/// Puts the poller into libuv's own at once, which libuv would do before it blocks. The
/// kernel limits how often one open file may be watched through nested pollers (500 paths on Linux): so it is a later
/// registration that is refused, not libuv, which aborts the process then.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn nest(uv: &Uv, uv_loop: *const uv::Loop, fd: c_int) {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
    // SAFETY: the loop is this thread's and runs; both descriptors are open and the event outlives the call. libuv
    // takes EEXIST for its own and sets what it wants.
    unsafe { libc::epoll_ctl((uv.backend_fd)(uv_loop), libc::EPOLL_CTL_ADD, fd, &mut event) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn nest(_uv: &Uv, _uv_loop: *const uv::Loop, _fd: c_int) {}

/// Runs a callback of libuv's on the state that its handle carries. No panic passes into C.
fn with_state(handle: *mut Handle, run: impl FnOnce(&EnvState)) {
    // SAFETY: until `Embedded::close` the handle's data is the `EnvState` counted in `start`; after it libuv calls
    // nothing but `on_close`. A count is taken for the time of the call, within which the environment may end.
    let state = unsafe {
        let state = (*handle).data.cast_const().cast::<EnvState>();
        Rc::increment_strong_count(state);
        Rc::from_raw(state)
    };
    if catch_unwind(AssertUnwindSafe(|| run(&state))).is_err() {
        state.report_panic();
    }
}

unsafe extern "C" fn on_poll(handle: *mut Handle, _status: c_int, _events: c_int) {
    with_state(handle, EnvState::turn);
}

unsafe extern "C" fn on_idle(handle: *mut Handle) {
    with_state(handle, EnvState::turn);
}

unsafe extern "C" fn on_prepare(handle: *mut Handle) {
    with_state(handle, EnvState::prepare);
}

unsafe extern "C" fn on_close(handle: *mut Handle) {
    // SAFETY: `close` set the data of all three handles to one `Closing`, which lives until the third callback; the
    // handle is closed now, so its memory is ours again. The state's count is the one that `start` took.
    unsafe {
        let closing: *const Closing = (*handle).data.cast_const().cast();
        Uv::free(handle);
        let left = (*closing).open.get() - 1;
        (*closing).open.set(left);
        if left == 0 {
            let closing = Box::from_raw(closing.cast_mut());
            drop(Rc::from_raw(closing.state));
            sys::napi_remove_async_cleanup_hook(closing.hook);
        }
    }
}
