//! One push, from the first message to the last.

use std::io;
use std::time::Duration;

use baserock::extension::Environment;
use baserock::json;
use baserock::label::Label;
use baserock::operations::etc::{conflicts, steps};
use baserock::operations::upgrade::{self, Then};
use baserock::operations::{self, Upgrade, Upgraded, trial};
use delta::hash::Hash;
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;
use system::restart::restart;

use super::fill::Pushed;
use super::{Forward, confirm, status, target};
use crate::channel::{Channel, Receiver, Sender};
use crate::protocol::{Finished, Hello, Task, VERSION, Weighed, kind};

/// The most characters of the sender's name that are written down.
const LONGEST_NAME: usize = 100;

/// Carries out the sender's request.
pub fn run(sender: &Sender, mut receiver: Receiver) -> Result<()> {
    let hello = hello(&mut receiver)?;
    let label: Label = hello.label.parse()?;
    let by = hello.by.map(|by| by.chars().take(LONGEST_NAME).collect());
    let mut volume = target::open()?.for_user(by);
    let (digest, signed, autostart, trial, dry_run) = match hello.task {
        Task::Push { digest, signed, autostart, trial, dry_run } => {
            (Hash(digest), signed, autostart, trial, dry_run)
        }
        Task::Check { trial } => {
            if trial {
                trial::require_one_shot(&volume)?;
            }
            upgrade::check(&volume, &label, None)?;
            return sender.send(kind::READY, &[]);
        }
        Task::Survey => return sender.send_json(kind::SURVEY, &operations::status::status(&volume)?),
        Task::Status => return sender.send_json(kind::STATUS, &status::of(&volume, &label)?),
        Task::Confirm { check } => return confirm::confirm(volume, check.as_deref(), sender),
    };
    let environment: Environment = hello.deployment.iter().collect();
    // The sender confirms it.
    let on_trial = |seconds| Then::Trial { deadline: Duration::from_secs(seconds), by_hand: true };
    let then = trial.map_or(Then::Default, on_trial);
    let upgrade = Upgrade::from_environment(label, then, &environment)?;
    let channel = Channel { sender, receiver: &mut receiver };
    let mut contents = Pushed { digest, signed, channel };
    if dry_run {
        let found = upgrade::preview(&volume, &upgrade, &mut contents, &Forward(sender.clone()))?;
        let steps = steps(found.merged.as_ref()).to_vec();
        let weighed = Weighed { contents: found.contents, bytes: found.bytes, there: found.there, steps };
        return sender.send_json(kind::WEIGHED, &weighed);
    }
    let done = operations::upgrade(&mut volume, &upgrade, &mut contents, &Forward(sender.clone()))?;
    let autostart = autostart && done.held.is_empty();
    let running = volume.running().filter(|running| **running != *upgrade.label).map(ToString::to_string);
    if autostart && then == Then::Default && trial::require_one_shot(&volume).is_ok() {
        let observer: &dyn Observer = &Forward(sender.clone());
        observer.note(format!(
            "it reboots into {} for good; with TRIAL=yes it would come back by itself if that fails",
            upgrade.label
        ));
    }
    let boot = volume.boot_id()?;
    drop(volume);
    sender.send_json(kind::FINISHED, &Finished { boot, ..finished(done, running) })?;
    if autostart { restart() } else { Ok(()) }
}

fn finished(done: Upgraded, running: Option<String>) -> Finished {
    let held = !done.held.is_empty();
    let merged = done.merged.iter().flat_map(conflicts).cloned().collect();
    let paths: Vec<_> = if held { done.held } else { merged };
    let conflicts = paths.iter().map(ToString::to_string).collect();
    Finished { conflicts, running, held, ..Finished::new(done.names) }
}

fn hello(receiver: &mut Receiver) -> Result<Hello> {
    let frame = receiver.receive()?;
    let hello: Hello = match frame.kind {
        kind::HELLO => {
            json::read(&frame.content).map_err(io::Error::from).or_cannot("understand", "the sender")?
        }
        other => return Err(Error::refused(format!("the sender began with an unknown message ({other})"))),
    };
    if hello.version != VERSION {
        return Err(Error::refused(format!(
            "the sender uses version {} of the protocol, and this agent uses version {VERSION}",
            hello.version
        )));
    }
    Ok(hello)
}
