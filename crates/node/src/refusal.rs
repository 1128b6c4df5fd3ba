//! Why an environment got no reactor.

use std::io;

use asyncfd_core::error::NotStarted;
use napi::Error;

pub enum Refusal {
    /// A system call failed, with this errno.
    Call(&'static str, i32),
    /// The runtime, or the caller, does not do what is needed.
    Runtime(&'static str),
}

impl Refusal {
    pub fn of(call: &'static str, error: &io::Error) -> Refusal {
        error.raw_os_error().map_or(Refusal::Runtime(call), |errno| Refusal::Call(call, errno))
    }
}

impl From<NotStarted> for Refusal {
    fn from(NotStarted { call, errno }: NotStarted) -> Self {
        Refusal::Call(call, errno.raw_os_error())
    }
}

/// TypeScript names what failed: the code of such an error is the errno, and its message the call.
impl From<Refusal> for Error<String> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Call(call, errno) => Error::new(errno.to_string(), call),
            Refusal::Runtime(why) => Error::new("GenericFailure".to_owned(), format!("asyncfd: {why}")),
        }
    }
}
