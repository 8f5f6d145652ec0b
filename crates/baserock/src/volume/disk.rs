//! Opens a volume on a disk or image. The volume is the whole disk or one partition, and `/boot` may be on another partition.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::mount::MsFlags;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, OrCannot, Result, if_exists};
use system::fat::Mirror;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::partitions::{self, Partition};
use system::superblock::{self, Uuid};

use super::boot_place::BootPlace;
use super::esp::Esp;
use super::filesystem::{self, Filesystem};
use super::source::{self, Source};
use super::{Opening, Purpose, Volume};
use crate::fstab::{self, Fstab, Line};
use crate::layout::{self, MOUNTS, PRIVATE, RUN, SYSTEMS};

/// An open disk or image, with its partitions.
struct Disk<'d> {
    source: &'d Source,
    shown: &'d Path,
    partitions: Vec<Partition>,
    is_device: bool,
}

/// Opens the volume on the disk or image.
pub(super) fn open(source: &Source, shown: &Path, opening: &Opening) -> Result<Volume> {
    let is_device = is_device(&source.file, shown)?;
    if let Some(superblock) = superblock::read(&source.file, 0, shown)? {
        let attach = || attach(source, shown, (0, 0), opening.purpose);
        let device = (!is_device).then(attach).transpose()?;
        let path = device.as_ref().map_or(shown, LoopDevice::path).to_owned();
        let volume = Volume::mount(&path, shown, &superblock, opening.purpose)?;
        let volume = Volume { _device: device, ..volume };
        return with_boot_beside(volume, is_device.then_some(shown), opening);
    }
    let disk = Disk { source, shown, partitions: partitions::read(&source.file, shown)?, is_device };
    let mut volume = disk.volume(opening)?;
    volume.esp = disk.esp()?;
    if let Some(line) = boot_line(&volume)? {
        volume.boot = disk.boot_place(&line, opening)?;
    }
    Ok(volume)
}

/// Completes a volume that is all that was named, a mounted directory or one partition: its boot files may be in another partition of the same
/// disk. `device` is the volume's. Where the boot files are not found, the volume can only be looked at.
pub(super) fn with_boot_beside(volume: Volume, device: Option<&Path>, opening: &Opening) -> Result<Volume> {
    // A merge under the lock of another program leaves the boot files alone.
    let needs_none = matches!(opening.purpose, Purpose::Make | Purpose::ChangeUnder(_));
    if needs_none || !volume.top.has(SYSTEMS)? {
        return Ok(volume);
    }
    let Some(line) = boot_line(&volume)? else { return Ok(volume) };
    match boot_beside(&volume, &line, device, opening) {
        Ok(boot) => Ok(Volume { boot, ..volume }),
        Err(_) if opening.purpose == Purpose::Look => Ok(volume),
        Err(error) => Err(error),
    }
}

fn boot_beside(volume: &Volume, line: &Line, device: Option<&Path>, opening: &Opening) -> Result<BootPlace> {
    let Some(path) = device.and_then(whole_disk) else {
        return Err(Error::refused(format!(
            "the boot files of {} are on another filesystem (fstab: {}); give the whole disk",
            volume.name.display(),
            String::from_utf8_lossy(&line.text).trim()
        )));
    };
    let source = source::open(&path, &path, opening)?;
    let partitions = partitions::read(&source.file, &path)?;
    Disk { source: &source, shown: &path, partitions, is_device: true }.boot_place(line, opening)
}

/// The EFI system partition of the disk that has this device as a partition.
pub(super) fn esp_beside(device: &Path) -> Result<Option<Esp>> {
    let Some(path) = whole_disk(device) else { return Ok(None) };
    let source = Source { file: File::open(&path).or_cannot("open", &path)?, is_read_only: false };
    let partitions = partitions::read(&source.file, &path)?;
    Disk { source: &source, shown: &path, partitions, is_device: true }.esp()
}

impl Disk<'_> {
    /// The one partition that holds versions.
    fn volume(&self, opening: &Opening) -> Result<Volume> {
        if self.partitions.is_empty() {
            return Err(no_volume(self.shown));
        }
        let mut found: Option<(u32, Volume)> = None;
        for partition in &self.partitions {
            let Some(superblock) = superblock::read(&self.source.file, partition.start, self.shown)? else {
                continue;
            };
            let (path, device) = self.attach(partition, opening.purpose)?;
            let volume = Volume::mount(&path, self.shown, &superblock, opening.purpose)?;
            if !volume.top.has(SYSTEMS)? {
                continue;
            }
            if let Some((first, _)) = found {
                return Err(Error::refused(format!(
                    "{} holds two volumes with versions, in partitions {first} and {}; give one partition's own device",
                    self.shown.display(),
                    partition.number
                )));
            }
            let part_uuid = Some(partition.part_uuid.clone());
            found = Some((partition.number, Volume { _device: device, part_uuid, ..volume }));
        }
        found.map(|(_, volume)| volume).ok_or_else(|| {
            Error::refused(format!(
                "{} holds no versions: none of its {} partitions is btrfs with a directory {SYSTEMS}",
                self.shown.display(),
                self.partitions.len()
            ))
        })
    }

    /// The EFI system partition, the first one if there are several.
    fn esp(&self) -> Result<Option<Esp>> {
        let Some(partition) = self.partitions.iter().find(|partition| partition.is_esp) else {
            return Ok(None);
        };
        let node = self.is_device.then(|| node(self.shown, partition.number)).flatten();
        let file = self.source.file.try_clone().or_cannot("open", self.shown)?;
        let (disk, is_read_only) = (self.shown.to_owned(), self.source.is_read_only);
        Ok(Some(Esp { partition: partition.clone(), node, file, disk, is_read_only }))
    }

    /// Opens the boot filesystem that the line of fstab mounts.
    fn boot_place(&self, line: &Line, opening: &Opening) -> Result<BootPlace> {
        let text = String::from_utf8_lossy(&line.text).trim().to_owned();
        let Some(partition) = self.find(&line.source())? else {
            return Err(Error::refused(format!(
                "the versions' /boot is on no partition of {} (fstab: {text}); boot the machine and work in it",
                self.shown.display()
            )));
        };
        let (path, device) = self.attach(partition, opening.purpose)?;
        let kind = match line.kind() {
            kind if kind == "auto" => self.filesystem(partition)?.map_or(kind, |found| found.kind.to_owned()),
            kind => kind,
        };
        if matches!(kind.as_str(), "vfat" | "msdos") {
            if device.is_none() && opening.purpose != Purpose::Look {
                refuse_mounted(&path)?;
            }
            return BootPlace::mirrored(Mirror::new(path, device, &layout::BOOT_NAMES)?);
        }
        if kind == "btrfs" {
            return Err(Error::refused(format!(
                "the versions' /boot is a btrfs of its own (fstab: {text}), which is not supported; put it on the volume"
            )));
        }
        BootPlace::mounted(
            PrivateMount::new(&path, &kind, opening.purpose.flags() | MsFlags::MS_NOEXEC, "")?,
            device,
        )
    }

    /// The device of a partition: the kernel's own, or else a loop device that is attached for it.
    fn attach(&self, partition: &Partition, purpose: Purpose) -> Result<(PathBuf, Option<LoopDevice>)> {
        if self.is_device
            && let Some(node) = node(self.shown, partition.number)
        {
            return Ok((node, None));
        }
        let device = attach(self.source, self.shown, (partition.start, partition.size), purpose)?;
        Ok((device.path().to_owned(), Some(device)))
    }

    /// The partition that fstab names so. It is an error if the name fits several.
    fn find(&self, source: &fstab::Source) -> Result<Option<&Partition>> {
        let mut found = None;
        for partition in &self.partitions {
            if !self.is_it(partition, source)? {
                continue;
            }
            if found.replace(partition).is_some() {
                return Err(Error::refused(format!(
                    "several partitions of {} are what the versions' fstab has as /boot ({source:?})",
                    self.shown.display()
                )));
            }
        }
        Ok(found)
    }

    fn is_it(&self, partition: &Partition, source: &fstab::Source) -> Result<bool> {
        Ok(match source {
            fstab::Source::PartUuid(uuid) => partition.part_uuid.eq_ignore_ascii_case(uuid),
            fstab::Source::PartLabel(label) => partition.label == *label,
            fstab::Source::Partition(number) => partition.number == *number,
            fstab::Source::Uuid(uuid) => {
                self.filesystem(partition)?.is_some_and(|own| own.uuid.eq_ignore_ascii_case(uuid))
            }
            fstab::Source::Label(label) => self.filesystem(partition)?.is_some_and(|own| own.label == *label),
            // Links such as those in /dev/disk/by-id tell only on the machine itself where they lead.
            fstab::Source::Other(path) => {
                let leads_to = self.is_device.then(|| path.canonicalize().ok()).flatten();
                leads_to.is_some() && leads_to == node(self.shown, partition.number)
            }
        })
    }

    fn filesystem(&self, partition: &Partition) -> Result<Option<Filesystem>> {
        filesystem::read(&self.source.file, partition.start, self.shown)
    }
}

/// Attaches a part of the image to a loop device.
fn attach(source: &Source, shown: &Path, (offset, size): (u64, u64), purpose: Purpose) -> Result<LoopDevice> {
    let device = LoopDevice::attach(&source.file, shown, offset, size, source.is_read_only)?;
    if purpose == Purpose::Fill { device.direct() } else { Ok(device) }
}

fn no_volume(path: &Path) -> Error {
    Error::refused(format!("{} holds no btrfs filesystem, so no versions", path.display()))
}

/// The kernel's device for a partition of a device.
fn node(device: &Path, number: u32) -> Option<PathBuf> {
    let name = device.canonicalize().ok()?.file_name()?.to_owned();
    let names = fs::read_dir(Path::new("/sys/class/block").join(name)).ok()?;
    let is_it = |path: &PathBuf| {
        fs::read_to_string(path.join("partition")).is_ok_and(|text| text.trim() == number.to_string())
    };
    let found = names.filter_map(Result::ok).map(|entry| entry.path()).find(is_it)?;
    Some(Path::new("/dev").join(found.file_name()?)).filter(|node| node.exists())
}

/// The disk that has this device as a partition.
fn whole_disk(device: &Path) -> Option<PathBuf> {
    let entry = Path::new("/sys/class/block").join(device.canonicalize().ok()?.file_name()?);
    if !entry.join("partition").exists() {
        return None;
    }
    let disk = entry.canonicalize().ok()?;
    Some(Path::new("/dev").join(disk.parent()?.file_name()?)).filter(|disk| disk.exists())
}

/// Fails if the device is mounted. A FAT is written behind the back of the kernel.
fn refuse_mounted(device: &Path) -> Result<()> {
    match File::options().read(true).custom_flags(OFlag::O_EXCL.bits()).open(device) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => Err(Error::refused(format!(
            "the versions' /boot, {}, is a FAT and is mounted; unmount it first",
            device.display()
        ))),
        outcome => outcome.map(drop).or_cannot("open", device),
    }
}

fn is_device(file: &File, shown: &Path) -> Result<bool> {
    Ok(file.metadata().or_cannot("examine", shown)?.file_type().is_block_device())
}

/// The line of fstab that mounts `/boot` from another filesystem. It is in the lines that were noted when the disk was made, or else in the
/// default version's fstab.
fn boot_line(volume: &Volume) -> Result<Option<Line>> {
    let of_disk = volume.top.read_if_exists(Path::new(PRIVATE).join(MOUNTS), MOST_TEXT)?;
    let default = volume.linked_default()?;
    let of_default =
        |label| if_exists(volume.top.read(layout::in_version(label, RUN).join("etc/fstab"), MOST_TEXT));
    let text = match (of_disk, default) {
        (Some(text), _) => text,
        (None, Some(label)) => of_default(&label)?.unwrap_or_default(),
        (None, None) => Vec::new(),
    };
    let mounts_boot = |line: &&Line| line.target.as_deref() == Some(Path::new("/boot"));
    Ok(Fstab::parse(&text)
        .lines()
        .iter()
        .find(mounts_boot)
        .filter(|line| !is_own(line, volume.uuid))
        .cloned())
}

/// Whether the line mounts the volume itself. The boot files are on the volume then.
fn is_own(line: &Line, uuid: Option<Uuid>) -> bool {
    let is_another = match (line.source(), uuid) {
        (fstab::Source::Uuid(named), Some(own)) => !own.to_string().eq_ignore_ascii_case(&named),
        _ => false,
    };
    line.kind() == "btrfs" && !is_another
}

/// Refuses a running system whose fstab mounts `/boot` while that is not mounted. Boot files would be written to the wrong place.
pub(super) fn refuse_unmounted_boot(root: &Dir) -> Result<()> {
    let fstab = Fstab::parse(&if_exists(root.read("etc/fstab", MOST_TEXT))?.unwrap_or_default());
    match fstab.lines().iter().find(|line| line.target.as_deref() == Some(Path::new("/boot"))) {
        Some(line) if !is_own(line, None) => Err(Error::refused(
            "/boot is a filesystem of its own (/etc/fstab) and is not mounted; mount /boot first",
        )),
        _ => Ok(()),
    }
}
