//! Refusals that have a remedy. The program names the remedy: an option, a command or a variable of its own.

mod room;

use std::path::PathBuf;

use system::Error;

pub use self::room::Room;

use crate::boot::BootFile;
use crate::etc::EtcPath;
use crate::etc::left::named;
use crate::label::ExistingLabel;

/// A refusal with a remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The running system has no versions.
    #[error("this is not a Baserock system: {found}, not /systems/LABEL/run on btrfs")]
    NotBaserock {
        /// The filesystem at `/`.
        found: String,
    },
    /// No version was ever made on the volume.
    #[error("{} holds no versions: there is no directory systems in it", volume.display())]
    NoVersions {
        /// The volume, as the user names it.
        volume: PathBuf,
    },
    /// Only root can mount.
    #[error("cannot mount {} privately: that takes root", volume.display())]
    NeedsRoot {
        /// The volume, as the user names it.
        volume: PathBuf,
    },
    /// The image is already attached to a loop device.
    #[error("{} is attached already, to {}", image.display(), device.display())]
    Attached {
        /// The image.
        image: PathBuf,
        /// The loop device.
        device: PathBuf,
    },
    /// The version is the running one.
    #[error("version {label} is running")]
    Running {
        /// Its label.
        label: ExistingLabel,
    },
    /// The version is the one that boots next.
    #[error("version {label} is the default")]
    Default {
        /// Its label.
        label: ExistingLabel,
    },
    /// The version is the one that boots if no other does.
    #[error("version {label} is what always boots")]
    AlwaysBoots {
        /// Its label: `factory`.
        label: ExistingLabel,
    },
    /// The version is pinned.
    #[error("version {label} is pinned")]
    Pinned {
        /// Its label.
        label: ExistingLabel,
    },
    /// The version is on trial.
    #[error("version {label} is on trial")]
    OnTrial {
        /// Its label.
        label: ExistingLabel,
    },
    /// No version is on trial.
    #[error("no version is on trial")]
    NoTrial,
    /// A version is on trial, and it is not running.
    #[error("version {label}, which is on trial, is not running")]
    TrialNotRunning {
        /// Its label.
        label: ExistingLabel,
    },
    /// The boot loader cannot boot a version once.
    #[error("the boot loader of {} cannot boot a version just once: {why}", volume.display())]
    NoOneShot {
        /// The volume, as the user names it.
        volume: PathBuf,
        /// The reason.
        why: String,
    },
    /// The version does not confirm a trial by itself, nor restart the machine at the deadline.
    #[error(
        "version {label} has no unit {unit} that is enabled, so nothing would confirm it or come back from it"
    )]
    NoTrialUnit {
        /// Its label.
        label: ExistingLabel,
        /// The unit.
        unit: &'static str,
    },
    /// The version has a manifest. Another one would hide later changes of the tree.
    #[error("version {label} has a manifest, which is never made anew")]
    Recorded {
        /// Its label.
        label: ExistingLabel,
    },
    /// There is no such version.
    #[error("version {label} does not exist; there are: {}", list(complete))]
    Missing {
        /// Its label.
        label: ExistingLabel,
        /// The complete versions.
        complete: Vec<ExistingLabel>,
    },
    /// The version lacks something that it needs to boot.
    #[error("version {label} is not complete; there are: {}", list(complete))]
    NotComplete {
        /// Its label.
        label: ExistingLabel,
        /// The complete versions.
        complete: Vec<ExistingLabel>,
    },
    /// The version has been deployed.
    #[error("version {label} is deployed already")]
    Deployed {
        /// Its label.
        label: ExistingLabel,
    },
    /// The label of the new version belongs to another version.
    #[error("version {label} exists on {}", volume.display())]
    Exists {
        /// The label.
        label: ExistingLabel,
        /// The volume, as the user names it.
        volume: PathBuf,
    },
    /// The label of the new version belongs to an incomplete version that no upgrade has made.
    #[error("version {label} is on {}, is not complete, and no upgrade has put it there", volume.display())]
    Foreign {
        /// The label.
        label: ExistingLabel,
        /// The volume, as the user names it.
        volume: PathBuf,
    },
    /// There is no room for a new version.
    #[error(
        "version {label} needs {needed} MiB on {}, where {available} MiB are free and {kept} MiB of those are kept free",
        volume.display()
    )]
    NoRoom {
        /// The version.
        label: ExistingLabel,
        /// The volume, as the user names it.
        volume: PathBuf,
        /// MiB that it needs.
        needed: u64,
        /// MiB that are free.
        available: u64,
        /// MiB that have to stay free.
        kept: u64,
        /// The versions that can be removed to make room.
        removable: Vec<ExistingLabel>,
        /// If no version can be removed: the largest folders, with their sizes in MiB.
        large: Vec<(PathBuf, u64)>,
    },
    /// The version is incomplete, and it is unknown which parts of it may be deleted.
    #[error("version {label} is damaged: it has a run that no deployment made complete")]
    Damaged {
        /// Its label.
        label: ExistingLabel,
    },
    /// The tree of a version cannot be snapshotted.
    #[error("{} is no subvolume, so it cannot be snapshotted", orig.display())]
    NoSubvolume {
        /// The tree.
        orig: PathBuf,
    },
    /// The version cannot be deleted, because the filesystem's default subvolume is in it.
    #[error("version {label} cannot be removed: {} is the default subvolume of the filesystem", path.display())]
    DefaultSubvolume {
        /// The version.
        label: ExistingLabel,
        /// The subvolume.
        path: PathBuf,
    },
    /// The volume, or its boot filesystem, is full.
    #[error("{cause}; {room}")]
    Full {
        /// The failure for lack of space.
        cause: Box<Error>,
        /// The room on the full filesystem.
        room: Room,
        /// The volume, as the user names it.
        volume: PathBuf,
        /// The versions that can be removed to make room.
        removable: Vec<ExistingLabel>,
        /// If no version can be removed: the largest folders, with their sizes in MiB.
        large: Vec<(PathBuf, u64)>,
    },
    /// A merge would overwrite somebody's changes in the new version's `/etc`.
    #[error("somebody has edited etc of {label} since it was deployed")]
    EtcEdited {
        /// The new version.
        label: String,
        /// The name in the version under which a forced merge would keep the edited `/etc`.
        kept: &'static str,
    },
    /// Both `/etc` were edited after the merge, so a second merge would drop one side's edits.
    #[error(
        "/etc of {old} and of {new} have both changed since {old} was merged into {new}; they are left as they are{}",
        .paths.first().map(|_| format!(" (changed in {old}: {})", named(.paths))).unwrap_or_default()
    )]
    EtcOfBothEdited {
        /// The version from which would be merged.
        old: ExistingLabel,
        /// The version into which would be merged.
        new: ExistingLabel,
        /// The changed paths of the old version, as far as they are known.
        paths: Vec<EtcPath>,
    },
    /// The merge has no rule to choose a side for some paths of `/etc`.
    #[error("cannot merge {clash}")]
    Unmergeable {
        /// The paths, with their types in the versions, in words.
        clash: String,
        /// The paths.
        paths: Vec<EtcPath>,
    },
    /// The merge has conflicts, and somebody wants none.
    #[error("/etc has conflicts in version {label}: {}", named(paths))]
    Conflicts {
        /// The new version.
        label: ExistingLabel,
        /// The paths.
        paths: Vec<EtcPath>,
    },
    /// A boot file is not at the given path.
    #[error("{file} {} does not exist or is no regular file", path.display())]
    NoBootFile {
        /// The kind of boot file.
        file: BootFile,
        /// Its path in the root filesystem.
        path: PathBuf,
    },
    /// A boot file has no content.
    #[error("{file} {} is empty", path.display())]
    EmptyBootFile {
        /// The kind of boot file.
        file: BootFile,
        /// Its path in the root filesystem.
        path: PathBuf,
    },
    /// The directory for device trees has none.
    #[error("{} has no device trees: no *.dtb", path.display())]
    NoDeviceTrees {
        /// Its path in the root filesystem.
        path: PathBuf,
    },
    /// There is no kernel in any of the usual places.
    #[error("no kernel in {}: looked for {looked}", tree.display())]
    NoKernel {
        /// The root filesystem.
        tree: PathBuf,
        /// The usual places.
        looked: String,
    },
    /// The kernel is for another kind of processor than the programs.
    #[error("the kernel {} runs programs for {runs}, and those of the tree are for {own}", kernel.display())]
    OtherProcessor {
        /// The kernel.
        kernel: PathBuf,
        /// The architectures whose programs it runs.
        runs: String,
        /// The architecture of the tree.
        own: &'static str,
    },
    /// The kernel's command line would have several lines.
    #[error("the kernel command line contains a newline")]
    CommandLineBroken,
    /// A part of the kernel's command line is quoted and does not end.
    #[error("the kernel command line has a quotation mark that is not closed")]
    CommandLineUnclosed,
    /// An argument for the kernel would change what boots.
    #[error(
        "the kernel argument {argument:?} would boot something else than the version, because the last one of a name counts"
    )]
    OwnArgument {
        /// The argument.
        argument: String,
    },
    /// The label of the version, which the original tools allowed, cannot be on a command line.
    #[error(
        "version {:?} cannot be booted: its label has a space, comma or quote, which no kernel command line can carry",
        label.as_str()
    )]
    Unnameable {
        /// Its label.
        label: ExistingLabel,
    },
    /// The version has no kernel for the boot menu, and others have one.
    #[error(
        "the boot menu cannot boot version {label}: it has no kernel of its own, and other versions have one"
    )]
    NoEntry {
        /// Its label.
        label: ExistingLabel,
    },
    /// No version of the volume has an entry in a boot menu.
    #[error("{} has no boot menu: no version on it has a kernel of its own", volume.display())]
    NoMenu {
        /// The volume, as the user names it.
        volume: PathBuf,
    },
    /// The kernel's command line is too long and would be cut.
    #[error("the kernel command line has {length} bytes, and kernels take at most {most}")]
    CommandLineTooLong {
        /// Its length, in bytes.
        length: usize,
        /// The longest possible, in bytes.
        most: usize,
    },
    /// The disk has no EFI system partition.
    #[error("the disk of {} has no EFI system partition", volume.display())]
    NoEsp {
        /// The volume, as the user names it.
        volume: PathBuf,
    },
    /// The EFI system partition has no room for a loader.
    #[error("the EFI system partition of {} has {} KiB free, and the loader needs {} KiB", disk.display(), free >> 10, needed >> 10)]
    EspFull {
        /// The disk.
        disk: PathBuf,
        /// The bytes that are needed.
        needed: u64,
        /// The free bytes.
        free: u64,
    },
    /// The system requires signatures, and the version has none that counts.
    #[error("version {label} {reason}, and {} requires signatures", settings.display())]
    NotVouched {
        /// Its label.
        label: ExistingLabel,
        /// What it lacks, with its verb.
        reason: String,
        /// The file of the setting.
        settings: PathBuf,
    },
    /// The machine lacks the boot loader, or a part of it.
    #[error("{what} not installed")]
    NoBootLoader {
        /// The missing program or file, with its verb: `extlinux is`.
        what: String,
        /// The Debian package that has it.
        package: &'static str,
    },
}

fn list(labels: &[ExistingLabel]) -> String {
    labels.iter().map(ExistingLabel::as_str).collect::<Vec<_>>().join(", ")
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}
