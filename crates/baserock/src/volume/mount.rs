//! A volume from an opened directory, and from a device that is mounted where nobody else sees it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use system::dir::Dir;
use system::error::Result;
use system::mount::PrivateMount;
use system::superblock::Superblock;

use super::Volume;
use super::boot_place::{BootPlace, Kind};

/// Mount options for the top-level subvolume, whatever the default subvolume is.
const TOP_LEVEL: &str = "subvolid=5";

impl Volume {
    /// The volume whose top-level directory is open.
    pub(super) fn new(top: Dir, path: PathBuf, name: &Path) -> Result<Volume> {
        let boot = BootPlace::new(top.duplicate()?, &path, Kind::Volume);
        Ok(Volume {
            top,
            boot,
            running: None,
            uuid: None,
            part_uuid: None,
            path,
            name: name.to_owned(),
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
        flags: MsFlags,
    ) -> Result<Volume> {
        let mount = PrivateMount::new(device, "btrfs", flags, TOP_LEVEL)?;
        let path = mount.path().to_owned();
        let volume = Volume::new(Dir::open(&path)?.shown_as("/"), path, name)?;
        Ok(Volume {
            uuid: Some(superblock.uuid),
            part_uuid: part_uuid(device),
            _mount: Some(mount),
            ..volume
        })
    }
}

/// The partition's UUID as the kernel knows it; `None` where the device is no partition.
fn part_uuid(device: &Path) -> Option<String> {
    let name = device.canonicalize().ok()?;
    let events =
        fs::read_to_string(Path::new("/sys/class/block").join(name.file_name()?).join("uevent")).ok()?;
    events.lines().find_map(|line| line.strip_prefix("PARTUUID=")).map(str::to_owned)
}
