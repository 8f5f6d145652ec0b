//! A plan is carried out on a writable snapshot of the basis. There are no decisions left.

use std::collections::HashMap;
use std::path::Path;

use baserock::copy::copy_data;
use baserock::dir::Dir;
use baserock::error::{Error, Result, if_exists};
use baserock::signal;
use baserock::step::change;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::linkat;

use crate::entry::{Entry, Kind, as_path, file_name, parent};
use crate::hash::Hash;
use crate::manifest::Manifest;
use crate::metadata;
use crate::plan::{Make, Plan, Wanted};

/// A tree with what is known of it.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    /// The tree.
    pub dir: &'a Dir,
    /// Its manifest.
    pub manifest: &'a Manifest,
}

/// Where contents are that the basis does not have.
pub trait Contents {
    /// Makes the file `name` in `dir`, where there is none, with the content, whose hash is then what the plan says.
    fn put(&mut self, wanted: &Wanted, dir: &Dir, name: &Path) -> Result<()>;
}

/// What was done.
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

/// Makes `into`, a writable snapshot of the basis, identical to the tree of the manifest `new`. Names that are in neither manifest stay.
///
/// The contents may still be on their way: `arriving` gives each that the plan wants once `contents` has it, in any order. What needs none
/// of them is done meanwhile.
pub fn apply(
    plan: &Plan,
    basis: Tree<'_>,
    new: &Manifest,
    into: &Dir,
    contents: &mut dyn Contents,
    arriving: &mut dyn Iterator<Item = Wanted>,
) -> Result<Stats> {
    let mut work = Work {
        basis,
        new,
        into,
        contents,
        made: HashMap::new(),
        parents: Parents { tree: into, last: None },
        buffer: vec![0; BUFFER],
    };
    for &index in &plan.remove {
        signal::check()?;
        work.remove(&basis.manifest.entries()[index])?;
    }
    for &index in &plan.metadata {
        work.metadata(&new.entries()[index])?;
    }
    // A content that arrives is that of its first name; the other names, and links to it, are made last.
    let (first, last): (Vec<Make>, Vec<Make>) =
        plan.make.iter().partition(|make| match new.entries()[make.entry].kind {
            Kind::File { .. } => make.same.is_some(),
            Kind::HardLink(_) => false,
            _ => true,
        });
    for make in first {
        signal::check()?;
        work.make(make)?;
    }
    for wanted in arriving {
        work.arrived(&wanted, plan)?;
    }
    if work.made.len() < plan.wanted.len() {
        return Err(Error::refused(format!(
            "{} contents of {} have not come",
            plan.wanted.len() - work.made.len(),
            into.shown("").display()
        )));
    }
    for make in last {
        signal::check()?;
        work.make_last(make)?;
    }
    for &index in plan.touched.iter().rev() {
        let entry = &new.entries()[index];
        metadata::set_time(work.parents.of(&entry.path)?, as_path(file_name(&entry.path)), &entry.metadata)?;
    }
    Ok(stats(plan, basis.manifest, new))
}

/// Copied at a time where nothing can be shared.
const BUFFER: usize = 1 << 20;

fn stats(plan: &Plan, basis: &Manifest, new: &Manifest) -> Stats {
    let before = basis.by_path();
    let is_new = |make: &&Make| !before.contains_key(&*new.entries()[make.entry].path);
    let added = plan.make.iter().filter(is_new).count() as u64;
    Stats {
        added,
        changed: plan.make.len() as u64 - added,
        metadata: plan.metadata.len() as u64,
        removed: plan.remove.len() as u64,
    }
}

struct Work<'a> {
    basis: Tree<'a>,
    new: &'a Manifest,
    into: &'a Dir,
    contents: &'a mut dyn Contents,
    /// Contents that have arrived and are in the new tree, and under which entry.
    made: HashMap<Hash, usize>,
    parents: Parents<'a>,
    buffer: Vec<u8>,
}

/// The directories of the new tree.
struct Parents<'a> {
    tree: &'a Dir,
    /// The one that was used last: entries come directory by directory.
    last: Option<(Box<[u8]>, Dir)>,
}

impl Parents<'_> {
    /// The opened directory that holds the path; the root holds itself, under the empty name.
    fn of(&mut self, path: &[u8]) -> Result<&Dir> {
        let wanted = parent(path);
        let last = match self.last.take() {
            Some(last) if *last.0 == *wanted => last,
            _ => (wanted.into(), open(self.tree, wanted)?),
        };
        Ok(&self.last.insert(last).1)
    }
}

impl Work<'_> {
    fn remove(&mut self, entry: &Entry) -> Result<()> {
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        // A directory on which something was mounted, or a subvolume inside, is not in the manifest with what it holds.
        if entry.is_directory() { dir.remove_tree(name) } else { dir.remove_file(name) }
    }

    fn make(&mut self, make: Make) -> Result<()> {
        let entry = &self.new.entries()[make.entry];
        let name = as_path(file_name(&entry.path));
        if make.replaces {
            self.parents.of(&entry.path)?.remove_file(name)?;
        }
        let node = |dir: &Dir, kind: SFlag, number: u64| {
            change("create special file", dir.shown(name), || {
                mknodat(dir, name, kind, Mode::from_bits_truncate(0o600), number)
            })
        };
        match &entry.kind {
            Kind::HardLink(first) => return self.link(first, entry),
            Kind::File { hash, .. } => self.file(make, entry, *hash)?,
            Kind::Directory => self.parents.of(&entry.path)?.make_dir(name, 0o700)?,
            Kind::Symlink(target) => self.parents.of(&entry.path)?.symlink(as_path(target), name)?,
            Kind::CharacterDevice(number) => node(self.parents.of(&entry.path)?, SFlag::S_IFCHR, *number)?,
            Kind::BlockDevice(number) => node(self.parents.of(&entry.path)?, SFlag::S_IFBLK, *number)?,
            Kind::Fifo => node(self.parents.of(&entry.path)?, SFlag::S_IFIFO, 0)?,
            Kind::Socket => node(self.parents.of(&entry.path)?, SFlag::S_IFSOCK, 0)?,
        }
        self.metadata(entry)
    }

    /// Gives a content that has arrived its name.
    fn arrived(&mut self, wanted: &Wanted, plan: &Plan) -> Result<()> {
        signal::check()?;
        let entry = &self.new.entries()[wanted.entry];
        let name = as_path(file_name(&entry.path));
        let make = plan.make.binary_search_by_key(&wanted.entry, |make| make.entry);
        let dir = self.parents.of(&entry.path)?;
        if make.is_ok_and(|place| plan.make[place].replaces) {
            dir.remove_file(name)?;
        }
        self.contents.put(wanted, dir, name)?;
        self.made.insert(wanted.hash, wanted.entry);
        self.metadata(entry)
    }

    /// Makes a name that needs what has arrived under another.
    fn make_last(&mut self, make: Make) -> Result<()> {
        match &self.new.entries()[make.entry].kind {
            Kind::File { hash, .. } if self.made.get(hash) == Some(&make.entry) => Ok(()),
            _ => self.make(make),
        }
    }

    fn link(&mut self, first: &[u8], entry: &Entry) -> Result<()> {
        let from = open(self.into, parent(first))?;
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        change("link", dir.shown(name), || {
            linkat(&from, as_path(file_name(first)), dir, name, AtFlags::empty())
        })
    }

    fn file(&mut self, make: Make, entry: &Entry, hash: Hash) -> Result<()> {
        let name = as_path(file_name(&entry.path));
        let dir = self.parents.of(&entry.path)?;
        let (target, shown) = (dir.create(name, 0o600)?, dir.shown(name));
        let (tree, source) = match (make.same, self.made.get(&hash)) {
            (Some(same), _) => (self.basis.dir, &self.basis.manifest.entries()[same]),
            (None, Some(&made)) => (self.into, &self.new.entries()[made]),
            (None, None) => return Err(Error::refused(format!("no content for {}", shown.display()))),
        };
        let Kind::File { size, .. } = source.kind else {
            return Err(Error::refused(format!("no content for {}", shown.display())));
        };
        let from = tree.file(source.path())?;
        copy_data(&from, &tree.shown(source.path()), &target, &shown, size, &mut self.buffer).map(drop)
    }

    fn metadata(&mut self, entry: &Entry) -> Result<()> {
        let is_link = matches!(entry.kind, Kind::Symlink(_));
        let name = as_path(file_name(&entry.path));
        metadata::apply(self.parents.of(&entry.path)?, name, &entry.metadata, is_link)
    }
}

fn open(tree: &Dir, path: &[u8]) -> Result<Dir> {
    let opened = if path.is_empty() { tree.duplicate() } else { tree.dir(as_path(path)) };
    match if_exists(opened)? {
        Some(dir) => Ok(dir),
        None => Err(Error::refused(format!(
            "{} is not what its manifest says; it was changed while it was worked on",
            tree.shown(as_path(path)).display()
        ))),
    }
}
