//! Sets the time of `SOURCE_DATE_EPOCH` on all files that were made here, so that the same input makes the same metadata.

use std::path::Path;
use std::time::SystemTime;

use baserock::volume::{Kind, Volume};
use nix::sys::stat::FileStat;
use system::btrfs::{self, Access};
use system::copy::set_times;
use system::dir::Dir;
use system::error::Result;

/// Gives everything on the volume and its boot place that changed since `begun` the time `epoch`, in seconds since 1970.
pub fn times(volume: &Volume, begun: SystemTime, epoch: u64) -> Result<()> {
    let begun = begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let clamp = Clamp { begun: begun.cast_signed(), epoch: epoch.cast_signed() };
    clamp.tree(volume.top())?;
    if volume.boot().kind() != Kind::Volume {
        clamp.tree(volume.boot().dir())?;
    }
    btrfs::commit(volume.top())
}

struct Clamp {
    begun: i64,
    epoch: i64,
}

impl Clamp {
    fn tree(&self, dir: &Dir) -> Result<()> {
        for entry in dir.entries()? {
            let Some(stat) = dir.stat_of(&entry.name)? else { continue };
            if stat.st_mode & nix::libc::S_IFMT != nix::libc::S_IFDIR {
                self.one(dir, entry.name.as_ref(), stat)?;
                continue;
            }
            let inner = dir.dir(&entry.name)?;
            // A frozen version has the times of the tree from which it was copied.
            if !(btrfs::is_btrfs(&inner)?
                && btrfs::is_subvolume(&inner)?
                && btrfs::access(&inner)? == Access::ReadOnly)
            {
                self.tree(&inner)?;
            }
        }
        self.one(dir, Path::new(""), dir.stat()?)
    }

    fn one(&self, dir: &Dir, name: &Path, mut stat: FileStat) -> Result<()> {
        if stat.st_mtime < self.begun {
            return Ok(());
        }
        (stat.st_mtime, stat.st_mtime_nsec) = (self.epoch, 0);
        (stat.st_atime, stat.st_atime_nsec) = (self.epoch, 0);
        set_times(dir, name, &stat)
    }
}
