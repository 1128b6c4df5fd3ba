//! Files by name. A path is a view of its bytes, so that names which are no UTF-8 can be had too.

use asyncfd_core::sys::file;
use napi_derive::napi;

use super::view::View;
use super::{descriptor, done};

/// `open(2)`: a descriptor or `-errno`.
#[napi(catch_unwind)]
pub fn sys_open(#[napi(ts_arg_type = "Uint8Array")] path: View, flags: i32, mode: u32) -> i32 {
    descriptor(path.path().and_then(|path| file::open(&path, flags, mode)))
}

/// `mkfifo(3)`: 0 or `-errno`.
#[napi(catch_unwind)]
pub fn sys_mkfifo(#[napi(ts_arg_type = "Uint8Array")] path: View, mode: u32) -> i32 {
    done(path.path().and_then(|path| file::mkfifo(&path, mode)))
}
