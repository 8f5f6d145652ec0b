//! Clones a chroot. The clone can be changed freely.

use std::path::Path;

use baserock::label::{ExistingLabel, Label};
use system::copy::{Copier, LeftOut};
use system::dir::Dir;
use system::error::Result;
use system::observer::Observer;
use system::{btrfs, mount, snapshot};

use crate::hidden::{TREE, may_do_without};
use crate::record::Record;
use crate::staging::Staging;
use crate::store::Store;

/// Makes `new` a clone of `label`. On btrfs it is a snapshot, elsewhere a copy, which shares blocks if the filesystem can.
pub fn clone(store: &Store, label: &ExistingLabel, new: &Label, observer: &dyn Observer) -> Result<()> {
    let chroot = store.get(label)?;
    let held = chroot.hold(store)?;
    let record = Record::read(&chroot.dir)?;
    let staging = Staging::begin(store, new)?;
    fill(store, &held.tree, &staging, observer)?;
    Record::new(format!("clone of {label} ({})", record.source), record.sha256).write(staging.dir())?;
    staging.publish(|| Ok(()))
}

/// Fills the new chroot with what the tree has.
pub(crate) fn fill(store: &Store, tree: &Dir, staging: &Staging<'_>, observer: &dyn Observer) -> Result<()> {
    if btrfs::is_subvolume(tree)? {
        match snapshot::whole(tree, staging.dir(), TREE) {
            Err(error) if may_do_without(&error, store.privilege()) => staging.dir().remove_tree(TREE)?,
            outcome => {
                let mounts = mount::below(tree, Path::new(""))?.iter().map(|path| tree.shown(path)).collect();
                LeftOut { mounts, ..LeftOut::default() }.name(observer);
                return outcome;
            }
        }
    }
    let copy = staging.make_tree()?;
    let mut copier = Copier::new(&copy);
    copier.contents(tree, Path::new(""))?;
    copier.left_out().name(observer);
    Ok(())
}
