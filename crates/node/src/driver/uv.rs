//! The few functions of libuv that the embedded driver uses, looked up in the running program: Node exports them.
//! Never used to decide anything: Bun exports them all and aborts when most are called.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;

/// The head of a libuv handle of any kind: its public first field. Its size is libuv's to know.
#[repr(C)]
pub struct Handle {
    pub data: *mut c_void,
}

pub type Loop = c_void;
pub type Callback = unsafe extern "C" fn(*mut Handle);
pub type PollCallback = unsafe extern "C" fn(*mut Handle, status: c_int, events: c_int);

/// The kinds we use, by the numbers that `uv_handle_size` takes (`uv_handle_type`, part of libuv's ABI).
#[derive(Clone, Copy)]
pub enum Kind {
    Idle = 6,
    Poll = 8,
    Prepare = 9,
}

/// `UV_READABLE`.
pub const READABLE: c_int = 1;

macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($arg:ty),*) $(-> $ret:ty)?;)*) => {
        #[derive(Clone, Copy)]
        #[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code))] // `backend_fd` is for epoll
        pub struct Uv { $(pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)* }

        impl Uv {
            /// `None` where the program does not export libuv.
            pub fn load() -> Option<Uv> {
                Some(Uv {
                    $($name: {
                        let symbol = symbol(concat!($symbol, "\0"))?;
                        // SAFETY: the symbol is libuv's function of that name, whose signature, stable through
                        // libuv 1.x, is the one declared here.
                        unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($arg),*) $(-> $ret)?>(symbol) }
                    },)*
                })
            }
        }
    };
}

functions! {
    backend_fd = "uv_backend_fd": fn(*const Loop) -> c_int;
    handle_size = "uv_handle_size": fn(c_int) -> usize;
    poll_init = "uv_poll_init": fn(*mut Loop, *mut Handle, c_int) -> c_int;
    poll_start = "uv_poll_start": fn(*mut Handle, c_int, PollCallback) -> c_int;
    poll_stop = "uv_poll_stop": fn(*mut Handle) -> c_int;
    prepare_init = "uv_prepare_init": fn(*mut Loop, *mut Handle) -> c_int;
    prepare_start = "uv_prepare_start": fn(*mut Handle, Callback) -> c_int;
    idle_init = "uv_idle_init": fn(*mut Loop, *mut Handle) -> c_int;
    idle_start = "uv_idle_start": fn(*mut Handle, Callback) -> c_int;
    idle_stop = "uv_idle_stop": fn(*mut Handle) -> c_int;
    hold = "uv_ref": fn(*mut Handle);
    release = "uv_unref": fn(*mut Handle);
    close = "uv_close": fn(*mut Handle, Callback);
}

fn symbol(name: &str) -> Option<*mut c_void> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
    // SAFETY: `name` is NUL-terminated; RTLD_DEFAULT searches what is loaded.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast::<c_char>()) })
        .map(NonNull::as_ptr)
}

impl Uv {
    /// Memory for a handle, zeroed; libuv initialises it. Freed by [`Uv::free`] in the handle's close callback.
    pub fn allocate(&self, kind: Kind) -> *mut Handle {
        // SAFETY: any number may be asked for; calloc takes any size and `handle_size` knows this kind.
        unsafe { libc::calloc(1, (self.handle_size)(kind as c_int)).cast() }
    }

    /// # Safety
    /// `handle` came from [`Uv::allocate`] and was never initialised, or its close callback has run.
    pub unsafe fn free(handle: *mut Handle) {
        // SAFETY: by the contract above nothing refers to it any more.
        unsafe { libc::free(handle.cast()) };
    }
}
