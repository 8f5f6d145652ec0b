//! Reboots the machine.

use std::path::Path;

use nix::sys::reboot::{RebootMode, reboot};
use system::error::{OrCannot, Result};
use system::process::{self, Program};

/// Reboots the machine in the way of its init system.
pub fn restart() -> Result<()> {
    if Path::new("/run/systemd/system").exists() {
        return Program::new("systemctl").args(["--no-block", "reboot"]).run().map(drop);
    }
    if process::find("reboot").is_some() && Program::new("reboot").run().is_ok() {
        return Ok(());
    }
    nix::unistd::sync();
    reboot(RebootMode::RB_AUTOBOOT).map(drop).or_cannot("reboot", "the machine")
}
