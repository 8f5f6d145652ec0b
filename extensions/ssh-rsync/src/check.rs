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

/// The last word of an agent.
pub enum Answer {
    /// It is done, or can be.
    Ready,
    /// What runs on the machine.
    Status(Status),
    /// The trial was ended, for this reason, and the machine reboots.
    Abandoned(String),
}

/// Has an agent on the target do something.
pub fn ask(options: &Options, agents: &[Agent], task: Task, observer: &dyn Observer) -> Result<Answer> {
    let mut connection = Connection::open(&options.destination, agents, Questions::Refused, &Arc::default())?;
    let (label, deployment) = (options.label.to_string(), options.deployment.clone());
    connection.sender().send_json(kind::HELLO, &Hello { version: VERSION, label, task, deployment })?;
    loop {
        let frame = connection.receive()?;
        match frame.kind {
            kind::READY => return Ok(Answer::Ready),
            kind::STATUS => return words::json(&frame).map(Answer::Status),
            kind::ABANDONED => return Ok(Answer::Abandoned(words::text(&frame))),
            kind::EVENT => observer.event(words::event(&frame)?),
            kind::FAILED => return Err(words::failure(&frame)),
            other => return Err(Error::refused(format!("the target sent an unknown message ({other})"))),
        }
    }
}
