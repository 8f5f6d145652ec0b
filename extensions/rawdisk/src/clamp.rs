//! Sets the time of `SOURCE_DATE_EPOCH` on all files that were made here, so that the same input makes the same metadata.

use std::time::SystemTime;

use baserock::volume::{Kind, Volume};
use system::btrfs::{self, Access};
use system::dir::Dir;
use system::error::Result;
use system::inode::Inode;
use system::metadata::Time;
use system::walk::{Visit, Walk};

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
        let mut walk = Walk::new(dir.duplicate()?)?;
        while let Some(visit) = walk.next()? {
            match visit {
                // A frozen version has the times of the tree from which it was copied.
                Visit::Enter(_, dir) if is_frozen(dir)? => walk.prune()?,
                Visit::Enter(..) | Visit::Mount(_) => {}
                Visit::Name(place) | Visit::Leave(place) => {
                    self.one(&Inode::named(place.dir, place.name))?;
                }
            }
        }
        Ok(())
    }

    fn one(&self, inode: &Inode<'_>) -> Result<()> {
        if inode.stat()?.st_mtime < self.begun {
            return Ok(());
        }
        inode.set_times(Time { seconds: self.epoch, nanoseconds: 0 }.into())
    }
}

fn is_frozen(dir: &Dir) -> Result<bool> {
    Ok(btrfs::is_btrfs(dir)? && btrfs::is_subvolume(dir)? && btrfs::access(dir)? == Access::ReadOnly)
}
