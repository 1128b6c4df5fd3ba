//! The few things that hot functions need on raw Node-API: arguments, views, integers, and the wall that no panic
//! passes. Everything that is not hot goes through the code that napi-rs generates.

use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::sys;

/// A value that JavaScript passed to the call we are in; dead when the call returns.
#[derive(Clone, Copy)]
pub struct Value {
    env: sys::napi_env,
    value: sys::napi_value,
}

/// Where the bytes of a view lie *now*. Any call into JavaScript may move or end them, so this is looked up right
/// before a system call and never kept.
#[derive(Clone, Copy)]
pub struct Bytes {
    pub ptr: *mut u8,
    pub len: usize,
}

impl Value {
    /// Wraps an argument that generated code received.
    ///
    /// # Safety
    /// Both belong to the call we are in, and the value is dropped before it returns.
    pub unsafe fn new(env: sys::napi_env, value: sys::napi_value) -> Value {
        Value { env, value }
    }

    /// The elements of an array of at most `limit`; `None` for anything else. An element may be a getter and run
    /// JavaScript, so memory is looked up only after this.
    pub fn elements(self, limit: usize) -> Option<Vec<Value>> {
        let (mut is_array, mut length) = (false, 0u32);
        // SAFETY: env and value belong to the call we are in; the out pointers outlive the calls.
        let status = unsafe {
            sys::napi_is_array(self.env, self.value, &mut is_array);
            sys::napi_get_array_length(self.env, self.value, &mut length)
        };
        if status != sys::Status::napi_ok || !is_array || length as usize > limit {
            return None;
        }
        (0..length)
            .map(|index| {
                let mut value = ptr::null_mut();
                // SAFETY: as above.
                let status = unsafe { sys::napi_get_element(self.env, self.value, index, &mut value) };
                (status == sys::Status::napi_ok).then_some(Value { env: self.env, value })
            })
            .collect()
    }

    /// The number as a 32-bit integer, or `None` for anything that is not a number.
    #[inline]
    pub fn int32(self) -> Option<i32> {
        let mut out = 0;
        // SAFETY: env and value belong to the call we are in; `out` outlives the call.
        let status = unsafe { sys::napi_get_value_int32(self.env, self.value, &mut out) };
        (status == sys::Status::napi_ok).then_some(out)
    }

    /// The number as an index into memory; `None` for anything that is not a number or is negative. One that this machine cannot
    /// count to lies outside of any memory, as the largest that it can does.
    #[inline]
    pub fn index(self) -> Option<usize> {
        let mut out = 0i64;
        // SAFETY: as in `int32`.
        let status = unsafe { sys::napi_get_value_int64(self.env, self.value, &mut out) };
        if status != sys::Status::napi_ok || out < 0 {
            return None;
        }
        Some(usize::try_from(out).unwrap_or(usize::MAX))
    }

    /// Pointer and length of a typed array or DataView, as they are at this moment: a detached or shrunk buffer
    /// reports its new length. `None` for anything else.
    #[inline]
    pub fn bytes(self) -> Option<Bytes> {
        self.lookup(ptr::null_mut())
    }

    /// As `bytes`, and `None` for memory that other threads may write to.
    #[inline]
    pub fn unshared_bytes(self) -> Option<Bytes> {
        let (mut buffer, mut unshared) = (ptr::null_mut(), false);
        let bytes = self.lookup(&mut buffer)?;
        // SAFETY: the buffer is a handle of the call we are in; the out pointer outlives the call.
        unsafe { sys::napi_is_arraybuffer(self.env, buffer, &mut unshared) };
        unshared.then_some(bytes)
    }

    #[inline]
    fn lookup(self, buffer: *mut sys::napi_value) -> Option<Bytes> {
        let (mut kind, mut len, mut data) = (0, 0usize, ptr::null_mut());
        // SAFETY: env and value belong to the call we are in; the out pointers outlive the call; those that may be
        // null by Node-API's contract are null or outlive the call.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                self.env,
                self.value,
                &mut kind,
                &mut len,
                &mut data,
                buffer,
                ptr::null_mut(),
            )
        };
        if status == sys::Status::napi_ok {
            return Some(Bytes { ptr: data.cast(), len: len * element_size(kind)? });
        }
        // SAFETY: as above.
        let status = unsafe {
            sys::napi_get_dataview_info(self.env, self.value, &mut len, &mut data, buffer, ptr::null_mut())
        };
        (status == sys::Status::napi_ok).then_some(Bytes { ptr: data.cast(), len })
    }
}

impl Bytes {
    /// The part `offset..offset + length`, or `None` if it does not lie inside.
    #[inline]
    pub fn part(self, offset: usize, length: usize) -> Option<Bytes> {
        let end = offset.checked_add(length)?;
        if end > self.len || (self.ptr.is_null() && length > 0) {
            return None;
        }
        Some(Bytes { ptr: self.ptr.wrapping_add(offset), len: length })
    }
}

fn element_size(kind: sys::napi_typedarray_type) -> Option<usize> {
    use sys::TypedarrayType as T;
    Some(match kind {
        T::int8_array | T::uint8_array | T::uint8_clamped_array => 1,
        T::int16_array | T::uint16_array => 2,
        T::int32_array | T::uint32_array | T::float32_array => 4,
        T::float64_array | T::bigint64_array | T::biguint64_array => 8,
        _ => return None,
    })
}

/// Runs the body of a raw callback with its first `N` arguments (missing ones are `undefined`). A panic becomes a
/// JavaScript exception: it must not unwind into C.
#[inline]
pub fn call<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    body: impl FnOnce([Value; N]) -> i32,
) -> sys::napi_value {
    let mut argv = [ptr::null_mut(); N];
    let mut argc = N;
    // SAFETY: env and info are the ones Node passed to this callback; argv has room for argc values.
    let status = unsafe {
        sys::napi_get_cb_info(env, info, &mut argc, argv.as_mut_ptr(), ptr::null_mut(), ptr::null_mut())
    };
    if status != sys::Status::napi_ok {
        return ptr::null_mut();
    }
    answer(env, catch_unwind(AssertUnwindSafe(|| body(argv.map(|value| Value { env, value })))))
}

/// What a callback returns, or the exception that a panic becomes.
#[inline]
fn answer(env: sys::napi_env, result: std::thread::Result<i32>) -> sys::napi_value {
    let Ok(result) = result else { return throw(env, PANIC) };
    let mut out = ptr::null_mut();
    // SAFETY: env is valid for this callback; `out` outlives the call.
    unsafe { sys::napi_create_int32(env, result, &mut out) };
    out
}

const PANIC: &CStr = c"asyncfd: internal error (a panic in native code); please report it";

/// Leaves an exception pending and returns what a callback returns then.
pub fn throw(env: sys::napi_env, message: &CStr) -> sys::napi_value {
    // SAFETY: env is valid for this callback; the strings are NUL-terminated and copied by the call.
    unsafe { sys::napi_throw_error(env, c"ERR_INTERNAL_ASSERTION".as_ptr(), message.as_ptr()) };
    ptr::null_mut()
}

/// A JavaScript function that runs `run` on `data` and its first `N` arguments (missing ones are `undefined`), for what is called too
/// often for generated code (which takes longer to find its object than a system call). The function keeps `data`.
pub fn function<T: 'static, const N: usize>(
    env: sys::napi_env,
    name: &CStr,
    data: Rc<T>,
    run: fn(&T, [Value; N]) -> i32,
) -> napi::Result<sys::napi_value> {
    let closure = Box::into_raw(Box::new(Closure { data, run })).cast();
    let mut function = ptr::null_mut();
    // SAFETY: env is that of the call we are in; the name is NUL-terminated. The finalizer, which runs after the last
    // call of the function, frees the closure; if it could not be added the closure is leaked.
    let status = unsafe {
        let status =
            sys::napi_create_function(env, name.as_ptr(), -1, Some(invoke::<T, N>), closure, &mut function);
        if status == sys::Status::napi_ok {
            sys::napi_add_finalizer(
                env,
                function,
                closure,
                Some(drop_closure::<T, N>),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        } else {
            status
        }
    };
    if status == sys::Status::napi_ok {
        Ok(function)
    } else {
        Err(napi::Error::from_reason("asyncfd: a native function could not be made"))
    }
}

struct Closure<T, const N: usize> {
    data: Rc<T>,
    run: fn(&T, [Value; N]) -> i32,
}

unsafe extern "C" fn invoke<T, const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let (mut argv, mut argc, mut closure) = ([ptr::null_mut(); N], N, ptr::null_mut());
    // SAFETY: env and info are the ones Node passed to this callback; argv has room for argc values. The data is null, or the
    // closure of `function`, which lives as long as the function that is being called.
    let closure = unsafe {
        sys::napi_get_cb_info(env, info, &mut argc, argv.as_mut_ptr(), ptr::null_mut(), &mut closure);
        closure.cast_const().cast::<Closure<T, N>>().as_ref()
    };
    let Some(closure) = closure else { return ptr::null_mut() };
    let run = || (closure.run)(&closure.data, argv.map(|value| Value { env, value }));
    answer(env, catch_unwind(AssertUnwindSafe(run)))
}

unsafe extern "C" fn drop_closure<T, const N: usize>(
    _env: sys::napi_env,
    data: *mut c_void,
    _hint: *mut c_void,
) {
    // SAFETY: made by `function`; finalizers run once.
    drop(unsafe { Box::from_raw(data.cast::<Closure<T, N>>()) });
}

/// Adds a raw function to the binding's exports.
pub fn export(
    env: sys::napi_env,
    exports: sys::napi_value,
    name: &CStr,
    callback: sys::napi_callback,
) -> napi::Result<()> {
    let mut function = ptr::null_mut();
    // SAFETY: env and exports are those of the module registration we are called from; the name is NUL-terminated;
    // `isize::MAX as usize` would not do for its length: NAPI_AUTO_LENGTH is -1.
    let status = unsafe {
        let status =
            sys::napi_create_function(env, name.as_ptr(), -1, callback, ptr::null_mut(), &mut function);
        if status == sys::Status::napi_ok {
            sys::napi_set_named_property(env, exports, name.as_ptr(), function)
        } else {
            status
        }
    };
    if status == sys::Status::napi_ok {
        Ok(())
    } else {
        Err(napi::Error::from_reason("asyncfd: a native function could not be exported"))
    }
}
