//! Deploys a version: makes the tree at `systems/LABEL/orig` bootable.

use std::path::Path;

use system::atomic;
use system::btrfs::{self, Access};
use system::dir::{Dir, MOST_TEXT};
use system::error::{Error, Result};
use system::flags;
use system::inode::is_link;
use system::observer::Observer;
use system::owners::IdMoves;
use system::signal;
use system::undo::{Undo, tidy};

use super::etc::{EtcMerge, Merged};
use super::state::{self, Shipped};
use super::{
    Prune, ballast, boot_files, etc, full, loader_limits, losses, marker, menu, prune, repair, trial,
};
use crate::boot::parameters::MenuFormat;
use crate::boot::{BootRecord, Menu, Parameters, cmdline, entry};
use crate::fstab::Fstab;
use crate::label::{ExistingLabel, Label};
use crate::layout::{self, BOOT_RECORD, INCOMPLETE, ORIG, REMARKS, RUN};
use crate::refusal::Refusal;
use crate::remarks::Remarks;
use crate::rootfs::databases;
use crate::rootfs::deployment;
use crate::rootfs::kernel::{BootFiles, DeviceTrees, boot_files as find_boot_files};
use crate::rootfs::shared::{Shared, shared_of};
use crate::volume::{Survey, Volume};

/// The options of a deployment.
#[derive(Clone, Debug)]
pub struct Deploy {
    /// The version. Its `orig` must be in place.
    pub label: Label,
    /// The boot parameters. Missing ones are taken from the version's own metadata.
    pub parameters: Parameters,
    /// The options of the merge of `/etc`; `None` leaves it as built.
    pub etc: Option<EtcMerge>,
    /// If it is given, only so many of the newest versions stay, and those that must ([`prune()`]).
    pub keep: Option<usize>,
}

/// The result of a deployment.
#[derive(Clone, Debug, Default)]
pub struct Deployed {
    /// The merge of `/etc`, if there was one.
    pub merged: Option<Merged>,
}

/// All decisions. They are made before anything is changed.
struct Plan {
    old: Option<ExistingLabel>,
    files: Option<BootFiles>,
    record: BootRecord,
    etc: Option<EtcMerge>,
    remarks: Remarks,
}

/// Deploys the version. The default stays the same. If there was none, the version becomes the default.
///
/// When this returns, the version is complete and on the disk. After a failure, or after a crash and another try that fails, only its
/// `orig` is left.
pub fn deploy(volume: &Volume, options: &Deploy, observer: &dyn Observer) -> Result<Deployed> {
    full::explain(volume, Some(&options.label), attempt(volume, options, observer))
}

fn attempt(volume: &Volume, options: &Deploy, observer: &dyn Observer) -> Result<Deployed> {
    let label = &options.label;
    let survey = volume.survey()?;
    repair::require_nameable_default(&survey)?;
    let survey = repair::repair(volume, &survey, observer)?;
    let version = check(volume, &survey, label)?;
    trial::record::call_off(volume, None, observer)?;
    start_over(volume, label, &version)?;
    let plan = plan(volume, &survey, options, &version.dir(ORIG)?)?;
    let survey = make_room(volume, survey, options, observer)?;
    for limit in loader_limits::exceeded(volume)? {
        observer.warn(limit);
    }
    if let Some(files) = plan.files.as_ref().filter(|files| !files.others.is_empty()) {
        let others: Vec<_> = files.others.iter().map(|path| path.display().to_string()).collect();
        observer.warn(format!(
            "{label} boots {} without an initramfs: none of those in the tree belongs to it ({})",
            files.kernel.shown.display(),
            others.join(", ")
        ));
    }

    let mut undo = Undo::new();
    undo.push(format!("clear {}", version.shown(INCOMPLETE).display()), || marker::clear(&version));
    marker::set(&version)?;
    undo.push(format!("remove what was begun of {label}"), || take_back(volume, label, &version));
    let deployed = build(volume, options, &plan, &version, &mut undo, observer)?;
    // A version that was left without a merge may have edits that nobody thinks of any more.
    etc::name_forgotten(volume, &survey.complete, plan.old.as_ref(), label, observer)?;
    boot_files::commit_all(volume)?;
    boot_files::check(volume, label)?;
    signal::check()?;

    observer.phase(format!("making {label} bootable"));
    marker::clear(&version)?;
    undo.push(format!("mark {label} as incomplete"), || marker::set(&version));
    // If a later step fails, the menu may name the version already. It must stop doing so before the version is removed.
    if let Some(default) = &survey.default {
        undo.push(format!("take {label} out of the boot menu"), || {
            menu::write(volume, &volume.survey()?, default, Some(label), observer).map(drop)
        });
    }
    let complete = survey.with(volume, label)?;
    menu::write(volume, &complete, survey.default.as_ref().unwrap_or(label), None, observer)?;
    undo.commit();
    tidy(marker::discard_thawed(&version));
    ballast::ensure(volume)?;
    Ok(deployed)
}

/// Removes old versions, if that is wanted. Returns the survey of afterwards.
fn make_room(volume: &Volume, survey: Survey, options: &Deploy, observer: &dyn Observer) -> Result<Survey> {
    let Some(keep) = options.keep else { return Ok(survey) };
    let pruned = prune(volume, &Prune { keep: Some(keep), before: None }, observer)?;
    if pruned.removed.is_empty() { Ok(survey) } else { volume.survey() }
}

/// The version's directory, if it can be deployed.
fn check(volume: &Volume, survey: &Survey, label: &ExistingLabel) -> Result<Dir> {
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

/// Deletes the unfinished work of an earlier deployment of the same label.
fn start_over(volume: &Volume, label: &ExistingLabel, version: &Dir) -> Result<()> {
    if version.has(INCOMPLETE)? {
        take_back(volume, label, version)?;
        marker::clear(version)?;
    }
    Ok(())
}

/// Deletes everything that a deployment makes. The user's `orig` is at its place afterwards.
fn take_back(volume: &Volume, label: &ExistingLabel, version: &Dir) -> Result<()> {
    boot_files::uninstall(volume, label)?;
    if version.has(marker::FROZEN)? && btrfs::access(&version.dir(marker::FROZEN)?)? == Access::Writable {
        atomic::exchange(version, ORIG, version, marker::FROZEN)?;
    }
    marker::delete_covered(version)?;
    boot_files::commit_all(volume)
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
fn plan(volume: &Volume, survey: &Survey, options: &Deploy, orig: &Dir) -> Result<Plan> {
    let label = &options.label;
    boot_files::refuse_case_clash(volume, label)?;
    let old = survey.running.clone().or_else(|| survey.default.clone());
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

/// Makes all parts of the version, including boot files and shared state. The menu does not name it yet.
fn build<'v>(
    volume: &'v Volume,
    options: &Deploy,
    plan: &Plan,
    version: &'v Dir,
    undo: &mut Undo<'v>,
    observer: &dyn Observer,
) -> Result<Deployed> {
    let label = &options.label;
    observer.phase(format!("snapshotting {}", version.shown(ORIG).display()));
    freeze(version, observer)?;
    let orig = version.dir(ORIG)?;
    btrfs::snapshot(&orig, version, RUN, Access::Writable)?;
    let run = version.dir(RUN)?;
    let shared = prepare_run(volume, &orig, &run)?;
    signal::check()?;

    // These come first, because the disk can write them while the other work goes on.
    if let Some(files) = &plan.files {
        observer.phase(format!("copying /{} and what belongs to it", files.kernel.path.display()));
        boot_files::install(volume, label, files)?;
    }
    signal::check()?;
    let merged = match (&plan.etc, &plan.old) {
        (Some(how), Some(old)) => Some(etc::merge_into(volume, old, label, how, observer)?),
        _ => None,
    };
    version.write_new(BOOT_RECORD, 0o644, &plan.record.render())?;
    if plan.remarks != Remarks::default() {
        version.write_new(REMARKS, 0o644, &plan.remarks.render())?;
    }
    signal::check()?;

    let moves = merged.as_ref().map_or_else(IdMoves::default, |merged| merged.moves.clone());
    let old =
        plan.old.as_ref().map(|old| volume.version_dir(old)?.dir_if_exists(ORIG)).transpose()?.flatten();
    let kept = databases::kept(&orig, &run)?;
    let shipped = Shipped { new: &orig, old: old.as_ref(), shared: &shared, kept: &kept, moves: &moves };
    state::add_missing(volume, &shipped, undo, observer)?;
    if let Some(old) = &plan.old {
        losses::name(volume, old, label, observer)?;
    }
    Ok(Deployed { merged })
}

/// Replaces `orig` by a read-only snapshot of itself. A process that has a file in it open can only write to the old one, which is deleted.
fn freeze(version: &Dir, observer: &dyn Observer) -> Result<()> {
    let orig = version.dir(ORIG)?;
    if btrfs::access(&orig)? == Access::ReadOnly {
        return Ok(());
    }
    // A subvolume whose top has such a flag cannot be renamed.
    if flags::lift(version, Path::new(ORIG))?.is_some() {
        observer.warn(format!("{} was protected by chattr; that was cleared", version.shown(ORIG).display()));
    }
    btrfs::snapshot(&orig, version, marker::FROZEN, Access::ReadOnly)?;
    drop(orig);
    atomic::exchange(version, ORIG, version, marker::FROZEN)
}

/// Moves package databases to where the version keeps them, completes fstab in `run`, and empties its mount points. Returns the shared
/// directories that it mounts.
fn prepare_run(volume: &Volume, orig: &Dir, run: &Dir) -> Result<Vec<Shared>> {
    let etc = run.ensure_dir("etc", 0o755)?;
    let before = Fstab::parse(&etc.read_if_exists("fstab", MOST_TEXT)?.unwrap_or_default());
    if volume.uuid().is_some() {
        databases::keep(orig, run, &before)?;
    }
    let after = before.completed(&state::fstab_lines(volume, orig, Some(run))?);
    if after != before {
        atomic::rewrite(&etc, "fstab", 0o644, &after.render())?;
    }
    let shared = state::shared_by(&after, orig)?;
    // Those that are links are mounted in another shared directory.
    let own = shared.iter().filter(|shared| shared.place == Path::new(shared.name));
    state::empty_mount_points(run, own.map(|shared| shared.place.as_path()))?;
    let others = state::disk_mounts(volume)?;
    let places = others.lines().iter().filter(|line| after.lines().contains(line));
    state::empty_mount_points(run, places.filter_map(|line| line.target.as_deref()))?;
    databases::make_places(orig, run)?;
    Ok(shared)
}
