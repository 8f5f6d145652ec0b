//! A version with its `/etc`, in which a conflict is resolved.

use system::atomic;
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::Silent;
use system::owners::IdMoves;
use system::undo::{Undo, tidy};

use crate::etc::left::named;
use crate::etc::options::Side;
use crate::etc::record::{Conflict, Resolved};
use crate::etc::tree::{Kind, Node, Tree};
use crate::etc::{EtcPath, Options, Record, Take};
use crate::label::ExistingLabel;
use crate::layout::{ETC_BEFORE_RESOLVE, MERGE_RECORD, ORIG, RUN};
use crate::operations::etc::{EtcMerge, NewVersion, merge_with};
use crate::rootfs::etc::merge::{self, Durability, put_in_place, read_etc, replace_copy};
use crate::rootfs::etc::reown::Reown;
use crate::rootfs::etc::scan;
use crate::rootfs::etc::staged::Staged;
use crate::volume::Volume;

/// The version.
pub struct Place {
    /// Its label.
    pub label: ExistingLabel,
    version: Dir,
    orig: Option<Dir>,
    run: Dir,
    /// Whether processes use it.
    is_used: bool,
    /// The record of the last merge.
    pub record: Record,
    /// `/etc` as built, whose owners have the machine's numbers.
    pub built: Tree,
    /// `/etc` now.
    pub now: Tree,
}

/// A change of `/etc`.
pub struct Change {
    /// The paths that change.
    pub files: Vec<EtcPath>,
    /// `/etc` afterwards.
    pub after: Tree,
    /// The record afterwards.
    pub record: Record,
    /// What is kept of before, if it becomes more.
    pub kept: Option<Tree>,
}

/// The version from which was merged.
pub enum Source {
    /// It is there, and has the user's file.
    There(ExistingLabel),
    /// It does not have it any more, for this reason.
    Gone(String),
}

impl Place {
    /// Reads it.
    pub fn of(volume: &Volume, label: &ExistingLabel) -> Result<Self> {
        let version = volume.version_dir(label)?;
        let record = volume.merge_record(label)?.unwrap_or_default();
        let (orig, run) = (version.dir_if_exists(ORIG)?, version.dir(RUN)?);
        let mut built = orig.as_ref().map(read_etc).transpose()?.unwrap_or_default();
        built.apply_moves(&record.moves);
        let is_used = volume.running() == Some(label)
            || match volume.refuse_live(label) {
                Ok(()) => false,
                Err(Error::Refused(_)) => true,
                Err(error) => return Err(error),
            };
        Ok(Place { label: label.clone(), now: read_etc(&run)?, version, orig, run, is_used, record, built })
    }

    /// The open conflict at this path.
    pub fn open(&self, volume: &Volume, path: &EtcPath) -> Result<Conflict> {
        let open = volume.open_conflicts(&self.label)?;
        let found = self.record.conflicts.iter().find(|conflict| conflict.path == *path);
        found.filter(|_| open.contains(path)).cloned().ok_or_else(|| {
            let others = if open.is_empty() { "there is none".to_owned() } else { named(&open) };
            let label = &self.label;
            Error::refused(format!("no conflict is open at {path} in /etc of {label}; open: {others}"))
        })
    }

    /// How its conflict was resolved, if it was.
    pub fn resolved(&self, path: &EtcPath) -> Option<&Resolved> {
        self.record.resolved.iter().find(|resolved| resolved.path == *path)
    }

    /// Whether nobody has edited `/etc` since it was merged.
    pub fn is_unedited(&self) -> bool {
        !self.record.result_changed(&self.now)
    }

    /// Where the user's file at this path is.
    pub fn source(&self, volume: &Volume, path: &EtcPath) -> Result<Source> {
        if self.record.steps.iter().any(|step| step.path == *path && step.is_open) {
            return Ok(Source::Gone("the conflict comes from an earlier merge".to_owned()));
        }
        if let Some(old) = ExistingLabel::of_file(self.record.old.as_ref())
            && volume.survey()?.complete.contains(&old)
            && volume.is_merged_from(&self.label, &self.record, &old)?
        {
            return Ok(Source::There(old));
        }
        Ok(Source::Gone(format!("{} is gone, from which it was merged", self.record.old)))
    }

    /// The user's file, as a merge takes it that takes the user's side.
    pub fn users(&self, volume: &Volume, old: &ExistingLabel, path: &EtcPath) -> Result<Option<Node>> {
        let take = vec![Take { path: path.clone(), side: Side::User }];
        let how = EtcMerge {
            options: Options { take, ..Options::default() },
            dry_run: true,
            again: true,
            ..EtcMerge::default()
        };
        let merged = merge_with(volume, old, &self.label, &how, NewVersion::Unedited, &Silent)?;
        Ok(merged.planned.and_then(|planned| planned.now.get(path).cloned()))
    }

    /// What was in the place of what was resolved.
    pub fn kept(&self) -> Result<Tree> {
        self.version.dir_if_exists(ETC_BEFORE_RESOLVE)?.map_or_else(|| Ok(Tree::default()), scan::read)
    }

    /// Makes the change. A failure takes everything back.
    pub fn put(&self, change: &Change) -> Result<()> {
        let version = &self.version;
        let before = self.kept()?;
        let mut undo = Undo::new();
        if let Some(kept) = &change.kept {
            undo.push("keep what was kept before", move || keep(&before, version));
            keep(kept, version)?;
        }
        match &self.orig {
            Some(orig) if !self.is_used => self.exchange_all(orig, change)?,
            _ => self.exchange_each(change)?,
        }
        undo.commit();
        if change.record.resolved.is_empty() {
            tidy(version.remove_tree(ETC_BEFORE_RESOLVE));
        }
        Ok(())
    }

    fn exchange_all(&self, orig: &Dir, change: &Change) -> Result<()> {
        let staged = Staged::write(&change.after, &self.run)?;
        staged.sync()?;
        let durability = Durability::BeforeTheExchange;
        let place = merge::Place { version: &self.version, orig, run: &self.run, shared: &[], durability };
        let none = IdMoves::default();
        let reown = Reown { moves: &none, earlier: &none, owned: Some(&[]), is_shared: false };
        put_in_place(&staged, reown, place, &change.record).map(drop)
    }

    fn exchange_each(&self, change: &Change) -> Result<()> {
        let staged = Staged::write(&with(Tree::default(), &change.files, &change.after), &self.run)?;
        staged.sync()?;
        let mut back = Undo::new();
        for file in &change.files {
            staged.exchange_one(file)?;
            back.push(format!("put {file} back"), || staged.exchange_one(file));
        }
        atomic::write(&self.version, MERGE_RECORD, 0o600, &change.record.to_json())?;
        back.commit();
        Ok(())
    }
}

/// Writes what is kept; without any file in it, nothing is.
fn keep(kept: &Tree, version: &Dir) -> Result<()> {
    if kept.iter().all(|(_, node)| node.is_dir()) {
        return version.remove_tree(ETC_BEFORE_RESOLVE);
    }
    replace_copy(kept, version, ETC_BEFORE_RESOLVE)
}

/// The tree with these files of another, and their folders.
pub fn with(mut tree: Tree, files: &[EtcPath], from: &Tree) -> Tree {
    for file in files {
        let mut folder = file.parent();
        while let Some(path) = folder.filter(|path| !path.is_root()) {
            folder = path.parent();
            tree.insert(path, Node::new(Kind::Dir, 0o700));
        }
        if let Some(node) = from.get(file) {
            tree.insert(file.clone(), node.clone());
        }
    }
    tree
}
