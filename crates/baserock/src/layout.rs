//! The layout of a volume: paths relative to its top level.

use std::path::PathBuf;

use system::mountinfo::Mount;

use crate::label::ExistingLabel;

/// The directory of versions.
pub const SYSTEMS: &str = "systems";
/// In [`SYSTEMS`]: the link that mirrors the menu's default.
pub const DEFAULT: &str = "default";
/// In a version: the subvolume as it was built.
pub const ORIG: &str = "orig";
/// In a version: the subvolume that is booted.
pub const RUN: &str = "run";
/// In a version: the kernel, outside the subvolumes, where boot loaders find it.
pub const KERNEL: &str = "kernel";
/// In a version: the initramfs.
pub const INITRAMFS: &str = "initramfs";
/// In a version: the device tree, or a directory of device trees.
pub const DTB: &str = "dtb";
/// In a version: the boot parameters at the time of its deployment.
pub const BOOT_RECORD: &str = "boot.json";
/// In a version: hashes of `orig`.
pub const MANIFEST: &str = "manifest";
/// In a version: the record of the last `/etc` merge.
pub const MERGE_RECORD: &str = "merge.json";
/// In a version: the record of a merge whose result is just being put in place.
pub const MERGING: &str = ".merging.json";
/// In a version: the marker that exists only while the version is not complete.
pub const INCOMPLETE: &str = ".incomplete";
/// In a version: how its last trial ended. In [`PRIVATE`]: the trial that is armed.
pub const TRIAL: &str = "trial.json";
/// In a version: that it has come up.
pub const CAME_UP: &str = "came-up.json";
/// In a version: what people say about it.
pub const REMARKS: &str = "remarks.json";
/// In a version: the repository that it was fetched from.
pub const ORIGIN: &str = "origin.json";
/// In a version: what somebody has signed about it.
pub const SIGNED: &str = "signed";
/// In a version: the `/etc` that `sync` replaced.
pub const ETC_BEFORE_SYNC: &str = "etc.before-sync";
/// What was in the place of conflicts before they were resolved.
pub const ETC_BEFORE_RESOLVE: &str = "etc.before-resolve";

/// The directory of the state that all versions share.
pub const STATE: &str = "state";
/// In a shared directory: the temporary name of an addition until it is whole.
pub const ADDING: &str = ".baserock-adding";
/// In [`STATE`]: the shared directories, in the order in which fstab mounts them.
pub const SHARED: [&str; 5] = ["home", "opt", "root", "srv", "var"];

/// The shared directory in which tools for packages keep their databases.
pub const VAR: &str = "var";
/// In a version: the directory of its package databases.
pub const SYSIMAGE: &str = "usr/lib/sysimage";

/// The tools' own directory, 0700.
pub const PRIVATE: &str = ".baserock";
/// In [`PRIVATE`]: the volume's lock.
pub const LOCK: &str = "lock";
/// In [`PRIVATE`]: reserved data space, which is released when a full volume must still be changed.
pub const BALLAST: &str = "ballast";
/// In [`PRIVATE`]: reserved metadata space.
pub const METADATA_BALLAST: &str = "metadata-ballast";
/// In [`PRIVATE`]: the rename that was begun.
pub const RENAMING: &str = "renaming.json";
/// In [`PRIVATE`]: what was done to the versions.
pub const HISTORY: &str = "history.jsonl";
/// In [`PRIVATE`]: the serials of the repositories that versions were fetched from.
pub const REPOSITORIES: &str = "repositories.json";
/// In [`PRIVATE`]: a folder for each label that is being filled.
pub const INCOMING: &str = "incoming";
/// In [`PRIVATE`]: the prefix for the name of a snapshot from which `/etc` is merged.
pub const MERGED_FROM: &str = "merging-";
/// In [`PRIVATE`]: the fstab lines for the disk's other partitions. Every version gets them.
pub const MOUNTS: &str = "fstab";

/// The directory of the boot menu.
pub const MENU_DIR: &str = "extlinux";
/// The boot menu. It is in [`MENU_DIR`] for U-Boot, and a link to it is at the top for syslinux.
pub const MENU: &str = "extlinux.conf";
/// In [`MENU_DIR`]: the menu of a boot that is a trial, for boot loaders that learn of a trial by a file.
pub const TRIAL_MENU: &str = "trial.conf";
/// At the top of a boot filesystem: the names that boot loaders read, in the order in which they are written. The menu is last, because it
/// names the other files.
pub const BOOT_NAMES: [&str; 2] = [SYSTEMS, MENU_DIR];

/// A version's directory: `systems/LABEL`.
pub fn version(label: &ExistingLabel) -> PathBuf {
    [SYSTEMS, label.as_str()].iter().collect()
}

/// A name in a version's directory: `systems/LABEL/run`.
pub fn in_version(label: &ExistingLabel, name: &str) -> PathBuf {
    version(label).join(name)
}

/// A shared directory's subvolume: `state/var`.
pub fn state(name: &str) -> PathBuf {
    [STATE, name].iter().collect()
}

/// The label in a path such as `/systems/LABEL/orig`, where `name` is `orig`.
pub fn label_of<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let label = path.strip_prefix("/systems/")?.strip_suffix(name)?.strip_suffix('/')?;
    (!label.is_empty() && !label.contains('/')).then_some(label)
}

/// The version whose `run` is mounted. This is the running version if the mount is the one at `/`.
pub fn mounted_version(mount: &Mount) -> Option<ExistingLabel> {
    let label = label_of(mount.root.to_str()?, RUN)?;
    (mount.kind == "btrfs").then(|| ExistingLabel::of_file(label.as_ref())).flatten()
}

#[cfg(test)]
mod tests {
    use system::mountinfo;

    use super::*;

    #[test]
    fn only_the_run_of_a_version_on_btrfs_is_a_mounted_version() {
        for (root, kind, label) in [
            ("/systems/factory/run", "btrfs", Some("factory")),
            ("/", "btrfs", None),
            ("/@", "btrfs", None),
            ("/systems/a/orig", "btrfs", None),
            ("/systems/a/run", "ext4", None),
        ] {
            let line = format!("30 1 0:31 {root} / rw - {kind} /dev/vda rw");
            let mounts = mountinfo::parse(line.as_bytes());
            let found = mounted_version(mountinfo::root(&mounts).unwrap());
            assert_eq!(found.as_ref().map(ExistingLabel::as_str), label, "{line}");
        }
    }

    #[test]
    fn labels_are_found_in_paths() {
        assert_eq!(label_of("/systems/devel/orig", ORIG), Some("devel"));
        for path in
            ["/systems//orig", "/systems/orig", "/systems/a/b/orig", "systems/a/orig", "/systems/a/run", "/"]
        {
            assert_eq!(label_of(path, ORIG), None, "{path}");
        }
        assert_eq!(in_version(&ExistingLabel::factory(), RUN), PathBuf::from("systems/factory/run"));
    }
}
