//! The catalogue of operations: the disk that each begins with, the program that it runs, and the versions that are there afterwards.
//!
//! Three kinds of tests take their operations from here: `steps*` lets every step of an operation fail, `full_disk` fills the disk, and
//! [`crate::crash`] cuts the power.

mod catalogue;

use std::path::Path;
use std::process::Command;

pub use self::catalogue::*;

use crate::disk::{self, Disk};
use crate::image::{self, Image};
use crate::inside;
use crate::programs::{Done, command, run};
use crate::running::Running;
use crate::ssh::Target;
use crate::sshd::Setup;
use crate::trees::Trees;
use crate::version::manage_at;

/// The version that operations are about; `factory` stands beside it, and is the default before.
pub const LABEL: &str = "devel";
/// One more version beside it.
pub const SPARE: &str = "spare";

/// What has become of a trial of [`LABEL`] before an operation. The boot loader is extlinux, or GRUB where there is an EFI system partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// There was none, and there is no boot loader.
    None,
    /// There was none.
    Possible,
    /// The next boot is the trial.
    Armed,
    /// The boot loader has booted it, and it is to be tried once more if it comes back.
    Booted,
}

/// How much of a version is on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Nothing.
    None,
    /// Something; before an operation, its tree alone.
    Part,
    /// All of it.
    Whole,
}

/// An operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// Its name, also on the command line.
    pub name: &'static str,
    /// The partitions of its disk.
    pub disk: Disk,
    /// How much of [`LABEL`] is on the disk before it.
    pub before: Extent,
    /// Whether [`SPARE`] is on it too.
    pub spare: bool,
    /// Whether the administrator edited `/etc` after [`LABEL`] was made, so that there is something to merge, or to merge again.
    pub edited: bool,
    /// What has become of a trial of [`LABEL`].
    trial: Trial,
    /// The program that does it.
    action: Action,
    /// How much of [`LABEL`] is on the disk after it.
    pub after: Extent,
    /// The versions that it may change; all others stay as they were.
    pub touched: &'static [&'static str],
    /// The words by which it refuses to be done a second time. `None`: it can be done a second time.
    pub refusal: Option<&'static str>,
}

/// A program and its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// `system-version-manager` with these arguments.
    Manage(&'static [&'static str]),
    /// The same in [`LABEL`], which runs.
    Inside(&'static [&'static str]),
    /// `baserock-system-config-sync` with these arguments.
    ConfigSync(&'static [&'static str]),
    /// `system-version-manager` makes the second tree a version.
    Import,
    /// `rawdisk.write` of the first tree to a new disk.
    Create,
    /// `rawdisk.write` of the second tree to a disk that has the first.
    Upgrade,
    /// `system-version-manager` fetches the second tree from a repository.
    Fetch,
    /// `ssh-rsync.write` of the second tree to a running system of the first.
    Push,
}

impl Operation {
    /// The same where `/boot` is a filesystem of its own.
    #[must_use]
    pub const fn with_boot(self, name: &'static str) -> Operation {
        Operation { name, disk: Disk::WithBoot, ..self }
    }

    /// The same on a disk for UEFI.
    #[must_use]
    pub const fn with_esp(self, name: &'static str) -> Operation {
        Operation { name, disk: Disk::WithEsp, ..self }
    }

    /// The operation of this name.
    pub fn named(name: &str) -> Option<&'static Operation> {
        ALL.iter().find(|operation| operation.name == name)
    }

    /// Whether it is a push. A push takes seconds, and needs a running system.
    pub fn is_push(&self) -> bool {
        self.action == Action::Push
    }

    /// The versions that have only a tree before it, and again when it was undone.
    pub fn unfinished(&self) -> &'static [&'static str] {
        if self.before == Extent::Part { &[LABEL] } else { &[] }
    }

    /// Whether what a failed try has brought stays for the next one.
    pub fn keeps(&self) -> bool {
        matches!(self.action, Action::Push | Action::Fetch)
    }

    /// Whether it removes a version. A removal is never undone: done again, it goes on where it stopped.
    pub fn removes(&self) -> bool {
        (self.before, self.after) == (Extent::Whole, Extent::None)
    }

    /// Whether it gives a version another label. It can stop while both are there, with the same content.
    pub fn renames(&self) -> bool {
        self.action == RENAME.action
    }

    /// Whether it adds a version and then chooses it. It can stop between the two.
    pub fn chooses_what_it_adds(&self) -> bool {
        [UPGRADE.action, PUSH.action].contains(&self.action)
    }

    /// Makes the disk that it begins with.
    pub fn prepare(&self, trees: &Trees, path: &Path) {
        if self.action == Action::Create {
            return;
        }
        run(&mut self.disk.write(trees, path, self.megabytes())).ok();
        disk::edit(path, "first");
        if self.spare {
            disk::deploy(trees, path, SPARE);
        }
        match self.before {
            Extent::None => {}
            Extent::Part => disk::put(trees, path, LABEL),
            Extent::Whole => disk::deploy(trees, path, LABEL),
        }
        if self.action == FINISH.action || self.name.starts_with(RENAME_DEFAULT.name) {
            manage_at(path, &["set-default", LABEL]).ok();
        }
        if self.trial != Trial::None {
            disk::put_loader(path);
        }
        if [Trial::Armed, Trial::Booted].contains(&self.trial) {
            manage_at(path, &["try", LABEL, "--without-units", "--tries", "2"]).ok();
        }
        if self.trial == Trial::Booted {
            disk::boot_once(path);
        }
        if [UNPIN.action, NOTE.action].contains(&self.action) {
            manage_at(path, &["pin", LABEL]).ok();
        }
        if self.edited {
            disk::edit(path, "after");
        }
        if self.is_push() {
            // The agent that a push leaves is there from the check before it.
            run(&mut Target::start_at(path, "factory", None).check(LABEL)).ok();
        }
        image::wait_until_free(path);
    }

    /// Makes that disk as an image.
    pub fn image(&self, trees: &Trees) -> Image {
        let image = Image::to_be();
        self.prepare(trees, &image.path());
        image
    }

    /// A push keeps half a gigabyte free for the running system.
    fn megabytes(&self) -> u32 {
        if self.is_push() { 1024 } else { 384 }
    }

    /// The command that does it to a disk. A push has none, see [`Operation::run`].
    pub fn command(&self, trees: &Trees, path: &Path) -> Command {
        let tool = |name: &str, arguments: &[&str]| {
            let mut tool = command(name);
            tool.arg("--volume").arg(path).args(arguments);
            tool
        };
        match self.action {
            Action::Manage(arguments) => tool("system-version-manager", arguments),
            Action::Inside(arguments) => inside::manage(path, LABEL, arguments),
            Action::Import => {
                let mut import = tool("system-version-manager", &["import", LABEL]);
                import.arg(trees.second());
                import
            }
            Action::Fetch => {
                let publisher = trees.published(LABEL);
                publisher.fetching(path, publisher.path().to_str().expect("text"), &[])
            }
            Action::ConfigSync(arguments) => tool("baserock-system-config-sync", arguments),
            Action::Create => self.disk.write(trees, path, self.megabytes()),
            Action::Upgrade => {
                let mut write = command("rawdisk-write");
                write.arg(trees.second()).arg(path).env("BOOTLOADER_INSTALL", "none");
                write.env("UPGRADE", "yes").env("VERSION_LABEL", LABEL).env("MERGE_ETC", "yes");
                write
            }
            Action::Push => panic!("a push needs a system that runs"),
        }
    }

    /// Does it. The program that changes the disk gets these variables.
    pub fn run(&self, trees: &Trees, path: &Path, environment: &[(&str, &str)]) -> Done {
        if !self.is_push() {
            return run(self.command(trees, path).envs(environment.iter().copied()));
        }
        let setup = Setup { environment, ..Setup::default() };
        let target = Target::of(Running::start_at(path, "factory"), &setup);
        let done = run(&mut target.push(&trees.second(), LABEL));
        drop(target);
        image::wait_until_free(path);
        done
    }

    /// Does it again to its end after an interruption that left this much of [`LABEL`].
    pub fn again(&self, trees: &Trees, path: &Path, there: Extent) -> Result<(), String> {
        let done = self.run(trees, path, &[]);
        if self.action == CONFIRM.action {
            // It may have been confirmed. What is left then is tidied up by the next operation.
            if done.code != 1 || !self.refusal.is_some_and(|words| done.stderr.contains(words)) {
                succeeded(&done)?;
            }
            image::wait_until_free(path);
            return succeeded(&manage_at(path, &["set-default", LABEL]));
        }
        let refusal = self.refusal.filter(|_| there == self.after);
        let Some(refusal) = refusal else { return succeeded(&done) };
        // It was complete already, so it refuses.
        if done.code != 1 || !done.stderr.contains(refusal) {
            return Err(format!("doing again what was done: {} {}", done.code, done.stderr));
        }
        if self.chooses_what_it_adds() {
            return succeeded(&manage_at(path, &["set-default", LABEL]));
        }
        if self.action == IMPORT.action {
            // It refuses before it looks at the menu, in which the version may be missing. The next operation adds it.
            return succeeded(&manage_at(path, &["set-default", "factory"]));
        }
        Ok(())
    }
}

fn succeeded(done: &Done) -> Result<(), String> {
    if done.code == 0 { Ok(()) } else { Err(format!("doing it again: exit {}: {}", done.code, done.stderr)) }
}
