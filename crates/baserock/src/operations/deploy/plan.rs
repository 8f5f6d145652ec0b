//! Decides how a version is deployed, before anything is changed.

use std::path::Path;

use system::btrfs;
use system::dir::Dir;
use system::error::{Error, Result};
use system::inode::is_link;
use system::observer::Observer;

use super::Deploy;
use crate::boot::parameters::MenuFormat;
use crate::boot::{BootRecord, Menu, Parameters, cmdline, entry};
use crate::label::ExistingLabel;
use crate::layout::{self, INCOMPLETE, ORIG, RUN};
use crate::operations::etc::{self, EtcMerge};
use crate::operations::{boot_files, loader_limits};
use crate::refusal::Refusal;
use crate::remarks::Remarks;
use crate::rootfs::deployment;
use crate::rootfs::kernel::{BootFiles, DeviceTrees, boot_files as find_boot_files};
use crate::rootfs::shared::shared_of;
use crate::volume::{Survey, Volume};

/// All decisions. They are made before anything is changed.
pub struct Plan {
    /// The version from which `/etc` is merged.
    pub old: Option<ExistingLabel>,
    /// What it boots with; `None` if another boot loader starts it.
    pub files: Option<BootFiles>,
    /// The parameters with which it boots.
    pub record: BootRecord,
    /// The options of the merge of `/etc`.
    pub etc: Option<EtcMerge>,
    /// The note and the revision that the deployer gave.
    pub remarks: Remarks,
}

impl Plan {
    /// Names what the user should know of it.
    pub fn name(&self, volume: &Volume, label: &ExistingLabel, observer: &dyn Observer) -> Result<()> {
        for limit in loader_limits::exceeded(volume)? {
            observer.warn(limit);
        }
        if let Some(files) = self.files.as_ref().filter(|files| !files.others.is_empty()) {
            let others: Vec<_> = files.others.iter().map(|path| path.display().to_string()).collect();
            observer.warn(format!(
                "{label} boots {} without an initramfs: none of those in the tree belongs to it ({})",
                files.kernel.shown.display(),
                others.join(", ")
            ));
        }
        Ok(())
    }

    /// The tree of the old version as it was built.
    pub fn old_orig(&self, volume: &Volume) -> Result<Option<Dir>> {
        Ok(self.old.as_ref().map(|old| volume.version_dir(old)?.dir_if_exists(ORIG)).transpose()?.flatten())
    }
}

/// The version's directory, if it can be deployed.
pub fn check(volume: &Volume, survey: &Survey, label: &ExistingLabel) -> Result<Dir> {
    btrfs::require(volume.top())?;
    let shown = format!("/systems/{label}/{ORIG}");
    let missing =
        || Error::refused(format!("{shown} does not exist; put the tree there first, in a subvolume"));
    let version = volume.top().dir_if_exists(layout::version(label))?.ok_or_else(missing)?;
    let orig = version.dir_if_exists(ORIG)?.ok_or_else(missing)?;
    if !btrfs::is_subvolume(&orig)? {
        return Err(Refusal::NoSubvolume { orig: shown.into() }.into());
    }
    if version.has(INCOMPLETE)? {
        return Ok(version);
    }
    if survey.complete.contains(label) {
        return Err(Refusal::Deployed { label: label.clone() }.into());
    }
    if version.has(RUN)? {
        return Err(Refusal::Damaged { label: label.clone() }.into());
    }
    refuse_links(&orig, &shown)?;
    for inner in btrfs::nested(&orig)? {
        if !orig.dir(&inner)?.entries()?.is_empty() {
            return Err(Error::refused(format!(
                "{shown}/{} is a subvolume of its own and would be empty in the version; make it a directory",
                inner.display()
            )));
        }
    }
    Ok(version)
}

/// Fails if `etc` or its fstab is a link, because both are written anew in the version.
fn refuse_links(orig: &Dir, shown: &str) -> Result<()> {
    for (path, what) in [("etc", "directory"), ("etc/fstab", "file")] {
        if orig.stat_beneath(Path::new(path))?.is_some_and(|stat| is_link(&stat)) {
            return Err(Error::refused(format!(
                "{shown}/{path} is a symbolic link, and would be written to; make it a {what}"
            )));
        }
    }
    Ok(())
}

/// Fails if the tree cannot be deployed with these parameters: a kernel, initramfs or device tree is missing, or a value is wrong.
/// `has_menu` tells whether the disk has a boot menu already.
pub fn check_tree(orig: &Dir, parameters: &Parameters, has_menu: bool) -> Result<()> {
    let parameters = parameters.clone().or_meta(&deployment::meta(orig)?)?;
    check_arguments(&ExistingLabel::factory(), &parameters)?;
    shared_of(orig)?;
    find_files(orig, &parameters, has_menu).map(drop)
}

/// Fails if the arguments for the kernel that somebody gave are too long, or would change what boots.
pub fn check_arguments(label: &ExistingLabel, parameters: &Parameters) -> Result<()> {
    let arguments = parameters.kernel_args.as_deref().unwrap_or_default();
    cmdline::check_arguments(arguments)?;
    cmdline::compose(label, "", arguments).map(drop)
}

/// The boot files of the tree; `None` if another boot loader starts the system.
fn find_files(orig: &Dir, parameters: &Parameters, has_menu: bool) -> Result<Option<BootFiles>> {
    match parameters.menu_format(has_menu) {
        MenuFormat::None => Ok(None),
        MenuFormat::Extlinux => find_boot_files(orig, parameters).map(Some),
    }
}

/// Decides about the boot files, the boot parameters, and the version from which `/etc` is merged.
pub fn plan(volume: &Volume, survey: &Survey, options: &Deploy, orig: &Dir) -> Result<Plan> {
    let label = &options.label;
    boot_files::refuse_case_clash(volume, label)?;
    let old = survey.followed().cloned();
    let has_menu = survey.menu.is_some();
    let menu = survey.menu.clone().unwrap_or_default();
    let inherited = old.as_ref().map(|old| volume.boot_record(old, &menu)).transpose()?.flatten();
    let parameters = options.parameters.clone().or_meta(&deployment::meta(orig)?)?;
    check_arguments(label, &parameters)?;
    let files = find_files(orig, &parameters, has_menu)?;
    shared_of(orig)?;
    let root = root_device(volume, &parameters, files.as_ref(), inherited.as_ref(), &menu, label);
    let from_old = || Some(entry::inherited_arguments(&menu, old.as_ref()?, inherited?));
    let dtb = files.as_ref().and_then(|files| files.dtb.as_ref());
    let record = BootRecord {
        root,
        kernel_args: parameters.kernel_args.or_else(from_old).unwrap_or_default(),
        kernel: files.is_some(),
        initramfs: files.as_ref().is_some_and(|files| files.initramfs.is_some()),
        dtb: matches!(dtb, Some(DeviceTrees::One(_))),
        fdtdir: matches!(dtb, Some(DeviceTrees::Directory(_))),
    };
    cmdline::compose(label, &record.root, &record.kernel_args)?;
    if let (Some(how), Some(old)) = (&options.etc, &old)
        && how.program.is_none()
    {
        etc::require(volume, old)?;
    }
    let (note, revision) = (parameters.note.unwrap_or_default(), parameters.revision.unwrap_or_default());
    let remarks = Remarks { pinned: false, note, revision };
    Ok(Plan { old, files, record, etc: options.etc.clone(), remarks })
}

/// The root device on the kernel's command line.
fn root_device(
    volume: &Volume,
    parameters: &Parameters,
    files: Option<&BootFiles>,
    inherited: Option<&BootRecord>,
    menu: &Menu,
    label: &ExistingLabel,
) -> String {
    let has_initramfs = files.is_some_and(|files| files.initramfs.is_some());
    let earlier = || entry::record_from(menu, label).map(|record| record.root);
    let named = match (volume.uuid(), volume.part_uuid()) {
        (Some(uuid), _) if has_initramfs => Some(format!("UUID={uuid}")),
        (_, Some(partition)) => Some(format!("PARTUUID={partition}")),
        _ => parameters.root_device.clone().filter(|device| !device.is_empty()),
    };
    // A kernel without an initramfs cannot find a device by `UUID=`.
    let usable = |root: &String| has_initramfs || !root.starts_with("UUID=");
    let inherited = || inherited.map(|old| old.root.clone()).filter(usable);
    let booted = || volume.running().and_then(|_| running_root()).filter(usable);
    named.or_else(earlier).or_else(inherited).or_else(booted).unwrap_or_else(|| "/dev/sda".to_owned())
}

fn running_root() -> Option<String> {
    cmdline::take_apart(&std::fs::read_to_string("/proc/cmdline").ok()?).0
}
