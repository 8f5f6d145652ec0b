//! An opened volume: its top-level directory, its boot files, and what they say. Answers questions; changes nothing.

mod boot_place;
mod disk;
mod faults;
mod live;
mod location;
mod mount;
mod open;
mod opening;
mod survey;
mod version;

use std::path::PathBuf;

pub use boot_place::{BootPlace, Kind};
pub use location::Location;
pub use opening::{Opening, Purpose};
pub use survey::Survey;
use system::dir::{Dir, MOST_TEXT};
use system::error::{Result, if_exists};
use system::lock::{Lock, Patience};
use system::loopdev::LoopDevice;
use system::mount::PrivateMount;
use system::superblock::Uuid;
pub use version::Version;

use crate::boot::{BootRecord, Menu, extlinux};
use crate::label::ExistingLabel;
use crate::layout::{self, DEFAULT, SYSTEMS};

/// A volume that is open, and locked where it was opened to be changed.
///
/// The fields are in the order in which they have to end: handles, then mounts, then what is mounted, then locks.
#[derive(Debug)]
pub struct Volume {
    top: Dir,
    boot: BootPlace,
    running: Option<ExistingLabel>,
    uuid: Option<Uuid>,
    part_uuid: Option<String>,
    path: PathBuf,
    name: PathBuf,
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

    /// Where the menu and the files that it names are.
    pub fn boot(&self) -> &BootPlace {
        &self.boot
    }

    /// The version that is running, where this is the volume of the running system.
    pub fn running(&self) -> Option<&ExistingLabel> {
        self.running.as_ref()
    }

    /// The UUID of the filesystem, from its superblock; `None` where it is not btrfs.
    pub fn uuid(&self) -> Option<Uuid> {
        self.uuid
    }

    /// The partition's UUID, where the volume is a partition: the kernel finds it by that without an initramfs.
    pub fn part_uuid(&self) -> Option<&str> {
        self.part_uuid.as_deref()
    }

    /// How the user named the volume.
    pub fn name(&self) -> &std::path::Path {
        &self.name
    }

    /// Where the volume is mounted, for this process and its children.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The volume's lock, while it is held.
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// Changes the volume under its lock: the one that it was opened with, or else one that is taken only for this.
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

    /// What is wrong with a version, its tree aside: nothing where it is as deploying left it.
    pub fn faults(&self, label: &ExistingLabel) -> Result<Vec<String>> {
        faults::of(self, label)
    }

    /// What an operation has to know of the versions, read once.
    pub fn survey(&self) -> Result<Survey> {
        Survey::new(self)
    }

    /// The version of this label; one that is not there, or not complete, is an error that names those that are.
    pub fn require(&self, label: &ExistingLabel) -> Result<()> {
        self.survey()?.require(self, label)
    }

    /// A version's directory.
    pub fn version_dir(&self, label: &ExistingLabel) -> Result<Dir> {
        self.top.dir(layout::version(label))
    }

    /// The default: the menu's, or the link's where there is no menu. `None` where neither names a version that is there.
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

    /// What a version boots with: its record, or its entry in the menu where it has none (versions of the original tools).
    pub fn boot_record(&self, label: &ExistingLabel, menu: &Menu) -> Result<Option<BootRecord>> {
        let path = layout::in_version(label, layout::BOOT_RECORD);
        match self.top.read_if_exists(&path, MOST_TEXT)? {
            Some(bytes) => BootRecord::parse(&bytes, &self.top.shown(&path)).map(Some),
            None => Ok(extlinux::record_from(menu, label)),
        }
    }

    /// Fails, naming the process, where some process has this version mounted.
    pub fn refuse_live(&self, label: &ExistingLabel) -> Result<()> {
        live::refuse(self, label)
    }

    /// Ends the use of the volume; an image is then wholly on its disk.
    pub fn close(mut self) -> Result<()> {
        let (image, name) = (self.image.take(), self.name.clone());
        // Unmounted first: that writes, too.
        drop(self);
        image.map_or(Ok(()), |image| system::atomic::sync(image.file(), &name))
    }
}
