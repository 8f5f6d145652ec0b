//! What is seen inside beside the tree. Sources are relative to the host's root, which is the working directory; targets are absolute.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use baserock::error::{Error, OrCannot, Result};
use baserock::namespace::Privilege;
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};

/// Something of the host's that is seen inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// On the host: absolute.
    pub source: PathBuf,
    /// Inside: absolute.
    pub target: PathBuf,
    /// Whether it can only be read there.
    pub read_only: bool,
}

impl Bind {
    /// One that can be written to.
    pub fn writable(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Bind { source: source.into(), target: target.into(), read_only: false }
    }

    /// Parses `SRC[:DST][:ro]`; DST is SRC where it is missing. Relative sources are those of the working directory.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let mut parts: Vec<&[u8]> = text.as_bytes().split(|&b| b == b':').collect();
        let read_only = parts.len() > 1 && parts.last() == Some(&&b"ro"[..]);
        if read_only {
            parts.pop();
        }
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        let (source, target) = match parts[..] {
            [source] if !source.is_empty() => (path(source), None),
            [source, target] if !source.is_empty() && target.starts_with(b"/") => {
                (path(source), Some(path(target)))
            }
            _ => {
                return Err(Error::refused(format!(
                    "invalid --bind {}: use SRC, SRC:DST, SRC:ro or SRC:DST:ro, with DST an absolute path",
                    text.display()
                )));
            }
        };
        let source = source.canonicalize().or_cannot("bind", &source)?;
        Ok(Bind { target: target.unwrap_or_else(|| source.clone()), source, read_only })
    }
}

const NOTHING: Option<&str> = None;

/// `/proc` and `/sys`: new ones for root; for others the host's, since the kernel gives them no new ones.
pub fn kernel(privilege: Privilege) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys")] {
        folder(Path::new(target))?;
        let new = || mount(Some(kind), target, Some(kind), flags, NOTHING);
        // In a container not even root gets them.
        if privilege != Privilege::Root || new().is_err() {
            let recursive = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(&target[1..]), target, NOTHING, recursive, NOTHING).or_cannot("mount", target)?;
        }
    }
    Ok(())
}

/// `/run` and `/tmp` of its own, empty.
pub fn own() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    for (target, options) in [("/run", "mode=755"), ("/tmp", "mode=1777")] {
        folder(Path::new(target))?;
        mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options)).or_cannot("mount", target)?;
    }
    DirBuilder::new().mode(0o1777).create("/run/lock").or_cannot("create", "/run/lock")
}

/// Names of hosts are looked up as the host does. Best effort: a system whose `/etc` cannot be written to keeps its own.
pub fn names() {
    for name in ["/etc/resolv.conf", "/etc/hosts"] {
        if let Err(error) = name_file(name) {
            tracing::debug!("{name} stays as it is: {error}");
        }
    }
}

/// Shows the host's file under the same name, read-only: a change inside would be one outside.
fn name_file(name: &str) -> Result<()> {
    let source = host_path(Path::new(&name[1..])).or_cannot("find", name)?;
    bind(&Bind { source, target: file(Path::new(name))?, read_only: true })
}

/// The path on the host, links resolved there. The kernel resolves absolute links inside, so that each is followed by hand.
fn host_path(relative: &Path) -> std::io::Result<PathBuf> {
    let mut path = relative.to_owned();
    for _ in 0..8 {
        if path.is_absolute() {
            path = path.strip_prefix("/").map(Path::to_owned).unwrap_or_default();
        }
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => break,
        }
    }
    fs::metadata(&path).map(|_| Path::new("/").join(path))
}

/// Shows something of the host's inside, without what is mounted below it.
pub fn bind(bind: &Bind) -> Result<()> {
    let source = bind.source.strip_prefix("/").unwrap_or(&bind.source);
    let source = if source.as_os_str().is_empty() { Path::new(".") } else { source };
    let is_dir = fs::metadata(source).or_cannot("bind", &bind.source)?.is_dir();
    let target = if is_dir { folder(&bind.target) } else { file(&bind.target) }?;
    let alone = mount(Some(source), &target, NOTHING, MsFlags::MS_BIND, NOTHING);
    match alone {
        // In a user namespace what is mounted below cannot be taken away, for it may hide something.
        Err(nix::Error::EINVAL) if !bind.read_only => {
            let recursive = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(source), &target, NOTHING, recursive, NOTHING).or_cannot("bind", &bind.source)?;
        }
        other => other.or_cannot("bind", &bind.source)?,
    }
    if bind.read_only { make_read_only(&target) } else { Ok(()) }
}

fn make_read_only(target: &Path) -> Result<()> {
    // Restrictions that are there already cannot be given up in a user namespace; they have to be named again.
    let present = statvfs(target).or_cannot("examine", target)?.flags();
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    for (has, flag) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if present.contains(has) {
            flags |= flag;
        }
    }
    mount(NOTHING, target, NOTHING, flags, NOTHING).or_cannot("make read-only", target)
}

/// A folder inside to mount on, made if it is missing.
pub fn folder(path: &Path) -> Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).or_cannot("create", path)?;
    Ok(path.to_owned())
}

/// A file inside to mount on, made if it is missing, also where a link says that it should be.
pub fn file(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..8 {
        let Ok(link) = fs::read_link(&target) else { break };
        target = target.parent().unwrap_or(Path::new("/")).join(link);
    }
    if let Some(parent) = target.parent() {
        folder(parent)?;
    }
    if fs::symlink_metadata(&target).is_err() {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&target)
            .or_cannot("create", &target)?;
    }
    Ok(target)
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
        for text in ["", ":", "/usr:relative", "/usr:/a:/b:ro", ":ro"] {
            assert!(parse(text).unwrap_err().contains("invalid --bind"), "{text}");
        }
        assert_eq!(parse("/nowhere").unwrap_err(), "cannot bind /nowhere: No such file or directory");
    }
}
