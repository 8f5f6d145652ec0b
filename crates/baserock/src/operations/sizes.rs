//! How large versions are, and how much becomes free if one is removed.

use std::collections::BTreeMap;

use system::btrfs::{self, Access};
use system::error::Result;
use system::sharing::{Member, Share, shares};

use super::twin;
use crate::label::ExistingLabel;
use crate::layout::{ORIG, RUN};
use crate::volume::{Kind, Subvolume, Volume};

/// The data of each version, and how much of it no other version and nothing else uses. Empty if the volume is not btrfs. Boot files count where
/// they are on the volume. What is not committed yet does not count.
pub fn sizes(volume: &Volume) -> Result<BTreeMap<ExistingLabel, Share>> {
    if !btrfs::is_btrfs(volume.top())? {
        return Ok(BTreeMap::new());
    }
    let (mut labels, mut groups) = (Vec::new(), Vec::new());
    for version in volume.versions()? {
        groups.push(members(&volume.subvolumes(&version.label)?)?);
        labels.push(version.label);
    }
    let mut sizes: BTreeMap<_, _> = labels.into_iter().zip(shares(volume.top(), &groups)?).collect();
    if volume.boot().kind() == Kind::Volume {
        for (label, share) in &mut sizes {
            add_boot_files(volume, label, share)?;
        }
    }
    Ok(sizes)
}

/// The subvolumes of a version. `run` is a snapshot of `orig`, which is frozen, so most of it need not be read a second time.
fn members(subvolumes: &[Subvolume]) -> Result<Vec<Member>> {
    let part = |name: &str| subvolumes.iter().find(|found| found.part == name && !found.is_nested);
    let orig = part(ORIG).map(|found| &found.dir);
    let mut members = Vec::new();
    for found in subvolumes {
        let is_of_orig = match orig {
            Some(orig) if found.part == RUN && !found.is_nested => {
                btrfs::access(orig)? == Access::ReadOnly && twin::is_twin(orig, &found.dir)?
            }
            _ => false,
        };
        let since = if is_of_orig { btrfs::made(&found.dir)?.0 } else { 0 };
        members.push(Member { tree: btrfs::identity(&found.dir)?.id, since });
    }
    Ok(members)
}

/// Adds the files for boot loaders, which are outside the subvolumes of a version. A copy of a version has the same files.
fn add_boot_files(volume: &Volume, label: &ExistingLabel, share: &mut Share) -> Result<()> {
    for path in volume.boot().files(label)? {
        let Some(stat) = volume.boot().dir().stat_beneath(&path)? else { continue };
        let bytes = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        share.stored += bytes;
        if stat.st_nlink == 1 {
            share.exclusive += bytes;
        }
    }
    Ok(())
}
