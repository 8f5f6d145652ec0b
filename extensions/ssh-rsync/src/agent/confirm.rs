//! Confirms the trial that is running, if the deployer's check succeeds. Otherwise the machine reboots into the old version.

use std::time::Duration;

use baserock::boot::trial::{State, Trial};
use baserock::operations::trial;
use baserock::volume::Volume;
use system::error::{Error, Result};
use system::lock::Patience;
use system::observer::Observer;
use system::process::Program;
use system::restart::restart;
use system::uptime::uptime;

use super::Forward;
use crate::channel::Sender;
use crate::protocol::kind;

/// The time between the end of the check and the deadline at which the machine restarts: enough to tell the sender.
const MARGIN: Duration = Duration::from_secs(5);

/// Makes the version on trial the default. If the check fails, ends the trial and reboots.
pub fn confirm(mut volume: Volume, check: Option<&str>, sender: &Sender) -> Result<()> {
    let observer = &Forward(sender.clone());
    let failure = match (check, volume.trial()?) {
        (Some(check), Some((trial, State::Running))) => run(check, &trial, observer)?,
        _ => None,
    };
    let Some(failure) = failure else {
        // If the sender has gone, it has not seen the check succeed.
        sender.send(kind::HEARTBEAT, &[])?;
        volume.while_locked(Patience::Wait, |volume| trial::confirm(volume, None, observer))?;
        return sender.send(kind::READY, &[]);
    };
    let why = format!("the check of the deployer failed: {failure}");
    let ended = volume.while_locked(Patience::Wait, |volume| trial::abandon(volume, &why, observer))?;
    drop(volume);
    if ended.is_none() {
        return Err(Error::refused(format!("{why}; the trial had ended by then, so nothing was changed")));
    }
    sender.send(kind::ABANDONED, why.as_bytes())?;
    restart()
}

/// Runs the check, until the trial has nearly reached its deadline. Returns why it failed, if it did.
fn run(check: &str, trial: &Trial, observer: &dyn Observer) -> Result<Option<String>> {
    let limit = Duration::from_secs(trial.deadline).saturating_sub(uptime()? + MARGIN);
    let program = Program::new("sh").args(["-c", check]).limit(limit);
    let ended = program.follow(None, &mut |_, line| observer.phase(format!("check: {line}")));
    Ok(match ended {
        Ok(status) if status.success() => {
            observer.phase(format!("the check has succeeded ({status})"));
            None
        }
        Ok(status) => Some(status.to_string()),
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(error) => Some(error.to_string()),
    })
}
