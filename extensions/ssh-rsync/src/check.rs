//! What a sender asks of a target beside a push. It never asks for a password.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use baserock::extension::Environment;
use baserock::operations;
use system::error::{Error, Result};
use system::observer::Observer;

use crate::bootstrap::{self, Agent};
use crate::by::by;
use crate::connection::Connection;
use crate::destination::Destination;
use crate::options::Options;
use crate::protocol::{Hello, Status, Task, VERSION, kind};
use crate::ssh::Questions;
use crate::words;

/// Checks that the target can take the version. It refuses what the push would refuse.
pub fn check(options: &Options, observer: &dyn Observer) -> Result<()> {
    let agents = bootstrap::agents(options.agents.as_deref())?;
    ask(options, &agents, Task::Check { trial: options.trial.is_some() }, observer).map(drop)
}

/// A survey is of no version. An agent wants a label all the same.
const NO_VERSION: &str = "none";

/// How the machine at this place stands.
pub fn status(
    location: &OsStr,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<operations::status::Status> {
    let folder = environment.raw("BASEROCK_AGENTS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let hello = Hello {
        version: VERSION,
        label: NO_VERSION.to_owned(),
        task: Task::Survey,
        deployment: BTreeMap::new(),
        by: Some(by()),
    };
    match greet(&Destination::parse(location)?, &bootstrap::agents(folder.as_deref())?, &hello, observer)? {
        Answer::Survey(status) => Ok(*status),
        _ => Err(Error::refused("the target did not say how it stands")),
    }
}

/// The last word of an agent.
pub enum Answer {
    /// It is done, or can be.
    Ready,
    /// What runs on the machine.
    Status(Status),
    /// How the machine stands.
    Survey(Box<operations::status::Status>),
    /// The trial was ended, for this reason, and the machine reboots.
    Abandoned(String),
}

/// Has an agent on the target do something.
pub fn ask(options: &Options, agents: &[Agent], task: Task, observer: &dyn Observer) -> Result<Answer> {
    let (label, deployment) = (options.label.to_string(), options.deployment.clone());
    greet(
        &options.destination,
        agents,
        &Hello { version: VERSION, label, task, deployment, by: Some(by()) },
        observer,
    )
}

fn greet(
    destination: &Destination,
    agents: &[Agent],
    hello: &Hello,
    observer: &dyn Observer,
) -> Result<Answer> {
    let mut connection = Connection::open(destination, agents, Questions::Refused, &Arc::default())?;
    connection.sender().send_json(kind::HELLO, hello)?;
    loop {
        let frame = connection.receive()?;
        match frame.kind {
            kind::READY => return Ok(Answer::Ready),
            kind::STATUS => return words::json(&frame).map(Answer::Status),
            kind::SURVEY => return words::json(&frame).map(|status| Answer::Survey(Box::new(status))),
            kind::ABANDONED => return Ok(Answer::Abandoned(words::text(&frame))),
            kind::EVENT => observer.event(words::event(&frame)?),
            kind::FAILED => return Err(words::failure(&frame)),
            other => return Err(Error::refused(format!("the target sent an unknown message ({other})"))),
        }
    }
}
