//! Reboots the machine.

use std::path::Path;
use std::sync::mpsc;
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::reboot::{RebootMode, reboot};

use crate::error::{Error, OrCannot, Result};
use crate::process::{self, Program};
use crate::signal;

/// It exists while systemd runs.
const SYSTEMD: &str = "/run/systemd/system";

/// Reboots the machine in the way of its init system.
pub fn restart() -> Result<()> {
    if Path::new(SYSTEMD).exists() {
        return Program::new("systemctl").args(["--no-block", "reboot"]).run().map(drop);
    }
    if process::find("reboot").is_some() && Program::new("reboot").run().is_ok() {
        return Ok(());
    }
    at_once()
}

/// Keeps all memory of this process, also what it gets from now on, from having to be read from a disk.
pub fn lock_memory() -> Result<()> {
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE)
        .or_cannot("lock", "the memory of this process")
}

/// How long a disk may take for what it is asked before the machine reboots.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long systemd may take to end this process before the machine reboots without it.
const ENDING: Duration = Duration::from_secs(60);
/// How often signals are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Reboots a machine whose disks answer, although something may hang: no unit is stopped, but all processes are told to end, and filesystems are
/// unmounted. Returns when systemd ends this process too, for which it waits, or if the kernel refuses.
pub fn force() -> Result<()> {
    let ask = || {
        let asked = || Program::new("systemctl").args(["--force", "reboot"]).run();
        // This process may be told to end before the program has.
        Path::new(SYSTEMD).exists() && matches!(asked(), Ok(_) | Err(Error::Interrupted(_)))
    };
    if within(PATIENCE, ask) == Some(true) {
        let begun = Instant::now();
        while begun.elapsed() < ENDING {
            if signal::check().is_err() {
                return Ok(());
            }
            sleep(LOOK);
        }
    }
    at_once()
}

/// Reboots the machine although its disks may be dead: nothing is opened or started, and what was written has [`PATIENCE`] to reach the disks.
/// Returns only if the kernel refuses.
pub fn at_once() -> Result<()> {
    within(PATIENCE, nix::unistd::sync);
    reboot(RebootMode::RB_AUTOBOOT).map(drop).or_cannot("reboot", "the machine")
}

/// Does something that may never end, in a thread of its own. Returns what it has returned within this time.
pub fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, told) = mpsc::channel();
    let begun = Builder::new().spawn(move || {
        // After the limit nobody listens any more.
        let _late = tell.send(work());
    });
    begun.ok()?;
    told.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use std::thread::park;

    use super::*;

    #[test]
    fn work_that_never_ends_is_not_waited_for() {
        let begun = Instant::now();
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        let never = || loop {
            park();
        };
        assert_eq!(within::<()>(Duration::from_millis(50), never), None);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
