//! The Node-API binding of `asyncfd-core`: it converts, it never decides.
#![cfg(unix)]

mod board;
mod driver;
mod env;
mod raw;
mod reactor;
mod refusal;
mod streak;
mod sys;

use napi::bindgen_prelude::Object;
use napi_derive::napi;

/// The version of the package that this binary is for; another refuses it.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Adds the hot functions, which are written on raw Node-API; `hot.d.ts` has their types.
#[napi(module_exports)]
pub fn exports(exports: Object, env: napi::Env) -> napi::Result<()> {
    use napi::JsValue;
    sys::hot::export(env.raw(), exports.raw())
}
