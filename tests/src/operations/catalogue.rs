//! The operations.

use super::{Action, Extent, LABEL, Operation, SPARE, Trial};
use crate::disk::Disk;

/// Deploying a version.
pub const DEPLOY: Operation = Operation {
    name: "deploy",
    disk: Disk::Volume,
    before: Extent::Part,
    spare: false,
    edited: true,
    trial: Trial::None,
    action: Action::Manage(&["deploy", "/systems/devel/orig"]),
    after: Extent::Whole,
    touched: &[LABEL],
    refusal: Some("is deployed already"),
};
/// Choosing a version.
pub const SET_DEFAULT: Operation = Operation {
    name: "set-default",
    before: Extent::Whole,
    edited: false,
    action: Action::Manage(&["set-default", LABEL]),
    touched: &[],
    refusal: None,
    ..DEPLOY
};
/// Choosing a version when `/etc` was edited since it was deployed.
pub const SET_DEFAULT_MERGE: Operation =
    Operation { name: "set-default-merge", edited: true, touched: &[LABEL], ..SET_DEFAULT };
/// Merging what was changed in `/etc` after the version became the default.
pub const FINISH: Operation = Operation {
    name: "finish",
    before: Extent::Whole,
    action: Action::Manage(&["finish"]),
    touched: &[LABEL],
    refusal: None,
    ..DEPLOY
};
/// Resolving a conflict in `/etc`.
pub const RESOLVE: Operation = Operation {
    name: "resolve",
    before: Extent::Whole,
    edited: false,
    action: Action::Manage(&["resolve", "clash.conf", LABEL, "--take", "user"]),
    touched: &[LABEL],
    refusal: None,
    ..DEPLOY
};
/// Removing a version.
pub const REMOVE: Operation = Operation {
    name: "remove",
    before: Extent::Whole,
    spare: true,
    action: Action::Manage(&["remove", LABEL]),
    after: Extent::None,
    refusal: Some("does not exist"),
    ..DEPLOY
};
/// Removing old versions.
pub const PRUNE: Operation = Operation {
    name: "prune",
    action: Action::Manage(&["prune", "--keep", "0"]),
    spare: false,
    refusal: None,
    ..REMOVE
};
/// Pinning a version.
pub const PIN: Operation = Operation { name: "pin", action: Action::Manage(&["pin", LABEL]), ..SET_DEFAULT };
/// Unpinning a version.
pub const UNPIN: Operation =
    Operation { name: "unpin", action: Action::Manage(&["unpin", LABEL]), ..SET_DEFAULT };
/// Writing a note beside a version that is pinned.
pub const NOTE: Operation =
    Operation { name: "note", action: Action::Manage(&["note", LABEL, "before the move"]), ..SET_DEFAULT };
/// The label that a version gets.
pub const MOVED: &str = "moved";
/// Giving a version another label.
pub const RENAME: Operation = Operation {
    name: "rename",
    edited: false,
    action: Action::Manage(&["rename", LABEL, MOVED]),
    touched: &[LABEL, MOVED],
    ..REMOVE
};
/// Giving the default another label.
pub const RENAME_DEFAULT: Operation = Operation { name: "rename-default", ..RENAME };
/// Copying a version.
pub const COPY: Operation = Operation {
    name: "copy",
    before: Extent::None,
    action: Action::Manage(&["copy", "factory", LABEL]),
    refusal: Some("version devel exists"),
    ..DEPLOY
};
/// Adding a version from a folder.
pub const IMPORT: Operation = Operation {
    name: "import",
    before: Extent::None,
    action: Action::Import,
    refusal: Some("version devel exists"),
    ..DEPLOY
};
/// Trying a version.
pub const TRY: Operation = Operation {
    name: "try",
    trial: Trial::Possible,
    action: Action::Manage(&["try", LABEL, "--without-units"]),
    ..SET_DEFAULT
};
/// Trying one that came back.
pub const TRY_BACK: Operation = Operation { name: "try-back", trial: Trial::Booted, ..TRY };
/// Calling a trial off.
pub const ABANDON: Operation =
    Operation { name: "abandon", trial: Trial::Armed, action: Action::Manage(&["abandon"]), ..SET_DEFAULT };
/// Calling off what came back, and was to be tried again.
pub const ABANDON_BACK: Operation = Operation { name: "abandon-back", trial: Trial::Booted, ..ABANDON };
/// Confirming a trial.
pub const CONFIRM: Operation = Operation {
    name: "confirm",
    trial: Trial::Booted,
    action: Action::Inside(&["confirm"]),
    refusal: Some("no version is on trial"),
    ..SET_DEFAULT
};
/// Copying one `/etc` to all versions.
pub const SYNC: Operation = Operation {
    name: "sync",
    before: Extent::Whole,
    spare: true,
    action: Action::ConfigSync(&["sync", "factory"]),
    touched: &[LABEL, SPARE],
    refusal: None,
    ..DEPLOY
};
/// Merging `/etc` again.
pub const MERGE: Operation = Operation {
    name: "merge",
    before: Extent::Whole,
    action: Action::ConfigSync(&["merge", "factory", LABEL]),
    refusal: None,
    ..DEPLOY
};
/// Adding a version to a disk, and choosing it.
pub const UPGRADE: Operation = Operation {
    name: "upgrade",
    before: Extent::None,
    action: Action::Upgrade,
    refusal: Some("exists"),
    ..DEPLOY
};
/// Pushing a version to a running system. The sender may have missed the answer, so a version can be pushed a second time.
pub const PUSH: Operation =
    Operation { name: "push", before: Extent::None, action: Action::Push, refusal: None, ..DEPLOY };

/// Fetching a version from a repository. A fetch that was cut off can be done again, and so can one that was not.
pub const FETCH: Operation =
    Operation { name: "fetch", before: Extent::None, action: Action::Fetch, refusal: None, ..DEPLOY };

/// [`DEPLOY`] where `/boot` is a filesystem of its own.
pub const DEPLOY_BOOT: Operation = DEPLOY.with_boot("deploy-boot");
/// [`SET_DEFAULT`] there.
pub const SET_DEFAULT_BOOT: Operation = SET_DEFAULT.with_boot("set-default-boot");
/// [`REMOVE`] there.
pub const REMOVE_BOOT: Operation = REMOVE.with_boot("remove-boot");

/// All operations on a disk that has a version: on a volume, and with a `/boot` beside it.
pub static ALL: [Operation; 41] = [
    DEPLOY,
    DEPLOY_BOOT,
    SET_DEFAULT,
    SET_DEFAULT_BOOT,
    SET_DEFAULT_MERGE,
    SET_DEFAULT_MERGE.with_boot("set-default-merge-boot"),
    FINISH,
    FINISH.with_boot("finish-boot"),
    TRY,
    TRY.with_boot("try-boot"),
    TRY_BACK,
    ABANDON,
    ABANDON.with_boot("abandon-boot"),
    TRY.with_esp("try-esp"),
    ABANDON.with_esp("abandon-esp"),
    ABANDON_BACK,
    CONFIRM,
    CONFIRM.with_boot("confirm-boot"),
    REMOVE,
    REMOVE_BOOT,
    RENAME,
    RENAME.with_boot("rename-boot"),
    RENAME_DEFAULT,
    RENAME_DEFAULT.with_boot("rename-default-boot"),
    COPY,
    COPY.with_boot("copy-boot"),
    IMPORT,
    FETCH,
    PRUNE,
    PIN,
    UNPIN,
    NOTE,
    RESOLVE,
    SYNC,
    SYNC.with_boot("sync-boot"),
    MERGE,
    MERGE.with_boot("merge-boot"),
    UPGRADE,
    UPGRADE.with_boot("upgrade-boot"),
    PUSH,
    PUSH.with_boot("push-boot"),
];

/// Making a disk that is one volume.
pub const CREATE: Operation = Operation {
    name: "create",
    before: Extent::None,
    action: Action::Create,
    after: Extent::None,
    touched: &[],
    refusal: None,
    ..DEPLOY
};
/// Making one with partitions of every kind.
pub const CREATE_PARTITIONS: Operation =
    Operation { name: "create-partitions", disk: Disk::EveryKind, ..CREATE };
