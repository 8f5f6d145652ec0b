//! Fills the incoming folder: the missing contents are received while the new tree is put together.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc;
use std::thread;

use baserock::label::Label;
use baserock::layout::ORIG;
use baserock::volume::Volume;
use delta::apply::{Apply, Stats};
use delta::hash::Hash;
use delta::{Manifest, Plan, Tree};
use system::dir::Dir;
use system::error::{Error, Result};
use system::inode::Inode;
use system::signal;

use super::contents::Store;
use super::earlier::EarlierTry;
use super::incoming::{Incoming, contents_name};
use super::receive::Receive;
use super::{Forward, manifests, space};
use crate::channel::{Channel, Receiver};
use crate::join;
use crate::protocol::{Amount, kind};

/// Most hashes that a sender may announce.
const MOST_KNOWN: usize = 1 << 21;

/// Puts the new tree together in the incoming folder. Returns its manifest, and the numbers of changed names.
pub fn fill(
    volume: &Volume,
    label: &Label,
    incoming: &Incoming,
    digest: Hash,
    mut channel: Channel<'_>,
    observer: &Forward,
) -> Result<(Manifest, Stats)> {
    let manifest = match incoming.manifest(digest)? {
        Some(manifest) => manifest,
        None => manifests::receive(&mut channel, digest)?,
    };
    let default = volume.default()?.or_else(|| volume.running().cloned());
    let default = default.ok_or_else(|| Error::refused("the target has no version to start from"))?;
    let version = volume.version_dir(&default)?;
    let orig = version.dir(ORIG)?;
    let old = manifests::basis(&version, &orig, observer)?;
    let plan = Plan::new(&old, &manifest);
    let name = contents_name([&old, &manifest]);
    let earlier = incoming.earlier(&orig)?;
    let mut earlier = earlier.map(|tree| EarlierTry::new(tree, &name, &manifest)).transpose()?;
    let mut have = HashMap::new();
    if let Some(earlier) = &mut earlier {
        for wanted in &plan.wanted {
            have.insert(wanted.hash, earlier.have(wanted)?);
        }
    }
    space::check(volume, label, &plan, |wanted| have.get(&wanted.hash).copied().unwrap_or(0))?;
    incoming.keep_manifest(&manifest)?;
    let (tree, contents) = begin(incoming, &orig, &name, &plan, earlier, &have)?;
    let amount = Amount { bytes: plan.wanted_bytes(), there: have.values().sum() };
    channel.sender.send_json(kind::CONTENTS, &amount)?;
    let known = &if amount.is_missing() { known(channel.receiver)? } else { HashSet::new() };

    let basis = Tree { dir: &orig, manifest: &old };
    let Channel { sender, receiver } = channel;
    let (plan, have, top) = (&plan, &have, volume.top());
    let apply = Apply { plan, basis, new: &manifest, into: &tree };
    let (prepared, ready) = mpsc::channel();
    let mut store = Store::new(&contents, apply.placer(), ready);
    thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            Receive { sender, receiver, volume: top, basis, known }.all(&plan.wanted, &mut store, have)
        });
        let outcome = apply.prepare();
        if outcome.is_ok() {
            // This fails only if the other thread has failed, and `join` returns its error.
            let _unwanted = prepared.send(());
        }
        drop(prepared);
        outcome.and(join(receiving))
    })?;
    let stats = apply.finish()?;
    drop(contents);
    tree.remove_tree(&name)?;
    Inode::named(&tree, "".as_ref()).set_times(manifest.entries()[0].modified.into())?;
    Ok((manifest, stats))
}

/// Begins the new tree, with the contents that an earlier try received. Returns the tree, and its folder of contents.
fn begin(
    incoming: &Incoming,
    orig: &Dir,
    name: &str,
    plan: &Plan,
    earlier: Option<EarlierTry<'_>>,
    have: &HashMap<Hash, u64>,
) -> Result<(Dir, Dir)> {
    let tree = incoming.begin_tree(orig)?;
    let contents = tree.ensure_dir(name, 0o700)?;
    if let Some(mut earlier) = earlier {
        for wanted in plan.wanted.iter().filter(|wanted| have.get(&wanted.hash).is_some_and(|&have| have > 0))
        {
            signal::check()?;
            earlier.bring(wanted, &contents)?;
        }
    }
    incoming.forget_earlier()?;
    Ok((tree, contents))
}

fn known(receiver: &mut Receiver) -> Result<HashSet<u64>> {
    let frame = receiver.receive()?;
    let (numbers, rest) = frame.content.as_chunks::<8>();
    if frame.kind != kind::KNOWN || !rest.is_empty() || numbers.len() > MOST_KNOWN {
        return Err(Error::refused("the sender does not say which contents it has"));
    }
    Ok(numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}
