//! `watch-trial`: restarts the machine at the deadline of a trial.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use baserock::boot::trial::deadline;
use baserock::operations::trial;
use baserock::volume::{Purpose, Volume};
use baserock_terminal::{Output, Show};
use system::observer::Observer;
use system::{restart, signal};

use crate::is_busy;
use crate::trial::uptime;

/// How often the clock and signals are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Restart the machine at the deadline of a trial, unless it is confirmed by then
///
/// baserock-trial.service runs this in a trial, from early on. Outside a trial it ends at once.
#[derive(Debug, clap::Args)]
pub struct WatchTrial {}

impl WatchTrial {
    /// Watches. `open` opens the volume.
    pub fn run(&self, open: &dyn Fn(Purpose) -> Result<Volume>) -> Result<()> {
        let show: &dyn Observer = &Show::new(Output::Errors);
        let path = "/proc/cmdline";
        let cmdline = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let Some(deadline) = deadline(&cmdline) else { return Ok(()) };
        show.phase(format!("on trial: to be confirmed within {} s of the start", deadline.as_secs()));
        let mut is_recorded = false;
        while uptime()? < deadline {
            signal::check()?;
            // Nothing here may keep the machine from coming back: not a failure, and not another program that changes the volume.
            is_recorded = is_recorded
                || match open(Purpose::Change).and_then(|volume| Ok(trial::started(&volume)?)) {
                    Ok(_) => true,
                    Err(error) if is_busy(&error) => false,
                    Err(error) => {
                        show.warn(format!("cannot record that the trial has come up: {error:#}"));
                        true
                    }
                };
            sleep(LOOK);
        }
        match open(Purpose::Look).and_then(|volume| Ok(volume.default()?.as_ref() == volume.running())) {
            Ok(true) => return Ok(()),
            Ok(false) => show.warn("the trial was not confirmed by its deadline: restarting".to_owned()),
            Err(error) => {
                show.warn(format!(
                    "the deadline of the trial is over, and it cannot be read ({error:#}): restarting"
                ));
            }
        }
        Ok(restart::force()?)
    }
}
