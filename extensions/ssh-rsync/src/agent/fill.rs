//! The contents of a push: they are received while the new tree is put together.

use std::collections::{BTreeSet, HashSet};

use assembly::assemble;
use baserock::ExistingLabel;
use baserock::operations::trust::Provenance;
use baserock::operations::upgrade::{Contents, Filling};
use delta::apply::Stats;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::plan::{Plan, Wanted};
use delta::{Manifest, Tree};
use system::error::{Error, Result};

use super::manifest;
use super::receive::Receive;
use crate::channel::Channel;
use crate::protocol::{Amount, Ask, kind};
use crate::random;

/// The tree of a sender. A try that fails leaves what has arrived for the next push of the same tree.
pub struct Pushed<'a> {
    /// The digest of the manifest that the sender has announced.
    pub digest: Hash,
    /// What somebody has signed about the tree.
    pub signed: Option<String>,
    /// The connection to the sender.
    pub channel: Channel<'a>,
}

impl Contents for Pushed<'_> {
    fn digest(&self) -> Option<Hash> {
        Some(self.digest)
    }

    fn manifest(&mut self, _basis: &Manifest) -> Result<Manifest> {
        manifest::receive(&mut self.channel, self.digest)
    }

    fn provenance(&mut self, _: &ExistingLabel, _: Hash) -> Result<Provenance> {
        Ok(Provenance { signed: self.signed.clone(), origin: None })
    }

    fn fill(&mut self, filling: &Filling<'_>) -> Result<Stats> {
        let apply = filling.apply;
        let amount = Amount { bytes: apply.plan.wanted_bytes(), there: filling.have.values().sum() };
        self.channel.sender.send_json(kind::CONTENTS, &amount)?;
        let known = if amount.is_missing() { self.known(apply.plan, apply.basis)? } else { HashSet::new() };
        let (sender, receiver) = (self.channel.sender, &mut *self.channel.receiver);
        assemble(filling, "the sender", |assembly| {
            Receive { sender, receiver, assembly, known: &known, is_plain: false }.all(&apply.plan.wanted)
        })
    }
}

impl Pushed<'_> {
    /// The predecessors of missing contents that the sender has.
    fn known(&mut self, plan: &Plan, basis: Tree<'_>) -> Result<HashSet<Hash>> {
        let predecessor = |wanted: &Wanted| match wanted.like?.of(basis.manifest).kind {
            Kind::File { hash, .. } => Some(hash),
            _ => None,
        };
        let asked: BTreeSet<Hash> = plan.wanted.iter().filter_map(predecessor).collect();
        let key = random()?;
        let ask = Ask { key, hashes: asked.iter().map(|hash| hash.keyed(&key)).collect() };
        self.channel.sender.send(kind::ASK, &ask.to_bytes())?;
        let frame = self.channel.receiver.receive()?;
        if frame.kind != kind::KNOWN || frame.content.len() != asked.len() {
            return Err(Error::refused("the sender does not say which contents it has"));
        }
        let answers = asked.into_iter().zip(frame.content);
        Ok(answers.filter(|(_, has)| *has == 1).map(|(hash, _)| hash).collect())
    }
}
