//! One push, from the first word to the last.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use baserock::dir::Dir;
use baserock::error::{Error, OrCannot, Result};
use baserock::label::Label;
use baserock::layout::ORIG;
use baserock::observer::Observer;
use baserock::volume::{Purpose, Volume};
use delta::apply::{Stats, apply};
use delta::hash::Hash;
use delta::scan::{ReadAll, scan};
use delta::{Manifest, Plan, Tree, beside, format, metadata};

use super::contents::Store;
use super::guard::{self, Present};
use super::incoming::{Incoming, contents_name};
use super::receive::Receive;
use super::{Forward, publish, space};
use crate::channel::{Receiver, Sender};
use crate::protocol::{Amount, Hello, VERSION, kind};

/// Most hashes that a sender may know.
const MOST_KNOWN: usize = 1 << 21;

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
    let stats = if matches!(present, Present::Deployed | Present::SameTree) {
        drop(volume);
        Stats::default()
    } else {
        let talk = Talk { sender, receiver: &mut receiver };
        let incoming = Incoming::open(&volume, &label)?;
        let (manifest, stats) = fill(&volume, &label, &incoming, digest, talk, &observer)?;
        // What is renamed has to be under one mount, and the lock comes with another.
        drop(volume);
        publish::publish(&label, &manifest, &observer)?;
        // Until here nobody else may touch what has been put together.
        drop(incoming);
        stats
    };
    let finished = publish::finish(&hello, &label, present, stats, &observer)?;
    sender.send_json(kind::FINISHED, &finished)?;
    publish::restart(hello.autostart)
}

struct Talk<'a> {
    sender: &'a Sender,
    receiver: &'a mut Receiver,
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

fn known(receiver: &mut Receiver) -> Result<HashSet<u64>> {
    let frame = receiver.receive()?;
    let (numbers, rest) = frame.content.as_chunks::<8>();
    if frame.kind != kind::KNOWN || !rest.is_empty() || numbers.len() > MOST_KNOWN {
        return Err(Error::refused("the sender does not say which contents it has"));
    }
    Ok(numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}

/// Puts the new tree together in the incoming folder. Returns its manifest, and what was done.
fn fill(
    volume: &Volume,
    label: &Label,
    incoming: &Incoming,
    digest: Hash,
    mut talk: Talk<'_>,
    observer: &Forward,
) -> Result<(Manifest, Stats)> {
    let manifest = match incoming.manifest(digest)? {
        Some(manifest) => manifest,
        None => receive_manifest(&mut talk, digest)?,
    };
    let default = volume.default()?.or_else(|| volume.running().cloned());
    let default = default.ok_or_else(|| Error::refused("the target has no version to start from"))?;
    let version = volume.version_dir(&default)?;
    let orig = version.dir(ORIG)?;
    let old = basis(&version, &orig, observer)?;
    let plan = Plan::new(&old, &manifest);
    let name = contents_name([&old, &manifest]);
    let mut have = HashMap::new();
    if let Some(contents) = incoming.contents(&orig, &name)? {
        let mut store = Store::new(contents);
        for wanted in &plan.wanted {
            have.insert(wanted.hash, store.have(wanted)?);
        }
    }
    space::check(volume, label, &plan, |wanted| have.get(&wanted.hash).copied().unwrap_or(0))?;
    incoming.keep_manifest(&manifest)?;
    let amount = Amount { bytes: plan.wanted_bytes(), there: have.values().sum() };
    talk.sender.send_json(kind::CONTENTS, &amount)?;
    let known = if amount.is_missing() { known(talk.receiver)? } else { HashSet::new() };
    let basis = Tree { dir: &orig, manifest: &old };
    let Talk { sender, receiver } = talk;
    let mut store = Store::new(incoming.ensure_contents(&orig, &name)?);
    Receive { sender, receiver, volume: volume.top(), basis, known: &known }.all(
        &plan.wanted,
        &mut store,
        &have,
    )?;

    let observer: &dyn Observer = observer;
    observer.phase(format!("putting {label} together"));
    let tree = incoming.begin_tree()?;
    let stats = apply(&plan, basis, &manifest, &tree, &mut Store::new(tree.dir(&name)?))?;
    tree.remove_tree(&name)?;
    metadata::set_time(&tree, "".as_ref(), &manifest.entries()[0].metadata)?;
    Ok((manifest, stats))
}

/// The manifest of the basis: the one beside it, or one made now and kept.
fn basis(version: &Dir, orig: &Dir, observer: &dyn Observer) -> Result<Manifest> {
    if let Some(manifest) = beside::load(version, orig)? {
        return Ok(manifest);
    }
    observer.phase(format!("reading {} on the target, once", orig.shown("").display()));
    let manifest = scan(orig, &mut ReadAll, &|_| {})?;
    beside::store(version, orig, &manifest)?;
    Ok(manifest)
}

fn receive_manifest(talk: &mut Talk<'_>, digest: Hash) -> Result<Manifest> {
    talk.sender.send(kind::WANT_MANIFEST, &[])?;
    // Read piece by piece as it comes; the format bounds what is kept of it.
    let pieces = Pieces { receiver: talk.receiver, rest: Vec::new(), position: 0 };
    let manifest = format::read(pieces).or_cannot("understand the manifest from", "the sender")?;
    if manifest.digest() == digest {
        return Ok(manifest);
    }
    Err(Error::refused("the manifest is not the one that the sender announced"))
}

/// The frames of a manifest as one stream.
struct Pieces<'a> {
    receiver: &'a mut Receiver,
    rest: Vec<u8>,
    position: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.rest.len() {
            let frame = self.receiver.receive().map_err(io::Error::other)?;
            if frame.kind != kind::MANIFEST {
                return Err(delta::codec::invalid("something else than a manifest"));
            }
            (self.rest, self.position) = (frame.content, 0);
        }
        let count = buffer.len().min(self.rest.len() - self.position);
        buffer[..count].copy_from_slice(&self.rest[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}
