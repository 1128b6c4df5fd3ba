//! Arguments that are memory. They are only remembered here; where the bytes lie is looked up right before they are
//! used.

use std::ffi::CString;

use asyncfd_core::sys::{Errno, Result, io};
use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{ValueType, sys};

use super::address::Block;
use crate::raw::{Bytes, Value};

/// A typed array or DataView.
pub struct View(Value);

/// An array of them.
pub struct Views(Value);

/// The most bytes that are copied for one call: paths, options, addresses, sets to poll. Far more than any of them
/// needs, and far less than memory that only looks large (a reserved WebAssembly.Memory).
pub const MAX_COPY: usize = 16 * 1024 * 1024;

impl View {
    /// An argument of the call we are in, to be dropped before that returns.
    pub fn new(value: Value) -> View {
        View(value)
    }

    /// The bytes as they are now: valid until JavaScript runs again. EINVAL for what is no view.
    pub fn bytes(&self) -> Result<Bytes> {
        self.0.bytes().ok_or(Errno::INVAL)
    }

    /// The bytes as a block for an address; ERANGE if there is no room for one.
    pub fn block(&self) -> Result<Block> {
        Block::new(self.bytes()?)
    }

    /// A copy of the bytes; E2BIG for more than [`MAX_COPY`].
    pub fn copy(&self) -> Result<Vec<u8>> {
        let bytes = self.bytes()?;
        if bytes.len > MAX_COPY {
            return Err(Errno::TOOBIG);
        }
        if bytes.len == 0 {
            return Ok(Vec::new());
        }
        let mut copy = vec![0; bytes.len];
        // SAFETY: both regions hold `len` bytes; the new one overlaps nothing.
        unsafe { std::ptr::copy_nonoverlapping(bytes.ptr, copy.as_mut_ptr(), bytes.len) };
        Ok(copy)
    }

    /// A copy of the bytes as a path; EINVAL if there is a NUL inside.
    pub fn path(&self) -> Result<CString> {
        CString::new(self.copy()?).map_err(|_| Errno::INVAL)
    }

    /// The numbers in the view, which need not be aligned.
    pub fn numbers(&self) -> Result<Vec<i32>> {
        Ok(self
            .copy()?
            .chunks_exact(4)
            .map(|word| i32::from_ne_bytes([word[0], word[1], word[2], word[3]]))
            .collect())
    }

    /// Writes to the front of the view; ERANGE, and nothing is written, if there is no room.
    pub fn write(&self, data: &[u8]) -> Result<()> {
        let part = self.bytes()?.part(0, data.len()).ok_or(Errno::RANGE)?;
        if part.len > 0 {
            // SAFETY: the part lies inside the view's memory and has room for the data, which is native memory.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), part.ptr, part.len) };
        }
        Ok(())
    }

    /// Writes numbers to the front of the view.
    pub fn write_numbers(&self, numbers: &[i32]) -> Result<()> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        self.write(&bytes)
    }
}

impl Views {
    /// Where the bytes of all of them lie now. EINVAL for anything but an array of views, and for too many.
    pub fn vectors(&self) -> Result<Vec<libc::iovec>> {
        let views = self.0.elements(io::MAX_BUFFERS).ok_or(Errno::INVAL)?;
        views
            .into_iter()
            .map(|view| {
                let bytes = view.bytes().ok_or(Errno::INVAL)?;
                Ok(libc::iovec { iov_base: bytes.ptr.cast(), iov_len: bytes.len })
            })
            .collect()
    }
}

impl TypeName for View {
    fn type_name() -> &'static str {
        "ArrayBufferView"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl TypeName for Views {
    fn type_name() -> &'static str {
        "Array<ArrayBufferView>"
    }
    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for View {}
impl ValidateNapiValue for Views {}

impl FromNapiValue for View {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<View> {
        // SAFETY: an argument of the call that generated code makes for us; it is dropped before that returns.
        Ok(View(unsafe { Value::new(env, value) }))
    }
}

impl FromNapiValue for Views {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Views> {
        // SAFETY: as above.
        Ok(Views(unsafe { Value::new(env, value) }))
    }
}
