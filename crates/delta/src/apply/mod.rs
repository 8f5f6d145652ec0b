//! Carries out a plan on a writable snapshot of the basis. All decisions are in the plan.
//!
//! Names that need no missing content come first ([`Apply::prepare`]). Then each content that the basis does not have gets its name when it
//! has arrived ([`Placer::place`]). Last come the other names of those contents ([`Apply::finish`]).

mod names;
mod parents;

use std::path::Path;

use system::dir::Dir;
use system::error::Result;
use system::inode::Inode;
use system::signal;

use self::names::{Names, give_metadata};
use self::parents::Parents;
use crate::entry::{Entry, Kind, as_path, file_name};
use crate::manifest::Manifest;
use crate::plan::{Make, Plan, Wanted};

/// A tree and its manifest.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    /// The tree.
    pub dir: &'a Dir,
    /// Its manifest.
    pub manifest: &'a Manifest,
}

/// The numbers of names that an update changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Names that the basis did not have.
    pub added: u64,
    /// Names whose content, type or link changed.
    pub changed: u64,
    /// Names whose owner, mode, times or attributes alone changed.
    pub metadata: u64,
    /// Names that the new tree does not have.
    pub removed: u64,
}

/// A plan and its trees. `into` becomes identical to the tree of the manifest `new`. Names that are in neither manifest stay.
#[derive(Clone, Copy)]
pub struct Apply<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The tree for which the plan was made.
    pub basis: Tree<'a>,
    /// The manifest of the new tree.
    pub new: &'a Manifest,
    /// A writable snapshot of the basis.
    pub into: &'a Dir,
}

impl<'a> Apply<'a> {
    /// Carries out all that needs none of the wanted contents.
    pub fn prepare(self) -> Result<()> {
        let mut names = Names::new(self);
        for entry in self.basis.manifest.entries().iter().filter(|entry| has_flags(entry)) {
            names.clear_flags(entry)?;
        }
        for entry in self.basis.manifest.entries().iter().filter(|entry| entry.is_directory()) {
            names.replace_stub(entry)?;
        }
        for &index in &self.plan.remove {
            signal::check()?;
            names.remove(index.of(self.basis.manifest))?;
        }
        for &index in &self.plan.metadata {
            names.metadata(index.of(self.new))?;
        }
        for make in self.plan.make.iter().filter(|make| !self.needs_wanted(make)) {
            signal::check()?;
            names.make(*make)?;
        }
        Ok(())
    }

    /// The placer that gives contents their names. The tree has to be prepared, so that all directories exist.
    pub fn placer(self) -> Placer<'a> {
        Placer { apply: self, parents: Parents::new(self.into) }
    }

    /// Makes the other names of wanted contents and the hard links, and sets the times of directories. All contents must have been placed.
    pub fn finish(self) -> Result<Stats> {
        let mut names = Names::new(self);
        let wanted =
            |make: &Make| self.plan.wanted.binary_search_by_key(&make.entry, |wanted| wanted.entry).is_ok();
        for make in self.plan.make.iter().filter(|make| self.needs_wanted(make) && !wanted(make)) {
            signal::check()?;
            names.make(*make)?;
        }
        let mut parents = Parents::new(self.into);
        for &index in self.plan.touched.iter().rev() {
            let entry = index.of(self.new);
            let dir = Inode::named(parents.of(&entry.path)?, as_path(file_name(&entry.path)));
            dir.set_times(entry.modified.into())?;
        }
        for entry in self.new.entries().iter().filter(|entry| has_flags(entry)) {
            names.add_flags(entry)?;
        }
        Ok(self.stats())
    }

    /// Whether the name has to wait for a wanted content. A hard link always waits, because its first name may do so.
    fn needs_wanted(self, make: &Make) -> bool {
        match make.entry.of(self.new).kind {
            Kind::File { .. } => make.same.is_none(),
            Kind::HardLink(_) => true,
            _ => false,
        }
    }

    fn stats(self) -> Stats {
        let before = self.basis.manifest.by_path();
        let is_new = |make: &&Make| !before.contains_key(&*make.entry.of(self.new).path);
        let added = self.plan.make.iter().filter(is_new).count() as u64;
        Stats {
            added,
            changed: self.plan.make.len() as u64 - added,
            metadata: self.plan.metadata.len() as u64,
            removed: self.plan.remove.len() as u64,
        }
    }
}

/// Whether the file has flags, which can prevent changes of it. The flags of a link or a device cannot be reached.
fn has_flags(entry: &Entry) -> bool {
    !entry.metadata.flags.is_empty() && matches!(entry.kind, Kind::Directory | Kind::File { .. })
}

/// Gives wanted contents their names.
pub struct Placer<'a> {
    apply: Apply<'a>,
    parents: Parents<'a>,
}

impl Placer<'_> {
    /// Calls `make` to make the file of a content, and gives it its metadata. `make` gets a directory and a name that is free.
    pub fn place(&mut self, wanted: &Wanted, make: impl FnOnce(&Dir, &Path) -> Result<()>) -> Result<()> {
        signal::check()?;
        let entry = wanted.entry.of(self.apply.new);
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        let planned = &self.apply.plan.make;
        let place = planned.binary_search_by_key(&wanted.entry, |make| make.entry);
        if place.is_ok_and(|place| planned[place].replaces) {
            dir.remove_tree(name)?;
        }
        make(dir, name)?;
        give_metadata(dir, entry)
    }
}
