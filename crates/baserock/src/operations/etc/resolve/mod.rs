//! Resolves open conflicts in `/etc` of a version as somebody chooses, and opens them again.

mod place;

use system::btrfs;
use system::error::{Error, Result};
use system::observer::Observer;

use self::place::{Change, Place, Source, with};
use crate::etc::EtcPath;
use crate::etc::content::Content;
use crate::etc::fingerprint::sum;
use crate::etc::left::named;
use crate::etc::options::Side;
use crate::etc::record::{Conflict, Resolved};
use crate::etc::tree::{Kind, Node, Tree};
use crate::label::ExistingLabel;
use crate::operations::{full, repair};
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
    change(volume, label, observer, |place| {
        let node = chosen(place, volume, path, choice)?;
        let is_open = volume.open_conflicts(label)?.contains(path);
        let became = place.resolved(path).map(|resolved| &resolved.became);
        let is_chosen = [node.as_ref(), place.now.get(path)].map(|node| Some(&node.map(sum)) == became);
        if !is_open && is_chosen == [true; 2] {
            return Ok((None, format!("{path} in /etc of {label} is resolved already")));
        }
        let resolution = resolution(place, &place.open(volume, path)?, node, choice)?;
        Ok((Some(resolution), format!("{path} in /etc of {label} is resolved")))
    })
}

/// Takes a resolution back: the conflict is open again, with all files as they were.
pub fn open_again(
    volume: &Volume,
    label: &ExistingLabel,
    path: &EtcPath,
    observer: &dyn Observer,
) -> Result<()> {
    change(volume, label, observer, |place| {
        Ok((
            Some(reopening(place, path)?),
            format!("the conflict at {path} in /etc of {label} is open again"),
        ))
    })
}

/// Makes the change that is planned for the version, if there is one, and says the words.
fn change(
    volume: &Volume,
    label: &ExistingLabel,
    observer: &dyn Observer,
    plan: impl FnOnce(&Place) -> Result<(Option<Change>, String)>,
) -> Result<()> {
    let attempt = || {
        let survey = volume.survey()?;
        survey.require(volume, label)?;
        // This writes the record of a merge that a crash has interrupted.
        repair::repair(volume, &survey, observer)?;
        let place = Place::of(volume, label)?;
        let (change, words) = plan(&place)?;
        if let Some(change) = change {
            place.put(&change)?;
            btrfs::commit(volume.top())?;
        }
        observer.note(words);
        Ok(())
    };
    full::explain(volume, None, attempt())
}

fn resolution(place: &Place, conflict: &Conflict, node: Option<Node>, choice: &Choice) -> Result<Change> {
    let Conflict { path, orig, rej } = conflict;
    let unedited = orig.iter().filter(|orig| place.record.made(orig, place.now.get(orig)));
    let files: Vec<_> = [path].into_iter().chain(unedited).chain([rej]).cloned().collect();
    let mut record = place.record.clone();
    record.resolved.retain(|resolved| resolved.path != *path);
    // Without a resolution, what is kept comes from an earlier merge.
    let mut kept = if record.resolved.is_empty() { Tree::default() } else { place.kept()? };
    record.resolved.push(Resolved { path: path.clone(), became: node.as_ref().map(sum) });
    for file in orig.iter().chain([path, rej]) {
        kept.remove(file);
    }
    let mut after = place.now.clone();
    for file in &files {
        after.remove(file);
    }
    if let Some(node) = node {
        after.insert(path.clone(), node);
    }
    if let (Choice::Side(side), true) = (choice, place.is_unedited()) {
        record.choose(path, Some(*side), &place.built, &after);
    }
    Ok(Change { kept: Some(with(kept, &files, &place.now)), files, after, record })
}

fn reopening(place: &Place, path: &EtcPath) -> Result<Change> {
    let label = &place.label;
    let conflict = place.record.conflicts.iter().find(|conflict| conflict.path == *path);
    let (Some(resolved), Some(Conflict { orig, rej, .. })) = (place.resolved(path), conflict) else {
        let others: Vec<_> = place.record.resolved.iter().map(|resolved| resolved.path.clone()).collect();
        let others =
            if others.is_empty() { String::new() } else { format!("; these were: {}", named(&others)) };
        return Err(Error::refused(format!(
            "no conflict at {path} in /etc of {label} was resolved since its last merge{others}"
        )));
    };
    let kept = place.kept()?;
    if kept.get(rej).is_none() {
        return Err(Error::refused(format!(
            "what {path} in /etc of {label} was before it was resolved is not kept any more"
        )));
    }
    if place.now.get(path).map(sum) != resolved.became {
        return Err(Error::refused(format!(
            "{path} in /etc of {label} was changed after it was resolved; save it elsewhere, and put back what was taken"
        )));
    }
    let beside = orig.iter().chain([rej]).filter(|file| kept.get(file).is_some());
    let files: Vec<_> = [path].into_iter().chain(beside).cloned().collect();
    if let Some(file) = files.iter().skip(1).find(|file| place.now.get(file).is_some()) {
        return Err(Error::refused(format!("{file} is there again in /etc of {label}; move it away first")));
    }
    let mut after = place.now.clone();
    for file in &files {
        after.remove(file);
        if let Some(node) = kept.get(file) {
            after.insert(file.clone(), node.clone());
        }
    }
    let mut record = place.record.clone();
    record.resolved.retain(|resolved| resolved.path != *path);
    if place.is_unedited() {
        record.choose(path, None, &place.built, &after);
    }
    Ok(Change { files, after, record, kept: None })
}

/// What the path is to be.
fn chosen(place: &Place, volume: &Volume, path: &EtcPath, choice: &Choice) -> Result<Option<Node>> {
    let (now, label) = (place.now.get(path), &place.label);
    let node = match choice {
        Choice::Edited => now.cloned(),
        Choice::Side(Side::New) => place.built.get(path).cloned(),
        Choice::Side(Side::User) => match place.source(volume, path)? {
            Source::There(old) => place.users(volume, &old, path)?,
            Source::Gone(why) => {
                return Err(Error::refused(format!(
                    "the whole file of the user at {path} in /etc of {label} cannot be taken: {why}; edit {path} instead"
                )));
            }
        },
        Choice::Content { before, after } => {
            let is_now = now.and_then(Node::content).map(Content::bytes).transpose()?;
            let now = now.filter(|_| is_now.as_deref() == Some(&before[..])).ok_or_else(|| {
                Error::refused(format!("{path} in /etc of {label} was changed meanwhile; begin again"))
            })?;
            Some(Node { kind: Kind::File(after[..].into()), ..now.clone() })
        }
    };
    if node.iter().chain(now).any(Node::is_dir) {
        return Err(Error::refused(format!(
            "{path} in /etc of {label} is a directory on one side; bring it into order by hand, and take what was edited"
        )));
    }
    Ok(node)
}

/// The three files at the path of an open conflict, for somebody who edits them.
pub fn sides(volume: &Volume, label: &ExistingLabel, path: &EtcPath) -> Result<Sides> {
    let place = Place::of(volume, label)?;
    let conflict = place.open(volume, path)?;
    let text = |node: Option<&Node>| match node.map(|node| &node.kind) {
        None => Ok(Vec::new()),
        Some(Kind::File(content)) => content.bytes().map(|bytes| bytes.to_vec()),
        Some(kind) => Err(Error::refused(format!(
            "{path} in /etc of {label} is a {} on one side, which cannot be edited; take a side",
            kind.name()
        ))),
    };
    let user = match place.source(volume, path)? {
        Source::There(old) => text(place.users(volume, &old, path)?.as_ref())?,
        Source::Gone(_) => text(place.now.get(&conflict.rej))?,
    };
    Ok(Sides { now: text(place.now.get(path))?, user, new: text(place.built.get(path))? })
}
