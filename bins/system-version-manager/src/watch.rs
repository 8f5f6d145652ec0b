//! `watch-trial`: restarts the machine at the deadline of a trial.

use std::fs;
use std::thread::{Builder, sleep};
use std::time::Duration;

use anyhow::{Context, Result};
use baserock::boot::trial::deadline;
use baserock::operations::trial;
use baserock::volume::{Purpose, Volume};
use baserock_terminal::{Output, Show};
use system::observer::Observer;
use system::restart::{PATIENCE, at_once, force, lock_memory, within};
use system::signal;
use system::uptime::uptime;

use crate::is_busy;

/// How often the clock and signals are looked at, and how often a volume is opened that somebody else is changing.
const LOOK: Duration = Duration::from_millis(500);

/// Restart the machine at the deadline of a trial, unless it is confirmed by then
///
/// baserock-trial.service runs this in a trial, from early on. Outside a trial it ends at once. It restarts the machine also if a disk does
/// not answer any more.
#[derive(Debug, clap::Args)]
pub struct WatchTrial {}

impl WatchTrial {
    /// Watches. `open` opens the volume. Whatever may wait for a disk, or for a terminal, does so in a thread, and is waited for only so long.
    pub fn run(&self, open: impl Fn(Purpose) -> Result<Volume> + Clone + Send + 'static) -> Result<()> {
        let path = "/proc/cmdline";
        let cmdline = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let Some(deadline) = deadline(&cmdline) else { return Ok(()) };
        if let Err(error) = lock_memory() {
            warn(format!("{error}: if its disk dies, the machine may not come back"));
        }
        say(move |show| {
            show.phase(format!("on trial: to be confirmed within {} s of the start", deadline.as_secs()));
        });
        let record = open.clone();
        // Nothing of this may keep the machine from coming back.
        if let Err(error) = Builder::new().spawn(move || record_start(&record)) {
            warn(format!("cannot record that the trial has come up: {error}"));
        }
        while uptime()? < deadline {
            signal::check()?;
            sleep(LOOK);
        }
        let why = match within(PATIENCE, move || is_confirmed(&open)) {
            Some(Ok(true)) => return Ok(()),
            Some(Ok(false)) => {
                warn("the trial was not confirmed by its deadline: restarting".to_owned());
                return Ok(force()?);
            }
            Some(Err(error)) => format!("its record cannot be read or written ({error:#})"),
            None => "its disk does not answer".to_owned(),
        };
        warn(format!("the deadline of the trial is over, and {why}: restarting"));
        Ok(at_once()?)
    }
}

fn record_start(open: &dyn Fn(Purpose) -> Result<Volume>) {
    while let Err(error) = open(Purpose::Change).and_then(|volume| Ok(trial::started(&volume)?)) {
        if !is_busy(&error) {
            return warn(format!("cannot record that the trial has come up: {error:#}"));
        }
        sleep(LOOK);
    }
}

/// Whether the version that runs is the default by now. If it is not, that is on the disk when this returns.
fn is_confirmed(open: &dyn Fn(Purpose) -> Result<Volume>) -> Result<bool> {
    loop {
        let volume = open(Purpose::Look)?;
        if volume.default()?.as_ref() == volume.running() {
            return Ok(true);
        }
        drop(volume);
        match open(Purpose::Change).and_then(|volume| Ok(trial::expire(&volume)?)) {
            // It may be just being confirmed.
            Err(error) if is_busy(&error) => sleep(LOOK),
            is_confirmed => return is_confirmed,
        }
    }
}

fn warn(words: String) {
    say(|show| show.warn(words));
}

/// Says something, unless that takes too long: a terminal can be stopped.
fn say(words: impl FnOnce(&dyn Observer) + Send + 'static) {
    let _stopped = within(PATIENCE, || words(&Show::new(Output::Errors)));
}
