//! The time since the kernel started.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::error::{OrCannot, Result};

/// The time since the kernel started, also what it slept. No file is opened for it.
pub fn uptime() -> Result<Duration> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).or_cannot("read", "the clock")
}
