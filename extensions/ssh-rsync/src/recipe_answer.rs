//! The sender's answers to requests for recipes. They are made beside the answers for units, because they take long.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use delta::difference::Old;
use delta::entry::Kind;
use delta::hash::Hash;
use delta::recipe::{BEGINNING, Literals, Proof, Recipe, begins, describe};
use delta::{NewIndex, Tree};
use system::error::{Error, OrCannot, Result};
use system::signal;

use crate::channel::Sender;
use crate::effort::Effort;
use crate::old_contents::OldContents;
use crate::protocol::kind;
use crate::recipe_request::{OldLiterals, RecipeRequest};
use crate::source::Source;

/// Larger contents are not described: they are read into memory for that.
const MOST: u64 = 512 << 20;

/// Makes recipes.
pub struct Describer<'a> {
    new: Tree<'a>,
    old_contents: &'a OldContents<'a>,
    effort: &'a Effort,
    described: &'a Described,
}

/// What the conversation and the thread that makes recipes tell each other.
#[derive(Default)]
pub struct Described {
    /// Bytes of the contents that were described: these do not travel.
    pub bytes: AtomicU64,
    /// Whether the conversation is over.
    pub is_over: AtomicBool,
}

impl<'a> Describer<'a> {
    /// Describes contents of the new tree.
    pub fn new(
        new: &'a Source,
        old_contents: &'a OldContents<'a>,
        effort: &'a Effort,
        described: &'a Described,
    ) -> Self {
        Describer { new: new.tree(), old_contents, effort, described }
    }

    /// Answers all requests. An empty answer says that the content has no recipe, or that the link carries it sooner.
    pub fn answer(&self, asked: &Receiver<RecipeRequest>, sender: &Sender) -> Result<()> {
        let mut files = None;
        while let Ok(request) = asked.recv() {
            let files = files.get_or_insert_with(|| self.files());
            let made = self.recipe(&request, files);
            signal::check()?;
            let answer = made.unwrap_or_else(|error| {
                tracing::warn!("a content is not described: {error}");
                None
            });
            let answer = answer.unwrap_or_default();
            tracing::debug!("recipe: {} bytes", answer.len());
            sender.send(kind::RECIPE, &answer)?;
        }
        Ok(())
    }

    fn recipe(&self, request: &RecipeRequest, files: &HashMap<Hash, NewIndex>) -> Result<Option<Vec<u8>>> {
        let Some((recipe, size)) = self.describe(request.entry, files)? else { return Ok(None) };
        let difference = self.difference(&recipe, &request.old)?;
        self.described.bytes.fetch_add(size, Ordering::Relaxed);
        Ok(Some(difference))
    }

    /// The first file of the new tree with each content: the target has this one first.
    fn files(&self) -> HashMap<Hash, NewIndex> {
        let entries = self.new.manifest.entries().iter().enumerate();
        let files = entries.filter_map(|(index, entry)| match entry.kind {
            Kind::File { hash, .. } => Some((hash, NewIndex(index))),
            _ => None,
        });
        files.rev().collect()
    }

    fn describe(&self, entry: NewIndex, files: &HashMap<Hash, NewIndex>) -> Result<Option<(Recipe, u64)>> {
        let entry = self.new.manifest.entries().get(entry.0);
        let Some((entry, size)) = entry.and_then(|entry| match entry.kind {
            Kind::File { size, .. } => Some((entry, size)),
            _ => None,
        }) else {
            return Err(Error::refused("the target asks for a recipe of something that is not in the tree"));
        };
        if size > MOST || self.effort.is_faster_than_recreating() {
            return Ok(None);
        }
        let (mut file, shown) = (self.new.dir.file(entry.path())?, self.new.dir.shown(entry.path()));
        let mut content = Vec::new();
        file.by_ref().take(BEGINNING as u64).read_to_end(&mut content).or_cannot("read", &shown)?;
        if !begins(&content) {
            return Ok(None);
        }
        file.take(size).read_to_end(&mut content).or_cannot("read", &shown)?;
        let recipe = describe(&content, Proof::Beginning, &|hash| {
            let is_over = self.described.is_over.load(Ordering::Relaxed);
            if is_over || signal::check().is_err() || self.effort.is_faster_than_recreating() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            Ok(files.get(hash).copied())
        });
        Ok(recipe.map(|recipe| (recipe, size)))
    }

    fn difference(&self, recipe: &Recipe, old: &OldLiterals) -> Result<Vec<u8>> {
        let (literals, old) = match old {
            OldLiterals::Signature(signature) => (None, Old::Signature(signature)),
            OldLiterals::Known { hash, left_out } => {
                let file = self.old_contents.open(*hash)?;
                (file.and_then(|file| Literals::without(file, left_out).ok()), Old::Unknown)
            }
        };
        let old = literals.as_deref().map_or(old, Old::Bytes);
        let level = self.effort.level(&old);
        recipe.to_difference(&old, level).or_cannot("compress", self.new.dir.shown(""))
    }
}
