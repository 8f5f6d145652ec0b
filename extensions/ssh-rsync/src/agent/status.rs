//! What runs on this machine, and what has become of a trial.

use baserock::boot::trial::{Known, State};
use baserock::label::Label;
use baserock::volume::Volume;
use system::error::Result;
use system::process::Program;

use crate::protocol::Status;

/// Most lines of the journal.
const LINES: &str = "20";

/// What runs; `label` is the version that may have come back.
pub fn of(volume: &Volume, label: &Label) -> Result<Status> {
    let trial = volume.trial()?;
    let is_running = |state| matches!(state, State::Running);
    let mut status = Status {
        boot: volume.boot_id()?,
        running: volume.running().map(ToString::to_string),
        default: volume.default()?.map(|label| label.to_string()),
        is_well: trial.as_ref().is_some_and(|(trial, state)| is_running(*state) && trial.well),
        came_back: None,
        journal: Vec::new(),
    };
    let known = volume.trial_of(label)?;
    status.came_back = known.as_ref().and_then(Known::came_back).map(str::to_owned);
    if status.came_back.is_some() {
        status.journal = journal();
    }
    Ok(status)
}

/// The last errors of the boot before this one; none where there is no journal of it.
fn journal() -> Vec<String> {
    let arguments = [
        "--boot=-1",
        "--priority=err",
        "--no-pager",
        "--quiet",
        "--output=short-monotonic",
        "--lines",
        LINES,
    ];
    match Program::new("journalctl").args(arguments).run() {
        Ok(said) => String::from_utf8_lossy(&said.stdout).lines().map(str::to_owned).collect(),
        Err(error) => {
            tracing::debug!("no journal: {error}");
            Vec::new()
        }
    }
}
