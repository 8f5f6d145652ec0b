//! One push, from the first word to the last.

use std::io;

use baserock::label::Label;
use baserock::volume::Purpose;
use delta::apply::Stats;
use delta::hash::Hash;
use system::error::{Error, OrCannot, Result};

use super::fill::fill;
use super::guard::{self, Present};
use super::incoming::Incoming;
use super::{Forward, publish};
use crate::channel::{Receiver, Sender};
use crate::protocol::{Hello, VERSION, kind};

/// Does what the sender asks for.
pub fn run(sender: &Sender, mut receiver: Receiver) -> Result<()> {
    let hello = hello(&mut receiver)?;
    let label: Label = hello.label.parse()?;
    let volume = guard::open(Purpose::Look)?;
    let digest = hello.digest.map(Hash);
    let present = guard::look(&volume, &label, digest)?;
    let Some(digest) = digest else { return sender.send(kind::READY, &[]) };
    let observer = Forward(sender.clone());
    if present == Present::OtherTree {
        publish::remove_other(&label, &observer)?;
    }
    let (stats, owned) = if matches!(present, Present::Deployed | Present::SameTree) {
        drop(volume);
        (Stats::default(), None)
    } else {
        let talk = Talk { sender, receiver: &mut receiver };
        let incoming = Incoming::open(&volume, &label)?;
        let (manifest, stats) = fill(&volume, &label, &incoming, digest, talk, &observer)?;
        // What is renamed has to be under one mount, and the lock comes with another.
        drop(volume);
        publish::publish(&label, &manifest, &observer)?;
        // Until here nobody else may touch what has been put together.
        drop(incoming);
        (stats, Some(manifest.owned()))
    };
    let finished = publish::finish(&hello, &label, present, (stats, owned), &observer)?;
    sender.send_json(kind::FINISHED, &finished)?;
    publish::restart(hello.autostart)
}

/// The connection.
pub struct Talk<'a> {
    /// To the sender.
    pub sender: &'a Sender,
    /// From the sender.
    pub receiver: &'a mut Receiver,
}

fn hello(receiver: &mut Receiver) -> Result<Hello> {
    let frame = receiver.receive()?;
    let hello: Hello = match frame.kind {
        kind::HELLO => serde_json::from_slice(&frame.content)
            .map_err(io::Error::from)
            .or_cannot("understand", "the sender")?,
        other => return Err(Error::refused(format!("the sender begins with something unknown ({other})"))),
    };
    if hello.version != VERSION {
        return Err(Error::refused(format!(
            "the sender talks version {} of the protocol, and this agent version {VERSION}",
            hello.version
        )));
    }
    Ok(hello)
}
