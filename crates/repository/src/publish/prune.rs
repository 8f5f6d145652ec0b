//! Old versions leave a repository.

use std::collections::{BTreeMap, HashSet};

use baserock::ExistingLabel;
use baserock::json::{self, Format};
use serde::{Deserialize, Serialize};
use system::error::Result;

use super::Folder;

/// The files that no index names any more, and until when an index that somebody has may name them, in seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    files: BTreeMap<String, u64>,
}

impl Format for Retired {}

/// Whoever began to fetch a file before the index expired may take so many seconds for it.
const LONGEST_DOWNLOAD: u64 = 86_400;

/// Takes versions out of the index: all but the newest ones, and those that a channel offers. Returns their labels.
pub fn forget(folder: &mut Folder, keep: usize) -> Vec<ExistingLabel> {
    let index = &mut folder.index;
    let offered: HashSet<&ExistingLabel> = index.channels.values().map(|channel| &channel.label).collect();
    let oldest_kept = index.versions.len().saturating_sub(keep);
    let mut forgotten = Vec::new();
    let mut place = 0;
    index.versions.retain(|version| {
        let stays = place >= oldest_kept || offered.contains(&version.label);
        place += 1;
        if !stays {
            forgotten.push(version.label.clone());
        }
        stays
    });
    let left: HashSet<_> = index.versions.iter().map(|version| version.manifest.digest).collect();
    index.deltas.retain(|delta| left.contains(&delta.from) && left.contains(&delta.to));
    forgotten
}

/// Removes files that no index names that still counts; `until` is when the index before this one expires. Returns how many.
pub fn remove_unused(folder: &Folder, until: u64) -> Result<usize> {
    let before: Retired =
        folder.retired()?.map(|bytes| json::read(&bytes).unwrap_or_default()).unwrap_or_default();
    let (now, mut retired, mut removed) = (folder.now(), Retired::default(), 0);
    for (kind, name) in folder.unused()? {
        let file = format!("{kind}/{name}");
        let until = before.files.get(&file).copied().unwrap_or(until.saturating_add(LONGEST_DOWNLOAD));
        if until < now {
            folder.remove(kind, &name)?;
            removed += 1;
        } else {
            retired.files.insert(file, until);
        }
    }
    folder.retire(&json::file(&retired))?;
    Ok(removed)
}
