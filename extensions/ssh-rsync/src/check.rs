//! The check before a push. It refuses what the push would refuse.

use std::sync::Arc;

use system::error::{Error, Result};
use system::observer::Observer;

use crate::bootstrap;
use crate::connection::Connection;
use crate::options::Options;
use crate::protocol::{Hello, VERSION, kind};
use crate::ssh::Questions;
use crate::words;

/// Checks that the target can take the version. Never asks for a password.
pub fn check(options: &Options, observer: &dyn Observer) -> Result<()> {
    let agents = bootstrap::agents(options.agents.as_deref())?;
    let mut connection =
        Connection::open(&options.destination, &agents, Questions::Refused, &Arc::default())?;
    let hello = Hello {
        version: VERSION,
        label: options.label.to_string(),
        digest: None,
        autostart: options.autostart,
        deployment: options.deployment.clone(),
    };
    connection.sender().send_json(kind::HELLO, &hello)?;
    loop {
        let frame = connection.receive()?;
        match frame.kind {
            kind::READY => return Ok(()),
            kind::EVENT => observer.event(words::event(&frame)?),
            kind::FAILED => return Err(words::failure(&frame)),
            other => return Err(Error::refused(format!("the target sent an unknown message ({other})"))),
        }
    }
}
