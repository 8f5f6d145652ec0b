//! Stops operations on request. A signal is noted, the operation ends at its next step, and everything begun is undone.

use nix::sys::signal::Signal;

use crate::error::{Error, OrCannot, Result};
use crate::sys;

/// Catches SIGINT, SIGTERM and SIGHUP. From now on they end operations through [`check`] and do not kill the process.
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

/// Ends this process by the signal. Returns if that does not end it.
pub fn die_of(number: i32) {
    let died = Signal::try_from(number).map_err(std::io::Error::from).and_then(sys::child::die_of);
    if let Err(error) = died {
        tracing::debug!("cannot end by signal {number}: {error}");
    }
}
