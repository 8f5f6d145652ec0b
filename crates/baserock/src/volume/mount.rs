//! Makes a volume from an opened directory, or from a device that is mounted privately.

use std::fs;
use std::path::{Path, PathBuf};

use system::dir::Dir;
use system::error::Result;
use system::mount::PrivateMount;
use system::superblock::Superblock;

use super::boot_place::{BootPlace, Kind};
use super::{Purpose, Volume};

impl Volume {
    /// A volume from its open top-level directory.
    pub(super) fn new(top: Dir, path: PathBuf, name: &Path) -> Result<Volume> {
        let boot = BootPlace::new(top.duplicate()?, &path, Kind::Volume);
        Ok(Volume {
            top,
            boot,
            esp: None,
            running: None,
            uuid: None,
            part_uuid: None,
            device: None,
            path,
            name: name.to_owned(),
            user: None,
            lock: None,
            _mount: None,
            _device: None,
            image: None,
        })
    }

    /// Mounts the top level of the btrfs on `device`.
    pub(super) fn mount(
        device: &Path,
        name: &Path,
        superblock: &Superblock,
        purpose: Purpose,
    ) -> Result<Volume> {
        let mount = PrivateMount::new(device, "btrfs", purpose.flags(), purpose.options())?;
        let path = mount.path().to_owned();
        let volume = Volume::new(Dir::open(&path)?.shown_as("/"), path, name)?;
        Ok(Volume {
            uuid: Some(superblock.uuid),
            part_uuid: part_uuid(device),
            device: Some(device.to_owned()),
            _mount: Some(mount),
            ..volume
        })
    }
}

/// The kernel's UUID of the partition; `None` if the device is no partition.
fn part_uuid(device: &Path) -> Option<String> {
    let name = device.canonicalize().ok()?;
    let events =
        fs::read_to_string(Path::new("/sys/class/block").join(name.file_name()?).join("uevent")).ok()?;
    events.lines().find_map(|line| line.strip_prefix("PARTUUID=")).map(str::to_owned)
}
