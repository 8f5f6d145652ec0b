//! Signal handlers that only take a note.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The first signal that asked the program to stop; 0 for none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: libc::c_int) {
    // Storing to an atomic is all that a handler may safely do here; only the first counts.
    let _first = RECEIVED.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
}

/// Notes the signals from now on instead of dying of them. System calls that wait are interrupted.
pub fn catch(signals: &[Signal]) -> io::Result<()> {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
    for &signal in signals {
        // SAFETY: the handler touches nothing but an atomic.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// The signal that was caught, if any.
pub fn received() -> Option<i32> {
    match RECEIVED.load(Ordering::SeqCst) {
        0 => None,
        signal => Some(signal),
    }
}
