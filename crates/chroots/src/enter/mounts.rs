//! The mounts inside the tree.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use nix::mount::MsFlags;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::sys::statvfs::{FsFlags, statvfs};
use system::error::{OrCannot, Result};
use system::mount;
use system::namespace::Privilege;

use super::Power;
use super::tree::{Place, Tree};
use crate::refusal::Refusal;

/// A file or folder of the host that appears inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its absolute path on the host.
    pub source: PathBuf,
    /// Its absolute path inside.
    pub target: PathBuf,
    /// Whether it is read-only inside.
    pub read_only: bool,
}

impl Bind {
    /// A bind that can be written to.
    pub fn writable(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Bind { source: source.into(), target: target.into(), read_only: false }
    }

    /// Parses `SRC[:DST][:ro]`. Without DST, SRC is used for both. A relative SRC is relative to the working directory. `\:` is a colon in a
    /// path, and `\\` a backslash.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let mut parts = parts(text.as_bytes());
        let read_only = parts.len() > 1 && parts.last().is_some_and(|last| last == b"ro");
        if read_only {
            parts.pop();
        }
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let (source, target) = match &parts[..] {
            [source] if !source.is_empty() => (path(source), None),
            [source, target] if !source.is_empty() && target.starts_with(b"/") => {
                (path(source), Some(path(target)))
            }
            _ => return Err(Refusal::Bind.into()),
        };
        let given = std::path::absolute(&source).or_cannot("bind", &source)?;
        let source = source.canonicalize().or_cannot("bind", &source)?;
        // The host's links in the path are not those of the tree. `..` after one leads elsewhere there.
        let same = if given.components().any(|part| part == Component::ParentDir) { &source } else { &given };
        Ok(Bind { target: target.unwrap_or_else(|| same.clone()), source, read_only })
    }
}

/// The parts between colons.
fn parts(text: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let escaped = after.first().filter(|next| *byte == b'\\' && matches!(next, b':' | b'\\'));
        rest = if escaped.is_some() { &after[1..] } else { after };
        match (escaped.or(Some(byte)), parts.last_mut()) {
            (Some(b':'), _) if escaped.is_none() => parts.push(Vec::new()),
            (Some(&byte), Some(part)) => part.push(byte),
            _ => {}
        }
    }
    parts
}

/// `/proc` and `/sys`. Root gets new ones; other users get those of the host, because the kernel gives them no new ones.
///
/// What writes to the machine by them is read-only, unless the program inside has the power of the machine.
pub fn kernel(tree: &Tree, privilege: Privilege, power: Power) -> Result<()> {
    let usual = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys")] {
        if target == "/sys" && !can_have(tree, target)? {
            continue;
        }
        let place = tree.folder_place(Path::new(target))?;
        let mut flags = usual;
        flags.set(MsFlags::MS_RDONLY, kind == "sysfs" && power != Power::Machine);
        let new = || place.try_mount(Some(Path::new(kind)), Some(kind), flags, None);
        // In a container, even root may get no new ones.
        if privilege != Privilege::Root || new().is_err() {
            place.mount(Some(Path::new(target)), None, MsFlags::MS_BIND | MsFlags::MS_REC, None)?;
            if kind == "sysfs" && power != Power::Machine {
                all_read_only(&tree.folder_place(Path::new(target))?, Path::new(target))?;
            }
        }
    }
    // The kernel protects its settings from root of a user namespace.
    if privilege == Privilege::Root && power != Power::Machine { protect_settings(tree) } else { Ok(()) }
}

/// Files of `/proc` by which root changes the kernel without any capability.
const SETTINGS: [&str; 7] = ["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"];

fn protect_settings(tree: &Tree) -> Result<()> {
    for name in SETTINGS {
        let path = Path::new("/proc").join(name);
        if !tree.has(&path)? {
            continue;
        }
        let place = tree.existing_place(&path)?;
        place.mount(Some(&place.path()), None, MsFlags::MS_BIND | MsFlags::MS_REC, None)?;
        all_read_only(&tree.existing_place(&path)?, &path)?;
    }
    Ok(())
}

/// An empty `/run` and an empty `/tmp`.
pub fn own(tree: &Tree) -> Result<()> {
    for (target, options) in [("/run", "mode=755"), ("/tmp", "mode=1777")] {
        if !can_have(tree, target)? {
            continue;
        }
        memory(tree, target, MsFlags::MS_NODEV, options)?;
    }
    if !can_have(tree, "/run")? {
        return Ok(());
    }
    let run = tree.folder(Path::new("/run"))?;
    run.make_dir("lock", 0o755)?;
    // The umask may have removed bits.
    let mode = Mode::from_bits_truncate(0o1777);
    fchmodat(&run, "lock", mode, FchmodatFlags::FollowSymlink).or_cannot("set the mode of", run.shown("lock"))
}

/// Whether the place is there or can be made. A system without it does without it when it runs, too.
fn can_have(tree: &Tree, target: &str) -> Result<bool> {
    Ok(!tree.keeps() || tree.has(Path::new(target))?)
}

/// Mounts a tmpfs on a folder, which is made if it is missing.
pub fn memory(tree: &Tree, target: &str, flags: MsFlags, options: &str) -> Result<()> {
    let place = tree.folder_place(Path::new(target))?;
    place.mount(Some(Path::new("tmpfs")), Some("tmpfs"), MsFlags::MS_NOSUID | flags, Some(options))
}

/// Binds the host's files for looking up names of hosts. They are read-only, because a change inside would be a change outside. A system
/// in which the files cannot be made keeps its own.
pub fn names(tree: &Tree) {
    for name in ["/etc/resolv.conf", "/etc/hosts"] {
        let shown = Bind { source: name.into(), target: name.into(), read_only: true };
        if let Err(error) = bind(tree, &shown) {
            tracing::debug!("{name} stays as it is: {error}");
        }
    }
}

/// Makes a file or folder of the host appear inside, with the mounts below it.
pub fn bind(tree: &Tree, bind: &Bind) -> Result<()> {
    let Bind { source, target, read_only } = bind;
    let is_dir = fs::metadata(source).or_cannot("bind", source)?.is_dir();
    let find = || if is_dir { tree.folder_place(target) } else { tree.file_place(target) };
    let all = MsFlags::MS_BIND | MsFlags::MS_REC;
    find()?.try_mount(Some(source), None, all, None).or_cannot("bind", source)?;
    if *read_only { all_read_only(&find()?, target) } else { Ok(()) }
}

/// Makes the mount at this place read-only, with those below it.
fn all_read_only(place: &Place, shown: &Path) -> Result<()> {
    let top = fs::read_link(place.path()).or_cannot("find", shown)?;
    for mount in mount::own()?.iter().filter(|mount| mount.target != top && mount.target.starts_with(&top)) {
        let name = mount.target.strip_prefix(&top).unwrap_or(&mount.target);
        match place.below(name, shown) {
            Ok(below) => make_read_only(&below, &shown.join(name))?,
            // Something else is mounted over it, so nobody reaches it.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    make_read_only(place, shown)
}

fn make_read_only(place: &Place, shown: &Path) -> Result<()> {
    restrict(place, MsFlags::MS_RDONLY, shown)
}

/// Adds a restriction to those that the mount at this place has.
pub fn restrict(place: &Place, restriction: MsFlags, shown: &Path) -> Result<()> {
    // A user namespace cannot remove restrictions of the mount, so they have to be named again.
    let present = statvfs(&place.path()).or_cannot("examine", shown)?.flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | restriction;
    for (has, flag) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
    ] {
        if present.contains(has) {
            flags |= flag;
        }
    }
    place.try_mount(None, None, flags, None).or_cannot("restrict", shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_parsed() {
        let parse = |text: &str| Bind::parse(OsStr::new(text)).map_err(|error| error.to_string());
        let bind = |source: &str, target: &str, read_only| Bind {
            source: source.into(),
            target: target.into(),
            read_only,
        };
        assert_eq!(parse("/usr").unwrap(), bind("/usr", "/usr", false));
        assert_eq!(parse("/usr:ro").unwrap(), bind("/usr", "/usr", true));
        assert_eq!(parse("/usr:/mnt").unwrap(), bind("/usr", "/mnt", false));
        assert_eq!(parse("/usr/../usr:/mnt:ro").unwrap(), bind("/usr", "/mnt", true));
        assert_eq!(parts(br"/a\:b:/c\\:ro\d"), [&b"/a:b"[..], br"/c\", br"ro\d"]);
        for text in ["", ":", "/usr:relative", "/usr:/a:/b:ro", ":ro"] {
            assert!(parse(text).unwrap_err().contains("use SRC, SRC:DST"), "{text}");
        }
        assert_eq!(parse("/nowhere").unwrap_err(), "cannot bind /nowhere: No such file or directory");
    }
}
