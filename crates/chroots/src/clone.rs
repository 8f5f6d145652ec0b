//! Clones a chroot. The clone can be changed freely.

use std::path::Path;

use baserock::label::{ExistingLabel, Label};
use system::btrfs::{self, Access};
use system::copy::Copier;
use system::error::Result;
use system::observer::Observer;

use crate::hidden::TREE;
use crate::record::Record;
use crate::staging::Staging;
use crate::store::Store;

/// Makes `new` a clone of `label`. On btrfs it is a snapshot, elsewhere a copy, which shares blocks if the filesystem can.
pub fn clone(store: &Store, label: &ExistingLabel, new: &Label, observer: &dyn Observer) -> Result<()> {
    let chroot = store.get(label)?;
    let held = chroot.hold(store)?;
    let record = Record::read(&chroot.dir)?;
    let staging = Staging::begin(store, new)?;
    if btrfs::is_subvolume(&held.tree)? {
        btrfs::snapshot(&held.tree, staging.dir(), TREE, Access::Writable)?;
    } else {
        let tree = staging.make_tree()?;
        let mut copier = Copier::new(&tree);
        copier.contents(&held.tree, Path::new(""))?;
        copier.left_out().name(observer);
    }
    Record::new(format!("clone of {label} ({})", record.source), record.sha256).write(staging.dir())?;
    staging.publish()
}
