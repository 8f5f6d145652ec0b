//! Opens a volume on a disk or image. The volume is the whole disk or one partition, and `/boot` may be on another partition.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, OrCannot, Result, if_exists};
use system::fat::Mirror;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::partitions::{self, Partition};
use system::superblock::{self, Uuid};

use super::boot_place::BootPlace;
use super::{Opening, Purpose, Volume};
use crate::fstab::{Fstab, Line};
use crate::layout::{self, MOUNTS, PRIVATE, RUN, SYSTEMS};

/// An open disk or image, with its partitions.
struct Disk<'d> {
    file: &'d File,
    shown: &'d Path,
    partitions: Vec<Partition>,
    is_device: bool,
}

/// Opens the volume on the disk or image.
pub(super) fn open(file: &File, shown: &Path, opening: &Opening) -> Result<Volume> {
    let is_device = file.metadata().or_cannot("examine", shown)?.file_type().is_block_device();
    if let Some(superblock) = superblock::read(file, 0, shown)? {
        let device = (!is_device).then(|| LoopDevice::attach(file, shown, 0, 0, false)).transpose()?;
        let path = device.as_ref().map_or(shown, LoopDevice::path).to_owned();
        let volume = Volume::mount(&path, shown, &superblock, opening.flags())?;
        let volume = Volume { _device: device, ..volume };
        return if is_device { refuse_other_boot(volume, opening) } else { Ok(volume) };
    }
    let disk = Disk { file, shown, partitions: partitions::read(file, shown)?, is_device };
    let mut volume = disk.volume(opening)?;
    if let Some(line) = boot_line(&volume)? {
        volume.boot = disk.boot_place(&line, opening)?;
    }
    Ok(volume)
}

impl Disk<'_> {
    /// The one partition that holds versions.
    fn volume(&self, opening: &Opening) -> Result<Volume> {
        if self.partitions.is_empty() {
            return Err(no_volume(self.shown));
        }
        let mut found: Option<(u32, Volume)> = None;
        for partition in &self.partitions {
            let Some(superblock) = superblock::read(self.file, partition.start, self.shown)? else {
                continue;
            };
            let (path, device) = self.attach(partition)?;
            let volume = Volume::mount(&path, self.shown, &superblock, opening.flags())?;
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

    /// Opens the boot filesystem that the line of fstab mounts.
    fn boot_place(&self, line: &Line, opening: &Opening) -> Result<BootPlace> {
        let text = String::from_utf8_lossy(&line.text).into_owned();
        let mut words = text.split_whitespace();
        let (source, kind) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
        let partition = self.find(source)?.ok_or_else(|| {
            Error::refused(format!(
                "the versions' /boot is on {source}, which is no partition of {}; boot the machine and work in it",
                self.shown.display()
            ))
        })?;
        let (path, device) = self.attach(partition)?;
        if matches!(kind, "vfat" | "msdos") {
            return BootPlace::mirrored(Mirror::new(path, device, &layout::BOOT_NAMES)?);
        }
        BootPlace::mounted(PrivateMount::new(&path, kind, opening.flags() | MsFlags::MS_NOEXEC, "")?, device)
    }

    /// The device of a partition: the kernel's own, or else a loop device that is attached for it.
    fn attach(&self, partition: &Partition) -> Result<(PathBuf, Option<LoopDevice>)> {
        if self.is_device
            && let Some(node) = node(self.shown, partition.number)
        {
            return Ok((node, None));
        }
        let device = LoopDevice::attach(self.file, self.shown, partition.start, partition.size, false)?;
        Ok((device.path().to_owned(), Some(device)))
    }

    /// The partition with this name in fstab. The name is its own UUID, the UUID of its filesystem, or a device name that ends with its number.
    fn find(&self, source: &str) -> Result<Option<&Partition>> {
        if let Some(uuid) = source.strip_prefix("PARTUUID=") {
            return Ok(self
                .partitions
                .iter()
                .find(|partition| partition.part_uuid.eq_ignore_ascii_case(uuid)));
        }
        if let Some(uuid) = source.strip_prefix("UUID=") {
            for partition in &self.partitions {
                if filesystem_uuid(self.file, partition.start, self.shown)?
                    .is_some_and(|own| own.eq_ignore_ascii_case(uuid))
                {
                    return Ok(Some(partition));
                }
            }
            return Ok(None);
        }
        let number =
            source.strip_prefix("/dev/").map(|name| name.trim_start_matches(|c: char| !c.is_ascii_digit()));
        let number =
            number.and_then(|digits| digits.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        Ok(number.and_then(|number: u32| self.partitions.iter().find(|partition| partition.number == number)))
    }
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

/// The UUID of an ext or FAT filesystem, as fstab writes it.
fn filesystem_uuid(disk: &File, start: u64, shown: &Path) -> Result<Option<String>> {
    let mut bytes = [0; 2048];
    match disk.read_exact_at(&mut bytes, start) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome.or_cannot("read", shown)?,
    }
    let serial = |at: usize| {
        let [a, b, c, d] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Some(format!("{d:02X}{c:02X}-{b:02X}{a:02X}"))
    };
    if bytes[1024 + 0x38..1024 + 0x3a] == [0x53, 0xef] {
        let uuid = bytes[1024 + 0x68..].first_chunk().copied();
        return Ok(uuid.map(|uuid| Uuid(uuid).to_string()));
    }
    match (&bytes[0x52..0x57], &bytes[0x36..0x39]) {
        (b"FAT32", _) => Ok(serial(0x43)),
        (_, b"FAT") => Ok(serial(0x27)),
        _ => Ok(None),
    }
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
    Ok(Fstab::parse(&text).lines().iter().find(mounts_boot).filter(|line| !is_own(line)).cloned())
}

/// Whether the line mounts a btrfs. The boot files are on the volume then.
fn is_own(line: &Line) -> bool {
    let mut words = line.text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.nth(2) == Some(b"btrfs")
}

/// Refuses a single partition if its boot files are on another one.
fn refuse_other_boot(volume: Volume, opening: &Opening) -> Result<Volume> {
    if matches!(opening.purpose, Purpose::Look | Purpose::Make) {
        return Ok(volume);
    }
    match boot_line(&volume)? {
        None => Ok(volume),
        Some(line) => Err(Error::refused(format!(
            "the boot files of {} are on another partition (fstab: {}); give the whole disk",
            volume.name.display(),
            String::from_utf8_lossy(&line.text).trim()
        ))),
    }
}

/// Refuses a running system whose fstab mounts `/boot` while that is not mounted. Boot files would be written to the wrong place.
pub(super) fn refuse_unmounted_boot(root: &Dir) -> Result<()> {
    let fstab = Fstab::parse(&if_exists(root.read("etc/fstab", MOST_TEXT))?.unwrap_or_default());
    match fstab.lines().iter().find(|line| line.target.as_deref() == Some(Path::new("/boot"))) {
        Some(line) if !is_own(line) => Err(Error::refused(
            "/boot is a filesystem of its own (/etc/fstab) and is not mounted; mount /boot first",
        )),
        _ => Ok(()),
    }
}
