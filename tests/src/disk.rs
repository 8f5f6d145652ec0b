//! Disks with versions of two trees, edited by an administrator.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use baserock::boot::adv::{Adv, SIZE};
use baserock::volume::{LOADER, ON_BTRFS};
use system::btrfs::{self, Access};

use crate::esp::Esp;
use crate::image::{self, Mounted, volume_offset};
use crate::programs::{command, run};
use crate::trees::Trees;
use crate::version::manage_at;

/// The partitions of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// None: the disk is one volume.
    Volume,
    /// A `/boot` and a volume.
    WithBoot,
    /// An EFI system partition with GRUB, and a volume.
    WithEsp,
    /// Partitions of every kind.
    EveryKind,
}

impl Disk {
    /// `rawdisk.write` of the first tree to a new disk of this size. No boot loader is installed but GRUB where there is a place for it.
    pub fn write(self, trees: &Trees, path: &Path, megabytes: u32) -> Command {
        let mut write = command("rawdisk-write");
        write.arg(trees.first()).arg(path);
        let loader = if self == Disk::WithEsp { "grub-efi" } else { "none" };
        write.env("DISK_SIZE", format!("{megabytes}M")).env("BOOTLOADER_INSTALL", loader);
        if let Some(name) = self.partitions() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("partitions").join(name);
            write.env("USE_PARTITIONING", "yes").env("PARTITION_FILE", file);
        }
        write
    }

    /// The file that lists its partitions.
    fn partitions(self) -> Option<&'static str> {
        match self {
            Disk::Volume | Disk::WithEsp => None,
            Disk::WithBoot => Some("boot.yaml"),
            Disk::EveryKind => Some("every-kind.yaml"),
        }
    }
}

/// Puts the area of extlinux on a disk or a device, as its installer does: on the volume, or at the end of its file in a `/boot`. A disk for UEFI
/// has GRUB already.
pub fn put_loader(disk: &Path) {
    if Esp::of(disk).is_some() {
        return;
    }
    if let Some(boot) = image::boot_at(disk) {
        let file = boot.path().join(LOADER);
        fs::write(&file, [7; 5000 + SIZE]).expect("the loader");
        change_flags("+i", &file);
    }
    write_area(disk, &Adv::default());
}

/// What the boot loader does: it takes what it is to boot once.
pub fn boot_once(disk: &Path) -> String {
    if let Some(esp) = Esp::of(disk) {
        return esp.take_once().unwrap_or_default();
    }
    let area = read_area(disk);
    write_area(disk, &area.clone().with_once(None).expect("room"));
    area.once().unwrap_or_default()
}

/// What extlinux is told.
pub fn read_area(disk: &Path) -> Adv {
    with_area(disk, |file, offset| {
        let mut area = [0; SIZE];
        file.read_exact_at(&mut area, offset).expect("the area of extlinux");
        Adv::parse(&area).expect("an area of extlinux")
    })
}

fn write_area(disk: &Path, adv: &Adv) {
    with_area(disk, |file, offset| file.write_all_at(&adv.to_bytes(), offset).expect("the area of extlinux"));
}

/// Does something with the file that has the area, and with the area's place there.
fn with_area<T>(disk: &Path, work: impl FnOnce(&File, u64) -> T) -> T {
    let open = |path: &Path| File::options().read(true).write(true).open(path).expect("the loader");
    let Some(boot) = image::boot_at(disk) else { return work(&open(disk), volume_offset(disk) + ON_BTRFS) };
    let path = boot.path().join(LOADER);
    change_flags("-i", &path);
    let file = open(&path);
    let size = file.metadata().expect("the loader").len();
    let outcome = work(&file, size - SIZE as u64);
    change_flags("+i", &path);
    outcome
}

fn change_flags(how: &str, path: &Path) {
    run(Command::new("chattr").arg(how).arg(path)).ok();
}

/// The top level of the disk's volume.
fn top(disk: &Path) -> Mounted {
    Mounted::at(disk, volume_offset(disk), "subvolid=5")
}

/// Puts the second tree at `systems/LABEL/orig`.
pub fn put(trees: &Trees, disk: &Path, label: &str) {
    let mounted = top(disk);
    let systems = mounted.dir().dir("systems").expect("systems");
    systems.make_dir(label, 0o755).expect("a version's directory");
    let version = systems.dir(label).expect("it");
    let base = systems.dir("factory/orig").expect("orig of factory");
    btrfs::snapshot(&base, &version, "orig", Access::Writable).expect("a snapshot");
    let orig = mounted.path().join("systems").join(label).join("orig/");
    run(Command::new("rsync")
        .args(["-aHAX", "--checksum", "--delete"])
        .arg(trees.second().join(""))
        .arg(orig))
    .ok();
}

/// Puts the second tree there, and deploys it.
pub fn deploy(trees: &Trees, disk: &Path, label: &str) {
    put(trees, disk, label);
    manage_at(disk, &["deploy", &format!("/systems/{label}/orig")]).ok();
}

/// The administrator's edits in factory's `/etc`, and files in the shared state.
pub fn edit(disk: &Path, when: &str) {
    let mounted = top(disk);
    let etc = mounted.path().join("systems/factory/run/etc");
    let vendor = fs::read_to_string(etc.join("vendor.conf")).expect("the vendor's file");
    let (parts, _) = vendor.split_once("last = ").expect("its last line");
    let files = [
        ("vendor.conf", format!("{parts}last = {when}\n")),
        ("clash.conf", format!("mine, {when}\n")),
        ("hostname", format!("mine-{when}\n")),
        ("os-release", format!("ID=mine\nVERSION_ID={when}\n")),
        (&format!("own-{when}"), "mine\n".into()),
    ];
    for (name, text) in files {
        fs::write(etc.join(name), text).expect("an edit");
    }
    let state = mounted.path().join("state");
    for (name, size) in [("var/log", 3_000), ("home/mine", 100_000), ("root/note", 10)] {
        fs::write(state.join(format!("{name}-{when}")), vec![b'x'; size])
            .expect("a file of the shared state");
    }
    fs::write(state.join("var/lib/thing/state"), format!("used, {when}\n")).expect("the state of a program");
}
