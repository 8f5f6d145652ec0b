//! An opened volume: its top-level directory, its boot files and its versions. It answers questions and changes nothing.

mod boot_place;
mod conflicts;
mod details;
mod disk;
mod esp;
mod faults;
mod filesystem;
mod history;
mod layers;
mod live;
mod location;
mod merged;
mod mount;
mod one_shot;
mod open;
mod opening;
mod source;
mod standing;
mod subvolumes;
mod survey;
mod trial;
mod version;

use std::path::PathBuf;

pub use boot_place::{BootPlace, Kind};
pub use conflicts::OpenConflict;
pub use details::Details;
pub use esp::{Esp, OpenEsp};
pub use layers::{Layer, Layers};
pub use location::Location;
pub use merged::LateChanges;
pub use one_shot::{Block, Extlinux, GRUB_PLACES, LOADER, ON_BTRFS, OneShot, Place, Way};
pub use opening::{Opening, Purpose};
pub use subvolumes::Subvolume;
pub use survey::Survey;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Result, if_exists};
use system::lock::{Lock, Patience};
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::superblock::Uuid;
pub use version::Version;

use crate::boot::{BootRecord, Menu, entry, extlinux};
use crate::label::ExistingLabel;
use crate::layout::{self, DEFAULT, SYSTEMS};

/// An open volume. It is locked if it was opened for changes.
///
/// The fields are in the order in which they must be dropped: handles, then mounts, then the mounted devices, then locks.
#[derive(Debug)]
pub struct Volume {
    top: Dir,
    boot: BootPlace,
    esp: Option<Esp>,
    running: Option<ExistingLabel>,
    uuid: Option<Uuid>,
    part_uuid: Option<String>,
    device: Option<PathBuf>,
    path: PathBuf,
    name: PathBuf,
    user: Option<String>,
    lock: Option<Lock>,
    _mount: Option<PrivateMount>,
    _device: Option<LoopDevice>,
    image: Option<Lock>,
}

impl Volume {
    /// The top-level directory.
    pub fn top(&self) -> &Dir {
        &self.top
    }

    /// The place of the menu and of the files that it names.
    pub fn boot(&self) -> &BootPlace {
        &self.boot
    }

    /// The running version, if this is the volume of the running system.
    pub fn running(&self) -> Option<&ExistingLabel> {
        self.running.as_ref()
    }

    /// The UUID of the filesystem, from its superblock; `None` if it is not btrfs.
    pub fn uuid(&self) -> Option<Uuid> {
        self.uuid
    }

    /// The partition's UUID, if the volume is a partition. Even without an initramfs the kernel can find it by this.
    pub fn part_uuid(&self) -> Option<&str> {
        self.part_uuid.as_deref()
    }

    /// The block device with the volume's first superblock, if the volume is btrfs.
    pub fn device(&self) -> Option<&std::path::Path> {
        self.device.as_deref()
    }

    /// The EFI system partition of the volume's disk, opened; for changes if the volume's lock is held.
    pub fn esp(&self) -> Result<Option<OpenEsp>> {
        let beside = match (&self.esp, &self.device) {
            (None, Some(device)) => disk::esp_beside(device)?,
            _ => None,
        };
        self.esp.as_ref().or(beside.as_ref()).map(|esp| esp.open(self.lock.is_some())).transpose()
    }

    /// How the boot loader learns what it is to boot once.
    pub fn one_shot(&self) -> Result<OneShot> {
        one_shot::find(self)
    }

    /// The user's name for the volume.
    pub fn name(&self) -> &std::path::Path {
        &self.name
    }

    /// The same volume under another name for messages: the running system is the target to the sender of a push.
    #[must_use]
    pub fn named(mut self, name: impl Into<PathBuf>) -> Self {
        self.name = name.into();
        self
    }

    /// The same volume, changed on behalf of this person.
    #[must_use]
    pub fn for_user(mut self, user: Option<String>) -> Self {
        self.user = user;
        self
    }

    /// The person on whose behalf it is changed; `None` if that is not known, or if the machine does it by itself.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The path at which the volume is mounted, for this process and its children.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The volume's lock, while it is held.
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// Changes the volume under its lock. If it was not opened with the lock, the lock is taken only for this.
    pub fn while_locked<T>(
        &mut self,
        patience: Patience,
        change: impl FnOnce(&Volume) -> Result<T>,
    ) -> Result<T> {
        if self.lock.is_some() {
            return change(self);
        }
        self.lock = Some(open::lock_volume(self, patience)?);
        let outcome = change(self);
        self.lock = None;
        outcome
    }

    /// Every version, complete or not, sorted by label.
    pub fn versions(&self) -> Result<Vec<Version>> {
        version::all(self, self.default()?.as_ref())
    }

    /// The faults of a version outside its tree. There are none if it is as deploying left it.
    pub fn faults(&self, label: &ExistingLabel) -> Result<Vec<String>> {
        faults::of(self, label)
    }

    /// Reads once what an operation has to know of the versions.
    pub fn survey(&self) -> Result<Survey> {
        Survey::new(self)
    }

    /// Fails unless the version is complete. The error names the complete versions.
    pub fn require(&self, label: &ExistingLabel) -> Result<()> {
        self.survey()?.require(self, label)
    }

    /// A version's directory.
    pub fn version_dir(&self, label: &ExistingLabel) -> Result<Dir> {
        self.top.dir(layout::version(label))
    }

    /// The default: that of the menu, or that of the link if there is no menu. `None` if it names no existing version.
    pub fn default(&self) -> Result<Option<ExistingLabel>> {
        let linked = self.linked_default()?;
        Ok(match self.boot.menu()? {
            Some(menu) => extlinux::default_version(&menu, linked.as_ref()),
            None => linked,
        })
    }

    /// The version that the link `systems/default` names.
    pub fn linked_default(&self) -> Result<Option<ExistingLabel>> {
        let systems = self.top.dir(SYSTEMS)?;
        let Some(target) = if_exists(systems.read_link(DEFAULT))? else { return Ok(None) };
        Ok(target.file_name().and_then(ExistingLabel::of_file))
    }

    /// The boot parameters of a version, from its record. Versions of the original tools have no record; theirs come from the menu.
    pub fn boot_record(&self, label: &ExistingLabel, menu: &Menu) -> Result<Option<BootRecord>> {
        Ok(self.own_boot_record(label)?.or_else(|| entry::record_from(menu, label)))
    }

    /// The record of a version, if it has one.
    pub fn own_boot_record(&self, label: &ExistingLabel) -> Result<Option<BootRecord>> {
        let path = layout::in_version(label, layout::BOOT_RECORD);
        let bytes = self.top.read_if_exists(&path, MOST_TEXT)?;
        bytes.map(|bytes| BootRecord::parse(&bytes, &self.top.shown(&path))).transpose()
    }

    /// Fails if a process has this version mounted, or has its root in it. The error names the process.
    pub fn refuse_live(&self, label: &ExistingLabel) -> Result<()> {
        live::refuse(self, label)
    }

    /// Fails if a process uses this version in any way: also as its working directory, or by running a program of it.
    pub fn refuse_any_use(&self, label: &ExistingLabel) -> Result<()> {
        live::refuse_any(self, label)
    }

    /// All subvolumes of a version, also those that somebody has made in it.
    pub fn subvolumes(&self, label: &ExistingLabel) -> Result<Vec<Subvolume>> {
        subvolumes::of(self, label)
    }

    /// Ends the use of the volume. An image is completely on its disk afterwards.
    pub fn close(mut self) -> Result<()> {
        let (image, name) = (self.image.take(), self.name.clone());
        // The volume is unmounted first, because that writes to the image, too.
        drop(self);
        image.map_or(Ok(()), |image| system::atomic::sync(image.file(), &name))
    }
}
