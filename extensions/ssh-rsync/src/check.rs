//! What a sender asks of a target beside a push. It never asks for a password.

use std::sync::Arc;

use system::error::{Error, Result};
use system::observer::Observer;

use crate::bootstrap::{self, Agent};
use crate::connection::Connection;
use crate::options::Options;
use crate::protocol::{Hello, Status, Task, VERSION, kind};
use crate::ssh::Questions;
use crate::words;

/// Checks that the target can take the version. It refuses what the push would refuse.
pub fn check(options: &Options, observer: &dyn Observer) -> Result<()> {
    let agents = bootstrap::agents(options.agents.as_deref())?;
    ask(options, &agents, Task::Check { trial: options.trial.is_some() }, observer).map(drop)
}

/// Has an agent on the target do something. Returns what it says of the machine, if that was asked.
pub fn ask(
    options: &Options,
    agents: &[Agent],
    task: Task,
    observer: &dyn Observer,
) -> Result<Option<Status>> {
    let mut connection = Connection::open(&options.destination, agents, Questions::Refused, &Arc::default())?;
    let (label, deployment) = (options.label.to_string(), options.deployment.clone());
    connection.sender().send_json(kind::HELLO, &Hello { version: VERSION, label, task, deployment })?;
    loop {
        let frame = connection.receive()?;
        match frame.kind {
            kind::READY => return Ok(None),
            kind::STATUS => return words::json(&frame).map(Some),
            kind::EVENT => observer.event(words::event(&frame)?),
            kind::FAILED => return Err(words::failure(&frame)),
            other => return Err(Error::refused(format!("the target sent an unknown message ({other})"))),
        }
    }
}
