//! Removes the unfinished work of killed processes. Every operation begins with this. It is safe under the volume's lock, because no other
//! process works on it then.

use system::atomic::temporary_name;
use system::dir::Dir;
use system::error::Result;

use super::{incoming, marker, state};
use crate::label::ExistingLabel;
use crate::layout::{
    BOOT_RECORD, CAME_UP, DEFAULT, ETC_BEFORE_RESOLVE, ETC_BEFORE_SYNC, HISTORY, MANIFEST, MENU, MENU_DIR,
    MERGE_RECORD, MERGED_FROM, MERGING, ORIGIN, PRIVATE, REMARKS, RENAMING, REPOSITORIES, RUN, SIGNED, STATE,
    SYSTEMS, TRIAL, TRIAL_MENU,
};
use crate::rootfs::etc::merge::BEFORE_MERGE;
use crate::rootfs::etc::{pending, staged::ETC};
use crate::volume::Volume;

/// The names in a complete version's directory that operations replace.
const REPLACED: [&str; 12] = [
    BOOT_RECORD,
    MANIFEST,
    MERGE_RECORD,
    MERGING,
    ETC_BEFORE_RESOLVE,
    ETC_BEFORE_SYNC,
    BEFORE_MERGE,
    TRIAL,
    CAME_UP,
    ORIGIN,
    REMARKS,
    SIGNED,
];
/// Those in the tools' own directory.
const OWN: [&str; 4] = [TRIAL, RENAMING, HISTORY, REPOSITORIES];
/// Those in the directory of the menu.
const MENUS: [&str; 2] = [MENU, TRIAL_MENU];

/// Finishes or removes all unfinished work in complete versions, the shared state and the menu. In incomplete versions the marker covers it.
pub fn sweep(volume: &Volume, complete: &[ExistingLabel]) -> Result<()> {
    for label in complete {
        version(&volume.version_dir(label)?)?;
    }
    let (top, boot) = (volume.top(), volume.boot().dir());
    top.dir(SYSTEMS)?.remove_tree(temporary_name(DEFAULT))?;
    boot.remove_tree(temporary_name(MENU))?;
    if let Some(menus) = boot.dir_if_exists(MENU_DIR)? {
        remove_temporaries(&menus, &MENUS)?;
    }
    if let Some(private) = top.dir_if_exists(PRIVATE)? {
        remove_temporaries(&private, &OWN)?;
        snapshots(&private)?;
        // After a power cut there may be a folder of a version that has become complete.
        let mut deleted = Vec::new();
        for label in complete {
            incoming::discard(volume, label.as_str(), &mut deleted)?;
        }
    }
    match top.dir_if_exists(STATE)? {
        Some(state) => state::sweep(&state),
        None => Ok(()),
    }
}

fn version(dir: &Dir) -> Result<()> {
    pending::settle(dir)?;
    marker::discard_thawed(dir)?;
    remove_temporaries(dir, &REPLACED)?;
    dir.dir(RUN)?.remove_tree(temporary_name(ETC))
}

fn remove_temporaries(dir: &Dir, replaced: &[&str]) -> Result<()> {
    replaced.iter().try_for_each(|name| dir.remove_tree(temporary_name(name)))
}

fn snapshots(private: &Dir) -> Result<()> {
    for entry in private.entries()? {
        if entry.name.to_string_lossy().starts_with(MERGED_FROM) {
            private.remove_tree(&entry.name)?;
        }
    }
    Ok(())
}
