//! Where a disk has its volume and its boot filesystem, and reading both: as a boot loader does, and as a kernel does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use baserock::boot::Menu;
use baserock::boot::adv::{Adv, SIZE};
use baserock::volume::{LOADER, ON_BTRFS};
use delta::hash::Hash;
use nix::mount::MsFlags;
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::partitions;

use super::content::{self, Content};
use crate::esp::Esp;
use crate::image::volume_offset;

/// What is where on a disk.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Where the volume begins, bytes.
    volume: u64,
    /// Whether there is an EFI system partition, with GRUB.
    has_esp: bool,
    /// Where the ext4 `/boot` is and how large, bytes; `None` where the volume has the boot files.
    boot: Option<(u64, u64)>,
}

/// What a boot loader finds.
pub struct Loaded {
    /// The menu.
    pub menu: Menu,
    /// The files that its entries name, by their paths from the top.
    pub files: BTreeMap<String, Hash>,
}

/// What begins the paths of the boot filesystem in a disk's content.
pub const BOOT: &str = "/boot";

/// A filesystem of the disk, mounted for this thread.
struct Mounted {
    mount: PrivateMount,
    _device: LoopDevice,
}

impl Shape {
    /// Of this disk. If it has partitions, the first one is a `/boot` or an EFI system partition.
    pub fn of(disk: &Path) -> Shape {
        let file = File::open(disk).expect("the disk");
        let first = partitions::read(&file, disk).expect("a table").into_iter().next();
        let has_esp = first.as_ref().is_some_and(|first| first.is_esp);
        let boot = first.filter(|_| !has_esp).map(|boot| (boot.start, boot.size));
        Shape { volume: volume_offset(disk), has_esp, boot }
    }

    /// Whether `/boot` is a filesystem of its own.
    pub fn has_boot(&self) -> bool {
        self.boot.is_some()
    }

    /// Reads the disk as a boot loader does, which replays no log.
    pub fn load(&self, disk: &Path) -> Result<Loaded, String> {
        let mounted = match self.boot {
            Some(place) => Mounted::new(disk, place, "ext4", "noload", true)?,
            None => Mounted::new(disk, (self.volume, 0), "btrfs", "subvolid=5,rescue=nologreplay", true)?,
        };
        let top = mounted.mount.path();
        let read = |path: &str| {
            fs::read(top.join(path.trim_start_matches('/'))).map_err(|error| format!("{path}: {error}"))
        };
        // What syslinux reads, a link to what U-Boot reads.
        let text = read("/extlinux.conf")?;
        let menu = Menu::parse(&String::from_utf8(text).map_err(|error| format!("/extlinux.conf: {error}"))?);
        let mut files = BTreeMap::new();
        for path in menu.entries.iter().flat_map(|entry| [entry.kernel(), entry.get("initrd")]).flatten() {
            files.insert(path.to_owned(), Hash::of(&read(path)?));
        }
        Ok(Loaded { menu, files })
    }

    /// Reads everything on the disk as a kernel does, which replays logs; what is on the boot filesystem is below [`BOOT`].
    pub fn content(&self, disk: &Path) -> Result<Content, String> {
        let volume = Mounted::new(disk, (self.volume, 0), "btrfs", "subvolid=5", false)?;
        let mut content = content::read(volume.mount.path())
            .map_err(|error| format!("the volume cannot be read: {error}"))?;
        if let Some(place) = self.boot {
            let boot = Mounted::new(disk, place, "ext4", "", false)?;
            let found =
                content::read(boot.mount.path()).map_err(|error| format!("/boot cannot be read: {error}"))?;
            content.extend(found.into_iter().map(|(path, node)| (format!("{BOOT}/{path}"), node)));
        }
        Ok(content)
    }

    /// What the boot loader is told to boot once, as it reads that: without what stands in logs. Fails if the disk has no boot loader, or not any
    /// more.
    pub fn once(&self, disk: &Path) -> Result<Option<String>, String> {
        if self.has_esp {
            // Without the block GRUB boots the default.
            return Esp::of(disk)
                .map(|esp| esp.once())
                .ok_or_else(|| "there is no EFI system partition".into());
        }
        self.area(disk).map(|area| area.once()).ok_or_else(|| "extlinux has no area".into())
    }

    fn area(&self, disk: &Path) -> Option<Adv> {
        let Some(place) = self.boot else {
            return area(&File::open(disk).expect("the disk"), self.volume + ON_BTRFS);
        };
        let boot = Mounted::new(disk, place, "ext4", "noload", true).ok()?;
        let file = File::open(boot.mount.path().join(LOADER)).ok()?;
        let size = file.metadata().expect("the loader").len();
        area(&file, size.checked_sub(SIZE as u64)?)
    }

    /// The menu that a kernel sees.
    pub fn menu(&self, disk: &Path) -> Result<Menu, String> {
        let (place, kind) = match self.boot {
            Some(place) => (place, "ext4"),
            None => ((self.volume, 0), "btrfs"),
        };
        let mounted = Mounted::new(disk, place, kind, "", false)?;
        let text = fs::read_to_string(mounted.mount.path().join("extlinux.conf"))
            .map_err(|error| format!("the menu after replay: {error}"))?;
        Ok(Menu::parse(&text))
    }

    /// Has the filesystems' own programs look for damage.
    pub fn check(&self, disk: &Path) -> Result<(), String> {
        let attach = |(start, size)| attached(disk, (start, size), true);
        let device = attach((self.volume, 0))?;
        run("btrfs", &["check", "--readonly"], &device)?;
        match self.boot {
            Some(place) => run("e2fsck", &["-f", "-n"], &attach(place)?),
            None => Ok(()),
        }
    }
}

fn area(file: &File, offset: u64) -> Option<Adv> {
    let mut area = [0; SIZE];
    file.read_exact_at(&mut area, offset).expect("the area of extlinux");
    Adv::parse(&area)
}

fn run(program: &str, arguments: &[&str], device: &LoopDevice) -> Result<(), String> {
    let mut command = std::process::Command::new(program);
    let done = crate::programs::run(command.args(arguments).arg(device.path()));
    if done.code == 0 { Ok(()) } else { Err(format!("{program}: {}{}", done.stdout, done.stderr)) }
}

impl Mounted {
    fn new(
        disk: &Path,
        place: (u64, u64),
        kind: &str,
        options: &str,
        read_only: bool,
    ) -> Result<Self, String> {
        let device = attached(disk, place, read_only)?;
        let flags = if read_only { MsFlags::MS_RDONLY } else { MsFlags::empty() };
        let mount = PrivateMount::new(device.path(), kind, flags, options)
            .map_err(|error| format!("{kind} with {options:?} does not mount: {error}"))?;
        Ok(Mounted { mount, _device: device })
    }
}

fn attached(disk: &Path, (start, size): (u64, u64), read_only: bool) -> Result<LoopDevice, String> {
    let file = File::options().read(true).write(!read_only).open(disk).map_err(|error| error.to_string())?;
    LoopDevice::attach(&file, disk, start, size, read_only).map_err(|error| error.to_string())
}
