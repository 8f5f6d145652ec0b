//! Adds a version to a disk that has versions already. It shares all data with the default version that both have.

use std::path::Path;

use baserock::extension::Environment;
use baserock::label::Label;
use baserock::layout::{self, INCOMING, ORIG, PRIVATE};
use baserock::operations::deploy::{self, Deploy};
use baserock::operations::etc::EtcMerge;
use baserock::operations::{self, Remove, SetDefault, full, incoming, loader_limits, manifest};
use baserock::volume::{Location, Opening, Purpose, Volume};
use delta::plan::Plan;
use delta::scan::{ReadAll, scan};
use delta::{Manifest, Tree, update};
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::{Error, Result};
use system::lock::Patience;
use system::observer::Observer;
use system::undo::Undo;

use crate::options::Options;
use crate::tree;

/// In the incoming folder: the tree that is being put together.
const WORK: &str = "tree";
/// Bytes that must stay free: for menus, for the next merge of `/etc`, for the cleaner.
const RESERVE: u64 = 64 << 20;

/// Adds `tree` to the disk at `location` as version `label`, and makes it the default.
pub fn upgrade(
    tree: &Path,
    location: &Path,
    label: &Label,
    options: &Options,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<()> {
    let tree = tree::open(tree)?;
    let volume = open(location, Purpose::Change)?;
    deploy::check_tree(&tree, environment, volume.boot().menu()?.is_some())?;
    let default = refuse_unfit(&volume, label)?;
    if volume.top().has(layout::version(label))? {
        observer.note(format!("version {label} was begun and not completed: it is made anew"));
        remove(&volume, label, observer)?;
    }
    let mut undo = Undo::new();
    undo.push(format!("remove version {label}"), || remove(&volume, label, observer));
    let owned = Some(full::explain(&volume, put(&volume, &tree, label, &default, observer))?.owned());
    let etc = options.merge_etc.then(|| EtcMerge::from_environment(environment)).transpose()?;
    let etc = etc.map(|etc| EtcMerge { owned, ..etc });
    let deploy = Deploy { label: label.clone(), environment: environment.clone(), etc: etc.clone() };
    operations::deploy(&volume, &deploy, observer)?;
    operations::set_default(&volume, &SetDefault { label: label.clone(), etc }, observer)?;
    undo.commit();
    observer.phase(format!("writing everything to {}", location.display()));
    volume.close()
}

/// Removes the version if it exists and is not the default yet.
fn remove(volume: &Volume, label: &Label, observer: &dyn Observer) -> Result<()> {
    if !volume.top().has(layout::version(label))? || volume.default()?.as_ref() == Some(label) {
        return Ok(());
    }
    operations::remove(volume, &Remove { label: label.clone(), force: true }, observer)
}

/// Whether the version comes from an upgrade or a push that did not complete it.
fn is_begun(volume: &Volume, label: &Label) -> Result<bool> {
    if volume.complete()?.contains(label) {
        return Ok(false);
    }
    let version = volume.version_dir(label)?;
    let orig = version.dir_if_exists(ORIG)?;
    Ok(orig.map(|orig| manifest::load(&version, &orig)).transpose()?.flatten().is_some())
}

/// Fails if the disk cannot take this version. Changes nothing.
pub fn check(location: &Path, label: &Label) -> Result<()> {
    let volume = open(location, Purpose::Look)?;
    refuse_unfit(&volume, label).map(drop)
}

fn open(location: &Path, purpose: Purpose) -> Result<Volume> {
    Volume::open(&Opening {
        location: Location::Path(location.to_owned()),
        purpose,
        patience: Patience::Refuse,
    })
}

/// Fails if the disk cannot take this version. Returns the default version, from which the new one starts.
fn refuse_unfit(volume: &Volume, label: &Label) -> Result<Label> {
    btrfs::require(volume.top())?;
    if volume.top().has(layout::version(label))? && !is_begun(volume, label)? {
        return Err(Error::refused(format!(
            "version {label} exists on {}; choose another VERSION_LABEL, or remove it first \
             (system-version-manager --volume {} remove {label})",
            volume.name().display(),
            volume.name().display()
        )));
    }
    if let Some(limit) = loader_limits::exceeded(volume)?.into_iter().next() {
        return Err(Error::refused(limit));
    }
    volume
        .default()?
        .filter(|default| volume.complete().is_ok_and(|complete| complete.contains(default)))
        .ok_or_else(|| {
            Error::refused(format!(
                "{} has no complete default version to start from",
                volume.name().display()
            ))
        })
}

/// Makes `systems/LABEL/orig` from a snapshot of the default version's, to which only differences are written. Returns its manifest.
fn put(
    volume: &Volume,
    tree: &Dir,
    label: &Label,
    default: &Label,
    observer: &dyn Observer,
) -> Result<Manifest> {
    let version = volume.version_dir(default)?;
    let basis = version.dir(ORIG)?;
    observer.phase(format!("comparing {} with {default}", tree.shown("").display()));
    let old = match manifest::load(&version, &basis)? {
        Some(manifest) => manifest,
        None => read(&basis, observer)?,
    };
    let new = read(tree, observer)?;
    let plan = Plan::new(&old, &new);
    refuse_full(volume, label, &plan)?;

    // An earlier upgrade or push may have left this folder.
    let discard = || incoming::discard(volume, label.as_str(), &mut Vec::new());
    discard()?;
    let folders = volume.top().ensure_dir(PRIVATE, 0o700)?.ensure_dir(INCOMING, 0o700)?;
    let mut cleared = Undo::new();
    cleared.push(format!("remove {}", folders.shown(label).display()), discard);
    let folder = folders.ensure_dir(label, 0o700)?;
    observer.phase(format!("writing what differs to /systems/{label}/{ORIG}"));
    btrfs::snapshot(&basis, &folder, WORK, Access::Writable)?;
    fill(&folder, (tree, &new), (&basis, &old), &plan, observer)?;
    incoming::publish(volume, &folder, WORK, label, &new)?;
    Ok(new)
}

/// Makes the snapshot identical to the tree.
fn fill(
    folder: &Dir,
    (tree, new): (&Dir, &Manifest),
    (basis, old): (&Dir, &Manifest),
    plan: &Plan,
    observer: &dyn Observer,
) -> Result<()> {
    let report = |bytes: u64| observer.progress(bytes, Some(plan.wanted_bytes()));
    let from = Tree { dir: tree, manifest: new };
    let done = update(from, Tree { dir: basis, manifest: old }, &folder.dir(WORK)?, &report)?;
    observer.note(format!(
        "{} names added, {} changed, {} removed; {} KiB written, {} KiB of changed files stay shared",
        done.names.added,
        done.names.changed,
        done.names.removed,
        done.contents.written >> 10,
        done.contents.shared >> 10
    ));
    Ok(())
}

fn read(tree: &Dir, observer: &dyn Observer) -> Result<Manifest> {
    scan(tree, &mut ReadAll, &|bytes| {
        observer.progress(bytes, None);
        Ok(())
    })
}

/// Fails if there is no room, before anything is written.
fn refuse_full(volume: &Volume, label: &Label, plan: &Plan) -> Result<()> {
    let (needed, space) = (plan.wanted_bytes().saturating_add(RESERVE), btrfs::space(volume.top())?);
    if needed <= space.available {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(Error::refused(format!(
        "version {label} needs {} MiB, and {} has {} MiB free; remove a version \
         (system-version-manager --volume {} remove LABEL), or make a larger disk",
        megabytes(needed),
        volume.name().display(),
        megabytes(space.available),
        volume.name().display()
    )))
}
