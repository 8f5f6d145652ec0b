//! Reboots the machine.

use std::thread::sleep;
use std::time::Duration;

use std::path::Path;

use crate::error::{OrCannot, Result};
use crate::process::{self, Program};
use nix::sys::reboot::{RebootMode, reboot};

/// Reboots the machine in the way of its init system.
pub fn restart() -> Result<()> {
    if Path::new("/run/systemd/system").exists() {
        return Program::new("systemctl").args(["--no-block", "reboot"]).run().map(drop);
    }
    if process::find("reboot").is_some() && Program::new("reboot").run().is_ok() {
        return Ok(());
    }
    at_once()
}

/// How long the init system may take to end everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reboots the machine although something may hang: all processes are killed, and no unit is stopped. Returns only if that fails.
pub fn force() -> Result<()> {
    if Path::new("/run/systemd/system").exists()
        && Program::new("systemctl").args(["--force", "reboot"]).run().is_ok()
    {
        sleep(PATIENCE);
    }
    at_once()
}

fn at_once() -> Result<()> {
    nix::unistd::sync();
    reboot(RebootMode::RB_AUTOBOOT).map(drop).or_cannot("reboot", "the machine")
}
