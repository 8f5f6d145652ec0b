//! Lists the chroots of a store.

use std::collections::HashSet;
use std::path::PathBuf;

use baserock::json::Format;
use baserock::label::ExistingLabel;
use serde::Serialize;
use system::dir::Dir;
use system::error::Result;
use system::namespace::become_root;
use system::observer::Observer;
use system::signal;

use crate::hidden;
use crate::inside::{Inside, inside};
use crate::record::Record;
use crate::store::{Store, location};

/// A chroot in a list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its label.
    pub label: ExistingLabel,
    /// Whether it is the default.
    pub default: bool,
    /// The processes inside.
    pub in_use_by: Vec<Inside>,
    /// Bytes that its files take. Blocks that are shared with other chroots are counted too.
    pub size: u64,
    /// Its record.
    #[serde(flatten)]
    pub record: Record,
}

impl Format for Listed {}

/// All chroots of the store, by label. Names those of which a killed process has left a part, and links that stand in the place of one.
pub fn list(store: &Store, observer: &dyn Observer) -> Result<Vec<Listed>> {
    for left in hidden::left_over(store.dir())? {
        observer.note(format!("{left}; the next change of the store clears it away"));
    }
    for link in store.links()? {
        observer.note(link.to_string());
    }
    let default = store.default()?;
    let listed = store.chroots()?.into_iter().map(|chroot| {
        let tree = chroot.tree()?;
        Ok(Listed {
            default: default.as_ref() == Some(&chroot.label),
            in_use_by: inside(&tree)?,
            size: size(&tree, &mut HashSet::new())?,
            record: Record::read(&chroot.dir)?,
            label: chroot.label,
        })
    });
    listed.collect()
}

/// The labels of the store at `named`, or else of the user's own, as text. There are none if there is no store.
pub fn labels(named: Option<PathBuf>) -> Result<Vec<String>> {
    let store = Store::existing(&location(named)?, become_root()?)?;
    let chroots = store.map_or(Ok(Vec::new()), |store| store.chroots())?;
    Ok(chroots.into_iter().map(|chroot| chroot.label.to_string()).collect())
}

fn size(dir: &Dir, seen: &mut HashSet<u64>) -> Result<u64> {
    const BLOCK: u64 = 512;
    signal::check()?;
    let mut sum = 0;
    for entry in dir.entries()? {
        // A file that was removed meanwhile takes no space.
        let Some(stat) = dir.stat_of(&entry.name)? else { continue };
        if stat.st_nlink < 2 || seen.insert(stat.st_ino) {
            sum += u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK;
        }
        if stat.st_mode & libc::S_IFMT == libc::S_IFDIR
            && let Some(below) = dir.dir_if_exists(&entry.name)?
        {
            sum += size(&below, seen)?;
        }
    }
    Ok(sum)
}
