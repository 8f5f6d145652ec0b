//! The conflicts that a merge has left in the `/etc` of a version, with both sides.

use std::path::Path;

use system::dir::{Dir, MOST_TEXT};
use system::error::Result;

use super::Volume;
use crate::etc::reject::hunks;
use crate::etc::{EtcPath, record::Conflict};
use crate::label::ExistingLabel;
use crate::layout::{ORIG, RUN};

/// A conflict that nobody has resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenConflict {
    /// The path that both sides changed.
    pub path: EtcPath,
    /// Where the user's change is.
    pub rej: EtcPath,
    /// The user's change: a difference by lines, or a whole file. `None` if it is no file.
    pub user: Option<Vec<u8>>,
    /// The change from the old version, as it was built, to the new one: a difference by lines. `None` if the old version is gone, or if one of
    /// the two has no text there.
    pub new: Option<Vec<u8>>,
}

impl Volume {
    /// The paths of the conflicts of the last merge into a version that nobody has resolved.
    pub fn open_conflicts(&self, label: &ExistingLabel) -> Result<Vec<EtcPath>> {
        Ok(open(self, label)?
            .into_iter()
            .flat_map(|(_, found)| found)
            .map(|conflict| conflict.path)
            .collect())
    }

    /// The same conflicts, with both sides.
    pub fn conflicts(&self, label: &ExistingLabel) -> Result<Vec<OpenConflict>> {
        let Some((etc, found)) = open(self, label)? else { return Ok(Vec::new()) };
        let Some(record) = self.merge_record(label)? else { return Ok(Vec::new()) };
        let old = ExistingLabel::of_file(record.old.as_ref());
        let old = match old {
            Some(old)
                if self.survey()?.complete.contains(&old) && self.is_merged_from(label, &record, &old)? =>
            {
                self.version_dir(&old)?.dir_if_exists(ORIG)?
            }
            _ => None,
        };
        let new = self.version_dir(label)?.dir_if_exists(ORIG)?;
        let mut conflicts = Vec::new();
        for Conflict { path, rej, .. } in found {
            let of = |tree: &Option<Dir>| match tree {
                Some(tree) => text(tree, &Path::new("etc").join(path.as_path())),
                None => Ok(None),
            };
            let sides = of(&old)?.zip(of(&new)?);
            let user = text(&etc, rej.as_path())?;
            let new = sides.and_then(|(old, new)| hunks(&old, &new));
            conflicts.push(OpenConflict { path, rej, user, new });
        }
        Ok(conflicts)
    }
}

/// `/etc` of a version, and its open conflicts. Whoever resolves a conflict removes the file with the change that did not merge.
fn open(volume: &Volume, label: &ExistingLabel) -> Result<Option<(Dir, Vec<Conflict>)>> {
    let Some(record) = volume.merge_record(label)? else { return Ok(None) };
    let Some(etc) = volume.version_dir(label)?.dir(RUN)?.dir_if_exists("etc")? else { return Ok(None) };
    let mut open = Vec::new();
    for conflict in record.conflicts {
        if etc.stat_beneath(conflict.rej.as_path())?.is_some() {
            open.push(conflict);
        }
    }
    Ok(Some((etc, open)))
}

/// The content of a file; `None` if it is not there, or is none.
fn text(tree: &Dir, path: &Path) -> Result<Option<Vec<u8>>> {
    match tree.stat_beneath(path)? {
        Some(stat) if stat.st_mode & libc::S_IFMT == libc::S_IFREG => tree.read(path, MOST_TEXT).map(Some),
        _ => Ok(None),
    }
}
