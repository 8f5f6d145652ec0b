//! The signals that the two processes between the caller and the command handle.

use nix::sys::signal::{SigSet, Signal};

/// The signals that are passed to the command.
pub const PASSED: [Signal; 7] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
];

/// The signals for which both processes wait.
pub fn signals() -> SigSet {
    let others = [Signal::SIGCHLD, Signal::SIGWINCH, Signal::SIGCONT, Signal::SIGTTOU];
    PASSED.into_iter().chain(others).collect()
}
