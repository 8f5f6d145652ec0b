//! Stopping on request: a signal is noted, the operation ends at its next step, and everything begun is undone.

use nix::sys::signal::Signal;

use crate::error::{Error, OrCannot, Result};
use crate::sys;

/// From now on SIGINT, SIGTERM and SIGHUP end operations through [`check`], not the process.
pub fn catch() -> Result<()> {
    sys::signal::catch(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])
        .or_cannot("catch signals of", "this process")
}

/// Fails with [`Error::Interrupted`] once a signal has come. Long steps call it often.
pub fn check() -> Result<()> {
    match sys::signal::received() {
        None => Ok(()),
        Some(signal) => Err(Error::Interrupted(signal)),
    }
}
