//! The operations that the power is cut in: how the disk is made for each, how it is done, and how it is done again afterwards.

use std::fs;
use std::path::Path;
use std::process::Command;

use system::btrfs::{self, Access};

use crate::image::{Mounted, volume_offset, wait_until_free};
use crate::programs::{Done, command, run};
use crate::ssh::Target;
use crate::trees::Trees;
use crate::version::manage_at;

/// One operation on one kind of disk.
pub struct Operation {
    /// Its name on the command line.
    pub name: &'static str,
    /// Whether `/boot` is an ext4 of its own.
    boot: bool,
    kind: Kind,
    /// How many seconds doing it again takes, compared with all else: those that take long are done again at fewer points.
    pub is_slow: bool,
}

/// How much there is of the version `devel` after a power cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Not,
    /// Something.
    Part,
    /// All of it.
    Complete,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Deploy,
    SetDefault,
    Remove,
    Sync,
    Merge,
    Upgrade,
    Push,
}

/// All of them.
pub const ALL: [Operation; 13] = [
    of("deploy", Kind::Deploy, false),
    of("deploy-boot", Kind::Deploy, true),
    of("set-default", Kind::SetDefault, false),
    of("set-default-boot", Kind::SetDefault, true),
    of("remove", Kind::Remove, false),
    of("remove-boot", Kind::Remove, true),
    of("sync", Kind::Sync, false),
    of("sync-boot", Kind::Sync, true),
    of("merge", Kind::Merge, false),
    of("upgrade", Kind::Upgrade, false),
    of("upgrade-boot", Kind::Upgrade, true),
    of("push", Kind::Push, false),
    of("push-boot", Kind::Push, true),
];

const fn of(name: &'static str, kind: Kind, boot: bool) -> Operation {
    Operation { name, boot, kind, is_slow: matches!(kind, Kind::Push) }
}

/// The size of the disks; a push keeps half a gigabyte free for the running system.
const SIZE: &str = "384M";
const SIZE_FOR_PUSHES: &str = "1G";
/// A disk with a `/boot` of its own.
const PARTITIONS: &str = "partition_table_format: mbr\npartitions:\n\
                          - {size: 48M, filesystem: ext4, mountpoint: /boot}\n- {size: fill, filesystem: btrfs, mountpoint: /}\n";

impl Operation {
    /// The operation of this name.
    pub fn named(name: &str) -> Option<&'static Operation> {
        static LIST: [Operation; ALL.len()] = ALL;
        LIST.iter().find(|operation| operation.name == name)
    }

    /// Makes the disk that it begins with.
    pub fn prepare(&self, trees: &Trees, disk: &Path) {
        self.make(trees, disk);
        if self.kind == Kind::Sync || self.kind == Kind::Remove {
            deployed(trees, disk, "other");
        }
        match self.kind {
            Kind::Deploy => put(trees, disk, "devel"),
            Kind::SetDefault | Kind::Remove | Kind::Sync | Kind::Merge => deployed(trees, disk, "devel"),
            Kind::Upgrade | Kind::Push => {}
        }
        // What the administrator does afterwards: /etc is to be merged, or merged again.
        edit(disk, "after");
        if self.kind == Kind::Push {
            // The agent that a push leaves is there from the check before it.
            let target = Target::start_at(disk, "factory", None);
            run(&mut target.check("devel")).ok();
        }
        wait_until_free(disk);
    }

    /// Does it.
    pub fn run(&self, trees: &Trees, disk: &Path) -> Done {
        match self.kind {
            Kind::Deploy => manage_at(disk, &["deploy", "/systems/devel/orig"]),
            Kind::SetDefault => manage_at(disk, &["set-default", "devel"]),
            Kind::Remove => manage_at(disk, &["remove", "devel"]),
            Kind::Sync => config_sync(disk, &["sync", "factory"]),
            Kind::Merge => config_sync(disk, &["merge", "factory", "devel"]),
            Kind::Upgrade => upgrade(trees, disk),
            Kind::Push => push(trees, disk),
        }
    }

    /// Does it again after a power cut in the middle of it, to its end. What was done to its end already is refused, but for a push.
    pub fn again(&self, trees: &Trees, disk: &Path, there: There) -> Result<(), String> {
        let done = self.run(trees, disk);
        let refusal = match self.kind {
            Kind::Deploy => "is deployed already",
            Kind::Remove => "does not exist",
            Kind::Upgrade => "exists",
            // A push that was done to its end succeeds once more, since its sender may not have heard of it.
            _ => return succeeded(&done),
        };
        // What was done to its end before the power went cannot be done once more.
        let is_done = if self.kind == Kind::Remove { There::Not } else { There::Complete };
        if there != is_done {
            return succeeded(&done);
        }
        if done.code != 1 || !done.stderr.contains(refusal) {
            return Err(format!("doing again what was done: {} {}", done.code, done.stderr));
        }
        match self.kind {
            Kind::Upgrade => succeeded(&manage_at(disk, &["set-default", "devel"])),
            _ => Ok(()),
        }
    }

    fn make(&self, trees: &Trees, disk: &Path) {
        let mut write = command("rawdisk-write");
        let size = if self.kind == Kind::Push { SIZE_FOR_PUSHES } else { SIZE };
        write.arg(trees.first()).arg(disk).env("DISK_SIZE", size).env("BOOTLOADER_INSTALL", "none");
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        if self.boot {
            fs::write(&file, PARTITIONS).expect("a partition file");
            write.env("USE_PARTITIONING", "yes").env("PARTITION_FILE", file.path());
        }
        run(&mut write).ok();
        edit(disk, "first");
    }
}

fn succeeded(done: &Done) -> Result<(), String> {
    if done.code == 0 { Ok(()) } else { Err(format!("doing it again: exit {}: {}", done.code, done.stderr)) }
}

fn config_sync(disk: &Path, arguments: &[&str]) -> Done {
    run(command("baserock-system-config-sync").arg("--volume").arg(disk).args(arguments))
}

fn upgrade(trees: &Trees, disk: &Path) -> Done {
    let mut write = command("rawdisk-write");
    write.arg(trees.second()).arg(disk).env("UPGRADE", "yes").env("VERSION_LABEL", "devel");
    run(write.env("MERGE_ETC", "yes").env("BOOTLOADER_INSTALL", "none"))
}

fn push(trees: &Trees, disk: &Path) -> Done {
    let target = Target::start_at(disk, "factory", None);
    let done = run(&mut target.push(&trees.second(), "devel"));
    drop(target);
    wait_until_free(disk);
    done
}

/// The top level of the disk's volume.
fn top(disk: &Path) -> Mounted {
    Mounted::at(disk, volume_offset(disk), "subvolid=5")
}

/// Puts the second tree at `systems/LABEL/orig`.
fn put(trees: &Trees, disk: &Path, label: &str) {
    let mounted = top(disk);
    let systems = mounted.dir().dir("systems").expect("systems");
    systems.make_dir(label, 0o755).expect("a version's directory");
    let version = systems.dir(label).expect("it");
    let base = systems.dir("factory/orig").expect("orig of factory");
    btrfs::snapshot(&base, &version, "orig", Access::Writable).expect("a snapshot");
    let orig = mounted.path().join("systems").join(label).join("orig/");
    run(Command::new("rsync").arg("-aHAX").arg("--delete").arg(trees.second().join("")).arg(orig)).ok();
}

fn deployed(trees: &Trees, disk: &Path, label: &str) {
    put(trees, disk, label);
    manage_at(disk, &["deploy", &format!("/systems/{label}/orig")]).ok();
}

/// The administrator's edits in factory's `/etc`, and files in the shared state.
fn edit(disk: &Path, when: &str) {
    let mounted = top(disk);
    let etc = mounted.path().join("systems/factory/run/etc");
    let vendor = fs::read_to_string(etc.join("vendor.conf")).expect("the vendor's file");
    fs::write(etc.join("vendor.conf"), vendor.replace("last = yes", &format!("last = {when}")))
        .expect("an edit");
    fs::write(etc.join("clash.conf"), format!("mine, {when}\n")).expect("an edit");
    fs::write(etc.join(format!("own-{when}")), "mine\n").expect("a file");
    for (name, size) in [("var/log", 3_000), ("home/mine", 100_000), ("root/note", 10)] {
        let place = mounted.path().join("state").join(format!("{name}-{when}"));
        fs::write(place, vec![b'x'; size]).expect("a file of the shared state");
    }
}
