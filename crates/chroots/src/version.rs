//! Adds a chroot from a version of the system.

use std::path::Path;

use baserock::label::{ExistingLabel, Label};
use baserock::volume::{Layer, Layers, Volume};
use system::atomic;
use system::copy::Copier;
use system::dir::Dir;
use system::error::Result;
use system::observer::Observer;

use crate::add::{finish, no_space, require_shell};
use crate::record::Record;
use crate::staging::Staging;
use crate::store::Store;

/// Adds a chroot that is a copy of a version as it is now. The shared directories, such as `/var`, are as they were built, and fstab mounts
/// nothing of the volume. Returns whether it became the default.
///
/// When this returns, it is complete and on the disk. If this fails, nothing of it is left.
pub fn add_version(
    store: &Store,
    label: &Label,
    volume: &Volume,
    version: &ExistingLabel,
    observer: &dyn Observer,
) -> Result<bool> {
    let Layers { layers, unneeded, fstab } = volume.layers(version)?;
    let staging = Staging::begin(store, label)?;
    let tree = staging.make_tree()?;
    observer.phase(format!("copying version {version}"));
    for layer in &layers {
        copy(&tree, layer, observer).map_err(|error| no_space(error, store))?;
    }
    for place in &unneeded {
        tree.remove_tree(place)?;
    }
    if let Some(fstab) = fstab {
        atomic::rewrite(&tree.dir("etc")?, "fstab", 0o644, &fstab)?;
    }
    let source = format!("version {version} of {}", volume.name().display());
    require_shell(&tree, &source)?;
    finish(store, staging, label, &Record::new(source, None), observer)
}

fn copy(tree: &Dir, Layer { dir, place }: &Layer, observer: &dyn Observer) -> Result<()> {
    if *place != Path::new("") {
        tree.remove_tree(place)?;
        tree.make_dir(place, 0o755)?;
    }
    let report = |bytes| observer.progress(bytes, None);
    let mut copier = Copier::new(tree).progress(&report);
    copier.contents(dir, place)?;
    copier.left_out().name(observer);
    Ok(())
}
