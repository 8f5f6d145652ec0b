//! The trial of a version that was pushed: the sender waits until the machine is back, checks it, and confirms the version.

use std::thread::sleep;
use std::time::{Duration, Instant};

use system::error::{Error, Result};
use system::observer::Observer;
use system::signal;

use crate::bootstrap::Agent;
use crate::check::{Answer, ask};
use crate::lost::Lost;
use crate::options::{Options, Trial};
use crate::protocol::{Status, Task};

/// How often the machine is asked.
const PAUSE: Duration = Duration::from_secs(3);
/// How long the machine may take to go down, and to come back after the deadline.
const GRACE: Duration = Duration::from_secs(600);

/// A trial that the sender follows.
pub struct Following<'a> {
    /// The push.
    pub options: &'a Options,
    /// Its trial.
    pub trial: &'a Trial,
    /// The agents, which may have to be sent again.
    pub agents: &'a [Agent],
    /// Whom to tell.
    pub observer: &'a dyn Observer,
}

impl Following<'_> {
    /// Waits until the version is confirmed. Fails if the machine has come back from it, or does not answer. `before` is the boot in which the
    /// version was pushed.
    pub fn until_it_ends(&self, before: &str) -> Result<()> {
        let Options { label, destination, .. } = self.options;
        let begun = Instant::now();
        let patience = self.trial.deadline + GRACE;
        let mut last = None;
        self.observer.phase(format!("waiting for {destination} to come up with {label}"));
        while begun.elapsed() < patience {
            for _ in 0..PAUSE.as_secs() * 10 {
                signal::check()?;
                sleep(Duration::from_millis(100));
            }
            match self.status() {
                // It is going down, or coming up. ssh asks for no password here, and takes no host key that it does not know.
                Err(Error::Interrupted(signal)) => return Err(Error::Interrupted(signal)),
                Err(error) => last = Some(error),
                Ok(status) if status.boot == before => {}
                Ok(status) if status.running.as_deref() != Some(label.as_str()) => {
                    return Err(self.came_back(&status));
                }
                Ok(status) if status.default == status.running => return Ok(()),
                Ok(status) if status.is_well => match self.confirm() {
                    // It went down, or a link did. What has become of the trial is asked again.
                    Err(error) if error.kind::<Lost>().is_some() => last = Some(error),
                    outcome => return outcome,
                },
                Ok(_) => {}
            }
        }
        let last = last.map(|error| format!(" ({error})")).unwrap_or_default();
        Err(Error::refused(format!(
            "{destination} did not come back within {} s{last}; its default is still the old version, so reset it",
            patience.as_secs()
        )))
    }

    /// Has the target check the version and confirm it.
    fn confirm(&self) -> Result<()> {
        let Options { label, destination, .. } = self.options;
        let check = self.trial.check.clone();
        if let Some(check) = &check {
            self.observer.phase(format!("checking {label}: {check}"));
        }
        if let Answer::Abandoned(why) = self.ask(Task::Confirm { check })? {
            return Err(Error::refused(format!(
                "{label} is not confirmed, and {destination} reboots into its old version: {why}"
            )));
        }
        self.observer.phase(format!("{label} is confirmed: it is the default of {destination} now"));
        Ok(())
    }

    fn came_back(&self, status: &Status) -> Error {
        let Options { label, destination, .. } = self.options;
        for line in &status.journal {
            self.observer.warn(format!("the journal of {label}: {line}"));
        }
        Error::refused(format!(
            "{destination} came back from {label} and runs {}: {}",
            status.running.as_deref().unwrap_or("another system"),
            status.came_back.as_deref().unwrap_or("it was not confirmed"),
        ))
    }

    fn status(&self) -> Result<Status> {
        match self.ask(Task::Status)? {
            Answer::Status(status) => Ok(status),
            _ => Err(Error::refused("the target does not say what runs")),
        }
    }

    fn ask(&self, task: Task) -> Result<Answer> {
        ask(self.options, self.agents, task, self.observer)
    }
}
