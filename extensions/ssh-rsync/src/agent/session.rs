//! One push, from the first message to the last.

use std::io;

use baserock::json;
use baserock::label::Label;
use baserock::volume::Purpose;
use delta::apply::Stats;
use delta::hash::Hash;
use system::error::{Error, OrCannot, Result};

use super::fill::fill;
use super::guard::{self, Present};
use super::incoming::Incoming;
use super::{Forward, publish};
use crate::channel::{Channel, Receiver, Sender};
use crate::protocol::{Hello, VERSION, kind};

/// Carries out the sender's request.
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
        let channel = Channel { sender, receiver: &mut receiver };
        let incoming = Incoming::open(&volume, &label)?;
        let (manifest, stats) = fill(&volume, &label, &incoming, digest, channel, &observer)?;
        // `publish` opens the volume again, because the lock comes with a mount of its own, and a rename has to stay within one mount.
        drop(volume);
        publish::publish(&label, &manifest, &observer)?;
        // The lock of the folder is held until its tree has become a version.
        drop(incoming);
        (stats, Some(manifest.owned()))
    };
    let finished = publish::finish(&hello, &label, present, (stats, owned), &observer)?;
    sender.send_json(kind::FINISHED, &finished)?;
    publish::restart(hello.autostart)
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
