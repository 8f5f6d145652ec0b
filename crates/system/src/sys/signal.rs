//! A signal handler that only notes the signal.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The first signal that asked the program to stop; 0 for none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: libc::c_int) {
    // A handler may do little safely; storing to an atomic is safe. Only the first signal counts.
    let _first = RECEIVED.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
}

/// From now on these signals are noted and do not kill the process. System calls that wait are interrupted.
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
