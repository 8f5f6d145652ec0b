//! The contents of a push: they are received while the new tree is put together.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;

use baserock::operations::upgrade::{Contents, Filling};
use delta::Manifest;
use delta::apply::Stats;
use delta::hash::Hash;
use system::error::{Error, Result};

use super::contents::Store;
use super::manifest;
use super::receive::Receive;
use crate::channel::{Channel, Receiver};
use crate::join;
use crate::protocol::{Amount, kind};

/// Most hashes that a sender may announce.
const MOST_KNOWN: usize = 1 << 21;

/// The tree of a sender. A try that fails leaves what has arrived for the next push of the same tree.
pub struct Pushed<'a> {
    /// The digest of the manifest that the sender has announced.
    pub digest: Hash,
    /// The connection to the sender.
    pub channel: Channel<'a>,
}

impl Contents for Pushed<'_> {
    fn digest(&self) -> Option<Hash> {
        Some(self.digest)
    }

    fn manifest(&mut self) -> Result<Manifest> {
        manifest::receive(&mut self.channel, self.digest)
    }

    fn fill(&mut self, filling: &Filling<'_>) -> Result<Stats> {
        let Filling { volume, apply, parts, have } = *filling;
        let amount = Amount { bytes: apply.plan.wanted_bytes(), there: have.values().sum() };
        self.channel.sender.send_json(kind::CONTENTS, &amount)?;
        let known = &if amount.is_missing() { known(self.channel.receiver)? } else { HashSet::new() };
        let (sender, receiver) = (self.channel.sender, &mut *self.channel.receiver);
        let (plan, basis) = (apply.plan, apply.basis);
        let (prepared, ready) = mpsc::channel();
        let mut store = Store::new(parts, apply.placer(), ready);
        thread::scope(|scope| {
            let receiving = scope.spawn(move || {
                Receive { sender, receiver, volume, basis, known }.all(&plan.wanted, &mut store, have)
            });
            let outcome = apply.prepare();
            if outcome.is_ok() {
                // This fails only if the other thread has failed, and `join` returns its error.
                let _unwanted = prepared.send(());
            }
            drop(prepared);
            outcome.and(join(receiving))
        })?;
        apply.finish()
    }
}

fn known(receiver: &mut Receiver) -> Result<HashSet<u64>> {
    let frame = receiver.receive()?;
    let (numbers, rest) = frame.content.as_chunks::<8>();
    if frame.kind != kind::KNOWN || !rest.is_empty() || numbers.len() > MOST_KNOWN {
        return Err(Error::refused("the sender does not say which contents it has"));
    }
    Ok(numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}
