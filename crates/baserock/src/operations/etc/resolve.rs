//! Resolves open conflicts in `/etc` of a version as somebody chooses, and opens them again.

use system::atomic;
use system::btrfs;
use system::dir::Dir;
use system::error::{Error, Result};
use system::observer::{Observer, Silent};
use system::owners::IdMoves;
use system::undo::{Undo, tidy};

use super::{EtcMerge, NewVersion, merge_with};
use crate::etc::content::Content;
use crate::etc::fingerprint::sum;
use crate::etc::left::named;
use crate::etc::options::Side;
use crate::etc::record::{Conflict, Resolved};
use crate::etc::tree::{Kind, Node, Tree};
use crate::etc::{EtcPath, Options, Record, Take};
use crate::label::ExistingLabel;
use crate::layout::{ETC_BEFORE_RESOLVE, MERGE_RECORD, ORIG, RUN};
use crate::operations::{full, repair};
use crate::rootfs::etc::merge::{self, Durability, put_in_place, read_etc, replace_copy};
use crate::rootfs::etc::reown::Reown;
use crate::rootfs::etc::scan;
use crate::rootfs::etc::staged::Staged;
use crate::volume::Volume;

/// What becomes of the path of a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It gets the file of one side.
    Side(Side),
    /// It stays as it is: somebody has edited it.
    Edited,
    /// It gets another content, if it still has the one of before.
    Content {
        /// The content of before.
        before: Vec<u8>,
        /// The new content.
        after: Vec<u8>,
    },
}

/// The files at the path of a conflict.
#[derive(Clone, Debug)]
pub struct Sides {
    /// What it is now.
    pub now: Vec<u8>,
    /// The file of the user; the change that was kept of it, if the file is gone.
    pub user: Vec<u8>,
    /// The file of the new version.
    pub new: Vec<u8>,
}

/// Resolves the conflict at this path of a version's `/etc`: the path becomes what was chosen, and the files that the merge has put beside it are
/// gone. Those of before are kept in `systems/LABEL/etc.before-resolve`.
///
/// All of `/etc` is replaced in one step. In a version that runs each file is replaced by itself, that at the path first. When this returns, it
/// is so on the disk. A later merge that is done again takes the same side.
pub fn resolve(
    volume: &Volume,
    label: &ExistingLabel,
    path: &EtcPath,
    choice: &Choice,
    observer: &dyn Observer,
) -> Result<()> {
    full::explain(volume, None, attempt(volume, label, path, choice, observer))
}

fn attempt(
    volume: &Volume,
    label: &ExistingLabel,
    path: &EtcPath,
    choice: &Choice,
    observer: &dyn Observer,
) -> Result<()> {
    let survey = volume.survey()?;
    survey.require(volume, label)?;
    // The record of a merge that a crash has interrupted is written by this.
    repair::repair(volume, &survey, observer)?;
    let place = Place::of(volume, label)?;
    let node = place.chosen(volume, label, path, choice)?;
    if place.is_resolved(volume, label, path, node.as_ref())? {
        observer.note(format!("{path} in /etc of {label} is resolved already"));
        return Ok(());
    }
    let conflict = place.open(volume, label, path)?;
    let mut after = place.now.clone();
    let files = place.files(&conflict);
    for file in &files {
        after.remove(file);
    }
    if let Some(node) = &node {
        after.insert(path.clone(), node.clone());
    }
    let mut record = place.record.clone();
    record.resolved.retain(|resolved| resolved.path != *path);
    let kept = if record.resolved.is_empty() { Tree::default() } else { place.kept()? };
    record.resolved.push(Resolved { path: path.clone(), became: node.as_ref().map(sum) });
    if let (Choice::Side(side), true) = (choice, place.is_unedited()) {
        record.choose(path, Some(*side), &place.built, &after);
    }
    place.change(&files, &after, &record, &with(kept, &files, &place.now))?;
    observer.note(format!("{path} in /etc of {label} is resolved"));
    btrfs::commit(volume.top())
}

/// Takes a resolution back: the conflict is open again, with all files as they were.
pub fn open_again(
    volume: &Volume,
    label: &ExistingLabel,
    path: &EtcPath,
    observer: &dyn Observer,
) -> Result<()> {
    full::explain(volume, None, attempt_again(volume, label, path, observer))
}

fn attempt_again(
    volume: &Volume,
    label: &ExistingLabel,
    path: &EtcPath,
    observer: &dyn Observer,
) -> Result<()> {
    let survey = volume.survey()?;
    survey.require(volume, label)?;
    // The record of a merge that a crash has interrupted is written by this.
    repair::repair(volume, &survey, observer)?;
    let place = Place::of(volume, label)?;
    let resolved = place.record.resolved.iter().find(|resolved| resolved.path == *path);
    let conflict = place.record.conflicts.iter().find(|conflict| conflict.path == *path);
    let (Some(resolved), Some(conflict)) = (resolved, conflict) else {
        let paths: Vec<_> = place.record.resolved.iter().map(|resolved| resolved.path.clone()).collect();
        return Err(Error::refused(format!(
            "no conflict at {path} in /etc of {label} was resolved here{}",
            if paths.is_empty() { String::new() } else { format!("; these were: {}", named(&paths)) }
        )));
    };
    let mut kept = place.kept()?;
    if kept.get(&conflict.rej).is_none() {
        return Err(Error::refused(format!("what {path} in /etc of {label} was before is gone")));
    }
    if place.now.get(path).map(sum) != resolved.became {
        return Err(Error::refused(format!(
            "{path} in /etc of {label} was changed after it was resolved; move it away first"
        )));
    }
    let files: Vec<_> = [path].into_iter().chain(&conflict.orig).chain([&conflict.rej]).cloned().collect();
    let mut after = place.now.clone();
    for file in &files {
        after.remove(file);
        if let Some(node) = kept.remove(file) {
            after.insert(file.clone(), node);
        }
    }
    let mut record = place.record.clone();
    record.resolved.retain(|resolved| resolved.path != *path);
    if place.is_unedited() {
        record.choose(path, None, &place.built, &after);
    }
    place.change(&files, &after, &record, &kept)?;
    observer.note(format!("the conflict at {path} in /etc of {label} is open again"));
    btrfs::commit(volume.top())
}

/// The three files at the path of an open conflict, for somebody who edits them.
pub fn sides(volume: &Volume, label: &ExistingLabel, path: &EtcPath) -> Result<Sides> {
    let place = Place::of(volume, label)?;
    let conflict = place.open(volume, label, path)?;
    let text = |node: Option<Node>| match node.as_ref().map(|node| &node.kind) {
        None => Ok(Vec::new()),
        Some(Kind::File(content)) => content.bytes().map(|bytes| bytes.to_vec()),
        Some(kind) => Err(Error::refused(format!("{path} is a {}, which cannot be edited", kind.name()))),
    };
    let user = match place.users(volume, label, path) {
        Ok(user) => text(user)?,
        Err(error @ Error::Interrupted(_)) => return Err(error),
        Err(_) => text(place.now.get(&conflict.rej).cloned())?,
    };
    Ok(Sides { now: text(place.now.get(path).cloned())?, user, new: text(place.built.get(path).cloned())? })
}

/// A version with its `/etc`.
struct Place {
    version: Dir,
    orig: Option<Dir>,
    run: Dir,
    /// Whether processes use it.
    is_used: bool,
    /// The record of the last merge.
    record: Record,
    /// `/etc` of the new version as built, whose owners have the machine's numbers.
    built: Tree,
    now: Tree,
}

impl Place {
    fn of(volume: &Volume, label: &ExistingLabel) -> Result<Self> {
        let version = volume.version_dir(label)?;
        let record = volume.merge_record(label)?.unwrap_or_default();
        let (orig, run) = (version.dir_if_exists(ORIG)?, version.dir(RUN)?);
        let mut built = orig.as_ref().map(read_etc).transpose()?.unwrap_or_default();
        built.apply_moves(&record.moves);
        let is_used = volume.running() == Some(label) || volume.refuse_live(label).is_err();
        Ok(Place { now: read_etc(&run)?, version, orig, run, is_used, record, built })
    }

    /// The open conflict at this path.
    fn open(&self, volume: &Volume, label: &ExistingLabel, path: &EtcPath) -> Result<Conflict> {
        let open = volume.open_conflicts(label)?;
        let found = self.record.conflicts.iter().find(|conflict| conflict.path == *path);
        found.filter(|_| open.contains(path)).cloned().ok_or_else(|| {
            let others = if open.is_empty() { "there is none".to_owned() } else { named(&open) };
            Error::refused(format!("no conflict is open at {path} in /etc of {label}; open: {others}"))
        })
    }

    /// Whether nobody has edited `/etc` since it was merged.
    fn is_unedited(&self) -> bool {
        !self.record.result_changed(&self.now)
    }

    /// The paths that a resolution changes.
    fn files(&self, conflict: &Conflict) -> Vec<EtcPath> {
        let Conflict { path, orig, rej } = conflict;
        let orig = orig.iter().filter(|orig| self.record.made(orig, self.now.get(orig)));
        [path].into_iter().chain(orig).chain([rej]).cloned().collect()
    }

    /// Whether the conflict at this path was resolved, and the path became this.
    fn is_resolved(
        &self,
        volume: &Volume,
        label: &ExistingLabel,
        path: &EtcPath,
        node: Option<&Node>,
    ) -> Result<bool> {
        let known = self.record.resolved.iter().find(|resolved| resolved.path == *path);
        let became = self.now.get(path).map(sum);
        Ok(known.is_some_and(|known| known.became == became && became == node.map(sum))
            && !volume.open_conflicts(label)?.contains(path))
    }

    /// What the path is to be.
    fn chosen(
        &self,
        volume: &Volume,
        label: &ExistingLabel,
        path: &EtcPath,
        choice: &Choice,
    ) -> Result<Option<Node>> {
        let now = self.now.get(path);
        let node = match choice {
            Choice::Edited => now.cloned(),
            Choice::Side(Side::New) => self.built.get(path).cloned(),
            Choice::Side(Side::User) => self.users(volume, label, path)?,
            Choice::Content { before, after } => {
                let is_as_before = now.and_then(Node::content).map(Content::bytes).transpose()?;
                match now {
                    Some(now) if is_as_before.as_deref() == Some(&before[..]) => {
                        Some(Node { kind: Kind::File(after[..].into()), ..now.clone() })
                    }
                    _ => {
                        return Err(Error::refused(format!(
                            "{path} in /etc of {label} was changed meanwhile"
                        )));
                    }
                }
            }
        };
        if node.iter().chain(now).any(Node::is_dir) {
            return Err(Error::refused(format!(
                "{path} in /etc of {label} is a directory on one side; bring it into order by hand, and take what was edited"
            )));
        }
        Ok(node)
    }

    /// The user's file, as a merge takes it that takes the user's side.
    fn users(&self, volume: &Volume, label: &ExistingLabel, path: &EtcPath) -> Result<Option<Node>> {
        let gone = |why: String| {
            Error::refused(format!(
                "the whole file of the user at {path} is not there: {why}; edit {path} instead"
            ))
        };
        let is_carried = self.record.steps.iter().any(|step| step.path == *path && step.is_open);
        if is_carried {
            return Err(gone("the conflict comes from an earlier merge".to_owned()));
        }
        let old = ExistingLabel::of_file(self.record.old.as_ref())
            .filter(|old| volume.is_merged_from(label, &self.record, old).unwrap_or(false))
            .ok_or_else(|| gone(format!("{} is gone, from which it was merged", self.record.old)))?;
        let take = vec![Take { path: path.clone(), side: Side::User }];
        let how = EtcMerge {
            options: Options { take, ..Options::default() },
            dry_run: true,
            again: true,
            ..EtcMerge::default()
        };
        let merged = merge_with(volume, &old, label, &how, NewVersion::Unedited, &Silent)?;
        Ok(merged.planned.and_then(|planned| planned.now.get(path).cloned()))
    }

    /// What was in the place of what was resolved.
    fn kept(&self) -> Result<Tree> {
        self.version.dir_if_exists(ETC_BEFORE_RESOLVE)?.map_or_else(|| Ok(Tree::default()), scan::read)
    }

    /// Keeps `kept`, puts these files of `after` in their places, and writes the record. A failure takes everything back.
    fn change(&self, files: &[EtcPath], after: &Tree, record: &Record, kept: &Tree) -> Result<()> {
        let version = &self.version;
        let before = self.kept()?;
        let mut undo = Undo::new();
        undo.push("keep what was kept before", move || keep(&before, version));
        keep(kept, version)?;
        match &self.orig {
            Some(orig) if !self.is_used => self.exchange_all(orig, after, record)?,
            _ => self.exchange_each(files, after, record)?,
        }
        undo.commit();
        Ok(())
    }

    fn exchange_all(&self, orig: &Dir, after: &Tree, record: &Record) -> Result<()> {
        let staged = Staged::write(after, &self.run)?;
        staged.sync()?;
        let durability = Durability::BeforeTheExchange;
        let place = merge::Place { version: &self.version, orig, run: &self.run, shared: &[], durability };
        let none = IdMoves::default();
        let reown = Reown { moves: &none, earlier: &none, owned: Some(&[]), is_shared: false };
        put_in_place(&staged, reown, place, record).map(drop)
    }

    fn exchange_each(&self, files: &[EtcPath], after: &Tree, record: &Record) -> Result<()> {
        let staged = Staged::write(&with(Tree::default(), files, after), &self.run)?;
        staged.sync()?;
        let mut back = Undo::new();
        for file in files {
            staged.exchange_one(file)?;
            back.push(format!("put {file} back"), || staged.exchange_one(file));
        }
        atomic::write(&self.version, MERGE_RECORD, 0o600, &record.to_json())?;
        back.commit();
        Ok(())
    }
}

/// Writes what is kept; without any file in it, nothing is.
fn keep(kept: &Tree, version: &Dir) -> Result<()> {
    if kept.iter().all(|(_, node)| node.is_dir()) {
        tidy(version.remove_tree(ETC_BEFORE_RESOLVE));
        return Ok(());
    }
    replace_copy(kept, version, ETC_BEFORE_RESOLVE)
}

/// The tree with these files of another, and their folders.
fn with(mut tree: Tree, files: &[EtcPath], from: &Tree) -> Tree {
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
