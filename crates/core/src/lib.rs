//! The engine of asyncfd: reactor, readiness and non-blocking system calls. It knows nothing of Node and nothing of
//! JavaScript: `cargo test` needs neither.
//!
//! A descriptor is *registered* in a slot; the kernel's *events* are *collected* and *delivered* to the slot's
//! *readiness* words, which both sides see; what somebody waits for becomes a *wake-up*. `docs/ARCHITECTURE.md` draws it.
#![cfg(unix)]

mod alarm;
pub mod clock;
pub mod collector;
pub mod error;
pub mod interest;
pub mod look;
pub mod ops;
mod owners;
pub mod probe;
pub mod reactor;
pub mod readiness;
pub mod registration;
pub mod sys;
pub mod timers;
mod waker;
pub mod wheel;

/// Registrations, and timers, for which address space is set aside: memory is taken as they come, and what grows in place leaves no
/// holes.
const ROOM: usize = 16 * 1024;
