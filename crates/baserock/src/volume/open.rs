//! Opens a volume: finds it, locks it, and mounts it privately.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use system::btrfs;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::lock::{self, Lock, Patience};
use system::loopdev;
use system::mount::{self, leave_shared_namespace};
use system::mountinfo::{self, Mount};
use system::resolve::Links;
use system::superblock::{self, Superblock};

use super::boot_place::{BootPlace, Kind};
use super::{Location, Opening, Purpose, Volume};
use super::{disk, source};
use crate::label::ExistingLabel;
use crate::layout::{self, LOCK, PRIVATE, STATE, SYSTEMS};
use crate::refusal::Refusal;

impl Volume {
    /// Opens a volume.
    pub fn open(opening: &Opening) -> Result<Volume> {
        let mut volume = match &opening.location {
            Location::Running => running()?,
            Location::Path(path) => at(path, opening)?,
        };
        if opening.purpose == Purpose::Make {
            skeleton(&volume.top)?;
        }
        if !volume.top.has(SYSTEMS)? {
            return Err(Refusal::NoVersions { volume: volume.name }.into());
        }
        match opening.purpose {
            Purpose::Look | Purpose::Stage => {}
            Purpose::Change | Purpose::Make | Purpose::Fill => {
                volume.lock = Some(lock_volume(&volume, opening.patience)?);
            }
            Purpose::ChangeUnder(inherited) => check_inherited(&volume, inherited)?,
        }
        Ok(volume)
    }
}

/// Fails unless this is root, who alone can mount. The kernel's own message would say less.
fn require_root(name: &Path) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Refusal::NeedsRoot { volume: name.to_owned() }.into())
}

fn running() -> Result<Volume> {
    let mounts = mount::own()?;
    let root = mountinfo::root(&mounts).ok_or_else(|| not_baserock("nothing is mounted at /".into()))?;
    let here = layout::mounted_version(root).ok_or_else(|| {
        let subvolume =
            if root.kind == "btrfs" { format!(", subvolume {}", root.root.display()) } else { String::new() };
        not_baserock(format!("/ is {} on {}{subvolume}", root.kind, root.source.display()))
    })?;
    require_root(Path::new("the volume"))?;
    let label = booted(root).unwrap_or(here);
    let (device, superblock) = device_of(root)?;
    let mut volume = Volume::mount(&device, Path::new("the running system"), &superblock, Purpose::Change)?;
    if let Some(boot) = separate_boot(&mounts)? {
        volume.boot = boot;
    }
    Ok(Volume { running: Some(label), ..volume })
}

fn not_baserock(found: String) -> Error {
    Refusal::NotBaserock { found }.into()
}

/// The version of process 1, if it is on the same volume. Inside an entered version `/` is another one.
fn booted(root: &Mount) -> Option<ExistingLabel> {
    let mounts = mountinfo::parse(&fs::read("/proc/1/mountinfo").ok()?);
    mountinfo::root(&mounts).filter(|first| first.device == root.device).and_then(layout::mounted_version)
}

/// The block device of the running volume: the mounted device, or else one that the kernel names.
fn device_of(root: &Mount) -> Result<(PathBuf, Superblock)> {
    let known = btrfs::devices(&Dir::open("/")?)?;
    for path in std::iter::once(&root.source).chain(&known) {
        if let Ok(file) = File::open(path)
            && file.metadata().is_ok_and(|found| found.file_type().is_block_device())
            && let Some(superblock) = superblock::read(&file, 0, path)?
        {
            return Ok((path.clone(), superblock));
        }
    }
    Err(Error::refused(format!("cannot find the device of /: there is no usable {}", root.source.display())))
}

/// The separate boot filesystem that is mounted at `/boot`, if there is one.
fn separate_boot(mounts: &[Mount]) -> Result<Option<BootPlace>> {
    let Some(boot) = mountinfo::at(mounts, Path::new("/boot")).filter(|boot| boot.kind != "btrfs") else {
        disk::refuse_unmounted_boot(&Dir::open("/")?)?;
        return Ok(None);
    };
    let kind = if boot.kind == "vfat" { Kind::Fat } else { Kind::Separate };
    Ok(Some(BootPlace::new(Dir::open("/boot")?, Path::new("/boot"), kind)))
}

fn at(path: &Path, opening: &Opening) -> Result<Volume> {
    let kind = fs::metadata(path).or_cannot("open", path)?.file_type();
    if kind.is_dir() {
        directory(path, opening)
    } else if kind.is_block_device() {
        device(path, opening)
    } else if kind.is_file() {
        image(path, opening)
    } else {
        Err(Error::refused(format!("{} is no device, image or directory", path.display())))
    }
}

fn directory(path: &Path, opening: &Opening) -> Result<Volume> {
    let top = Dir::open(path)?;
    let shown = top.shown("");
    let found = if btrfs::is_btrfs(&top)? { superblock_of(&top, &shown)? } else { None };
    let (device, superblock) = found.unzip();
    let uuid = superblock.flatten().map(|found| found.uuid);
    let volume = Volume { uuid, device: device.clone(), ..Volume::new(top, path.to_owned(), path)? };
    disk::with_boot_beside(volume, device.as_deref(), opening)
}

/// The first device of the mounted btrfs, and its superblock.
fn superblock_of(top: &Dir, shown: &Path) -> Result<Option<(PathBuf, Option<Superblock>)>> {
    for device in btrfs::devices(top)? {
        if let Ok(file) = File::open(&device) {
            let superblock = superblock::read(&file, 0, shown)?;
            return Ok(Some((device, superblock)));
        }
    }
    Ok(None)
}

fn device(path: &Path, opening: &Opening) -> Result<Volume> {
    require_root(path)?;
    leave_shared_namespace()?;
    let file = File::open(path).or_cannot("open", path)?;
    let lock = (opening.purpose.locks()).then(|| Lock::take(file, path, opening.patience)).transpose()?;
    let volume = disk::open(&source::open(path, path, opening)?, path, opening)?;
    Ok(Volume { image: lock, ..volume })
}

fn image(path: &Path, opening: &Opening) -> Result<Volume> {
    require_root(path)?;
    // The search for a loop device that has the image needs the mounts of a plain chroot.
    leave_shared_namespace()?;
    let file = source::open(path, path, opening)?.file;
    // This is needed even for looking: a second mount of an image in use sees a broken filesystem and does damage.
    let lock = Lock::take(file, path, opening.patience)?;
    lock::refuse_record_locks(lock.file(), path)?;
    lock::take_record_lock(lock.file(), path)?;
    if let Some(device) = loopdev::holder(lock.file(), path)? {
        return Err(Refusal::Attached { image: path.to_owned(), device }.into());
    }
    // The file is opened once more for the loop device. A loop device keeps its file open for a while after its last use, and would keep
    // the lock with it.
    let own = PathBuf::from(format!("/proc/self/fd/{}", lock.file().as_raw_fd()));
    let volume = disk::open(&source::open(&own, path, opening)?, path, opening)?;
    Ok(Volume { image: Some(lock), ..volume })
}

/// Makes the directories of a volume on the empty top level of a btrfs.
fn skeleton(top: &Dir) -> Result<()> {
    for (name, mode) in [(SYSTEMS, 0o755), (STATE, 0o755), (PRIVATE, 0o700)] {
        top.make_dir(name, mode)?;
    }
    Ok(())
}

/// Takes the volume's own lock. Makes the tools' directory if it is missing.
pub(super) fn lock_volume(volume: &Volume, patience: Patience) -> Result<Lock> {
    let private = volume.top.ensure_dir(PRIVATE, 0o700)?;
    let file = private.open_with(LOCK, OFlag::O_RDWR | OFlag::O_CREAT, 0o600, Links::Refuse)?;
    Lock::take(File::from(file), &volume.name, patience)
}

/// Fails unless the inherited descriptor is the volume's lock.
fn check_inherited(volume: &Volume, inherited: i32) -> Result<()> {
    let lock = volume.top.dir(PRIVATE)?.stat_of(LOCK)?;
    let handle = PathBuf::from(format!("/proc/self/fd/{inherited}"));
    let found = fs::metadata(&handle).or_cannot("examine the inherited lock", &handle)?;
    if lock.is_some_and(|lock| (lock.st_dev, lock.st_ino) == (found.dev(), found.ino())) {
        return Ok(());
    }
    Err(Error::refused(format!("descriptor {inherited} is not the lock of {}", volume.name.display())))
}
