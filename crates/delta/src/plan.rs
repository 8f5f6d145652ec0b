//! The plan that turns one tree into another. It is made from two manifests, and [`crate::apply`] carries it out.

use std::collections::{HashMap, HashSet};

use crate::entry::{Entry, Kind, parent};
use crate::hash::Hash;
use crate::index::{NewIndex, OldIndex};
use crate::manifest::Manifest;
use crate::predecessors::Predecessors;

/// The steps from the basis to the new tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the basis: names to remove. The names in a directory come before the directory.
    pub remove: Vec<OldIndex>,
    /// In the new tree: names to make or to replace, in order.
    pub make: Vec<Make>,
    /// In the new tree: names of which only the metadata has changed.
    pub metadata: Vec<NewIndex>,
    /// In the new tree: directories in which names are made or removed. Their times have to be set at the end.
    pub touched: Vec<NewIndex>,
    /// Contents that the basis does not have, each once.
    pub wanted: Vec<Wanted>,
}

/// A name to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Make {
    /// In the new tree: the entry.
    pub entry: NewIndex,
    /// For a file: in the basis, a file with the same content.
    pub same: Option<OldIndex>,
    /// Whether the basis has something else under the name, which has to be removed first.
    pub replaces: bool,
}

/// A content that the basis does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// In the new tree: the first file that has it.
    pub entry: NewIndex,
    /// Bytes.
    pub size: u64,
    /// Its hash.
    pub hash: Hash,
    /// In the basis: the file that is most like it.
    pub like: Option<OldIndex>,
}

impl Plan {
    /// The plan that turns `basis` into `new`.
    pub fn new(basis: &Manifest, new: &Manifest) -> Self {
        Planner::new(basis, new).plan()
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.make.is_empty() && self.metadata.is_empty()
    }

    /// Bytes of content that the basis does not have.
    pub fn wanted_bytes(&self) -> u64 {
        self.wanted.iter().map(|wanted| wanted.size).fold(0, u64::saturating_add)
    }
}

struct Planner<'a> {
    basis: &'a Manifest,
    new: &'a Manifest,
    old_paths: HashMap<&'a [u8], usize>,
    contents: HashMap<Hash, OldIndex>,
    predecessors: Predecessors<'a>,
    /// First names that get a new inode. The other names of those files have to be made anew too.
    remade: HashSet<&'a [u8]>,
    /// The index in the plan of each wanted content.
    asked: HashMap<Hash, usize>,
    touched: HashSet<&'a [u8]>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    fn new(basis: &'a Manifest, new: &'a Manifest) -> Self {
        let mut contents = HashMap::new();
        for (index, entry) in basis.entries().iter().enumerate() {
            if let Kind::File { hash, .. } = entry.kind {
                contents.entry(hash).or_insert(OldIndex(index));
            }
        }
        Planner {
            basis,
            new,
            old_paths: basis.by_path(),
            contents,
            predecessors: Predecessors::new(basis),
            remade: HashSet::new(),
            asked: HashMap::new(),
            touched: HashSet::new(),
            plan: Plan::default(),
        }
    }

    fn plan(mut self) -> Plan {
        let new_paths = self.new.by_path();
        for (index, old) in self.basis.entries().iter().enumerate().rev() {
            let after = new_paths.get(&*old.path).map(|&index| &self.new.entries()[index]);
            // A file of the basis is replaced when the new file is made. A directory cannot replace a file, nor a file a directory.
            if after.is_none_or(|after| after.is_directory() != old.is_directory()) {
                self.plan.remove.push(OldIndex(index));
                self.touched.insert(parent(&old.path));
            }
        }
        for (index, entry) in self.new.entries().iter().enumerate() {
            self.entry(NewIndex(index), entry);
        }
        let entries = self.new.entries().iter().enumerate();
        let is_touched = |entry: &Entry| entry.is_directory() && self.touched.contains(&*entry.path);
        self.plan.touched =
            entries.filter(|(_, entry)| is_touched(entry)).map(|(index, _)| NewIndex(index)).collect();
        self.plan
    }

    fn entry(&mut self, index: NewIndex, entry: &'a Entry) {
        let before = self.old_paths.get(&*entry.path).map(|&index| &self.basis.entries()[index]);
        match before {
            Some(before) if self.stays(before, entry) => {
                // A hard link has no metadata of its own: that of the first name counts.
                if (&before.metadata, before.modified) != (&entry.metadata, entry.modified)
                    && !matches!(entry.kind, Kind::HardLink(_))
                {
                    self.plan.metadata.push(index);
                }
            }
            Some(before) => self.make(index, entry, before.is_directory() == entry.is_directory()),
            None => self.make(index, entry, false),
        }
    }

    /// Whether this name keeps the inode that it has in the snapshot.
    fn stays(&self, before: &Entry, entry: &Entry) -> bool {
        match &entry.kind {
            // If the first name gets a new inode, this name has to be linked to it again.
            Kind::HardLink(first) => before.kind == entry.kind && !self.remade.contains(&**first),
            kind => before.kind == *kind,
        }
    }

    fn make(&mut self, index: NewIndex, entry: &'a Entry, replaces: bool) {
        self.touched.insert(parent(&entry.path));
        if entry.is_directory() {
            self.touched.insert(&entry.path);
        } else {
            self.remade.insert(&entry.path);
        }
        let mut same = None;
        if let Kind::File { size, hash } = entry.kind {
            same = self.contents.get(&hash).copied();
            if same.is_none() {
                self.want(Wanted { entry: index, size, hash, like: self.predecessors.of(&entry.path, size) });
            }
        }
        self.plan.make.push(Make { entry: index, same, replaces });
    }

    /// Adds a content to the plan, once. Of several names with this content, the one with the best predecessor counts.
    fn want(&mut self, wanted: Wanted) {
        let Some(&place) = self.asked.get(&wanted.hash) else {
            self.asked.insert(wanted.hash, self.plan.wanted.len());
            self.plan.wanted.push(wanted);
            return;
        };
        let earlier = &mut self.plan.wanted[place];
        let same_path = |like: OldIndex| like.of(self.basis).path == wanted.entry.of(self.new).path;
        if earlier.like.is_none() || wanted.like.is_some_and(same_path) {
            earlier.like = wanted.like;
        }
    }
}
