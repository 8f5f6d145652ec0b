//! Mounts: the mount of a directory, the mounts below it, and private mounts that end with the process.

mod own_root;

use std::cell::Cell;
use std::fs::{self, DirBuilder, create_dir};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::dir::Dir;
use crate::error::{Error, OrCannot, Result, if_exists};
use crate::mountinfo::{self, Mount};
use crate::resolve::Links;
use crate::step::change;

/// The kernel's number of a mount in this process's namespace, as in mountinfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MountId(pub u64);

/// The mount that the descriptor is on.
pub fn id(fd: BorrowedFd<'_>, shown: &Path) -> Result<MountId> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    match statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID) {
        Ok(found) if found.stx_mask & StatxFlags::MNT_ID.bits() != 0 => Ok(MountId(found.stx_mnt_id)),
        // Kernels before 5.8 do not tell the number.
        Ok(_) | Err(rustix::io::Errno::NOSYS) => id_from_proc(fd, shown),
        Err(error) => Err(error).or_cannot("examine", shown),
    }
}

fn id_from_proc(fd: BorrowedFd<'_>, shown: &Path) -> Result<MountId> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let text = fs::read_to_string(&path).or_cannot("read", &path)?;
    let id = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.map(MountId)
        .ok_or_else(|| Error::malformed(path, format!("does not tell the mount of {}", shown.display())))
}

/// All mounts in this thread's namespace.
pub fn own() -> Result<Vec<Mount>> {
    // Each thread may have a mount namespace of its own.
    let path = "/proc/thread-self/mountinfo";
    Ok(mountinfo::parse(&fs::read(path).or_cannot("read", path)?))
}

/// The outermost mount points at and below `name` in `dir`, as paths from `dir`. An empty `name` gives those below `dir`.
pub fn below(dir: &Dir, name: &Path) -> Result<Vec<PathBuf>> {
    let link = format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd());
    let here = fs::read_link(&link).or_cannot("read link", &link)?;
    let mounts = own()?;
    let inside = mounts.iter().filter_map(|mount| mount.target.strip_prefix(&here).ok());
    // An empty path is the directory itself. A mount on it belongs to the directory above.
    let inside = inside.filter(|path| !path.as_os_str().is_empty() && path.starts_with(name));
    let mut found: Vec<PathBuf> = Vec::new();
    for path in inside {
        let is_below_another = found.iter().any(|mounted| path.starts_with(mounted));
        if !is_below_another && is_mount_point(dir, path)? {
            found.push(path.to_owned());
        }
    }
    Ok(found)
}

/// Whether another mount begins at this path. The kernel's list alone cannot tell: its numbers are those of one namespace, and the
/// directory may have been opened in another one.
fn is_mount_point(dir: &Dir, path: &Path) -> Result<bool> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    match if_exists(dir.open_with(path, flags, 0, Links::Refuse)) {
        Ok(Some(found)) => Ok(id(found.as_fd(), &dir.shown(path))? != id(dir.as_fd(), &dir.shown(""))?),
        Ok(None) => Ok(false),
        // The path in the list leads through a link here, so it is another place.
        Err(error) if matches!(error.os_error(), Some(libc::ELOOP | libc::ENOTDIR)) => Ok(false),
        Err(error) => Err(error),
    }
}

thread_local! {
    /// Whether this thread has left the mount namespace that it was born in.
    static PRIVATE: Cell<bool> = const { Cell::new(false) };
    /// The number of mount points that this thread has made.
    static PLACES: Cell<u32> = const { Cell::new(0) };
}

/// The directory of private mounts. It stays, but only one process sees the mounts on it.
const PLACE: &str = "/run/baserock";

/// A filesystem mounted in this process's own namespace. It is unmounted when this is dropped. After `kill -9` the kernel unmounts it.
#[derive(Debug)]
pub struct PrivateMount {
    target: PathBuf,
}

impl PrivateMount {
    /// Mounts `device` as filesystem `kind` with its own `options`. Set-id programs and device nodes have no effect there.
    ///
    /// A read-only mount of a device that cannot be written leaves out what the filesystem's log has.
    pub fn new(device: &Path, kind: &str, flags: MsFlags, options: &str) -> Result<Self> {
        let target = place()?;
        let flags = flags | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
        let mount = |options: &str| mount(Some(device), &target, Some(kind), flags, Some(options));
        let mounted =
            change("mount", device, || match (unless_for_a_moment(|| mount(options)), without_log(kind)) {
                (Err(nix::Error::EROFS), Some(without)) if flags.contains(MsFlags::MS_RDONLY) => {
                    mount([options, without].join(",").trim_start_matches(','))
                }
                (outcome, _) => outcome,
            });
        match mounted {
            Err(error) if kind == "btrfs" && error.os_error() == Some(libc::EEXIST) => {
                Err(Error::refused(format!(
                    "{error}: is a copy of it, with the same UUID, in use? detach that first, or see dmesg"
                )))
            }
            outcome => outcome.map(|()| PrivateMount { target }),
        }
    }

    /// The mount point, for this process and its children.
    pub fn path(&self) -> &Path {
        &self.target
    }
}

impl Drop for PrivateMount {
    fn drop(&mut self) {
        // This succeeds at once even if a file is still open here. The kernel finishes when it is closed.
        if let Err(error) = umount2(&self.target, MntFlags::MNT_DETACH) {
            tracing::error!("cannot unmount {}: {error}", self.target.display());
        }
    }
}

/// How long the kernel may take to end a filesystem after its last mount is gone.
const TWIN_PATIENCE: Duration = Duration::from_secs(2);
/// How long it was seen to refuse a busy filesystem, and more. A superblock that cannot be used costs this time, too.
const BUSY_PATIENCE: Duration = Duration::from_millis(300);

/// Tries again while the kernel refuses a btrfs for a moment only: by EEXIST, while it ends another one with the same UUID, a copy of this one.
/// By EINVAL it was seen to refuse, once in thousands of times, a filesystem that was mounted already and busy; it is not known why.
fn unless_for_a_moment(attempt: impl Fn() -> nix::Result<()>) -> nix::Result<()> {
    let begun = Instant::now();
    loop {
        let outcome = attempt();
        let patience = match outcome {
            Err(nix::Error::EEXIST) => TWIN_PATIENCE,
            Err(nix::Error::EINVAL) => BUSY_PATIENCE,
            _ => return outcome,
        };
        if begun.elapsed() >= patience {
            return outcome;
        }
        sleep(Duration::from_millis(20));
    }
}

/// The option that mounts this kind of filesystem without writing what its log has to its place.
fn without_log(kind: &str) -> Option<&'static str> {
    match kind {
        "btrfs" => Some("rescue=nologreplay"),
        "ext3" | "ext4" => Some("noload"),
        _ => None,
    }
}

/// Gives this thread and its later children a mount namespace of their own, once. Mounts from outside still appear in it. Mounts in it
/// do not appear outside.
pub fn leave_shared_namespace() -> Result<()> {
    if PRIVATE.get() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS)
        .or_cannot("make a private mount namespace for", "this process (are you root?)")?;
    match no_longer_shared() {
        // After a plain chroot, `/` is a folder of a mount and not its top.
        Err(nix::Error::EINVAL) => own_root::make()?,
        outcome => outcome.or_cannot("make mounts private below", "/")?,
    }
    PRIVATE.set(true);
    Ok(())
}

/// Keeps what is mounted from here on from appearing in other namespaces.
fn no_longer_shared() -> nix::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
}

/// A new empty directory to mount on. It is in a private tmpfs, so nothing is left behind.
fn place() -> Result<PathBuf> {
    leave_shared_namespace()?;
    let number = PLACES.get();
    if number == 0 {
        match DirBuilder::new().mode(0o700).create(PLACE) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).or_cannot("create", PLACE);
            }
            _ => {}
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("baserock"), PLACE, Some("tmpfs"), flags, Some("mode=700,size=64k"))
            .or_cannot("mount", PLACE)?;
    }
    PLACES.set(number + 1);
    let path = Path::new(PLACE).join(number.to_string());
    create_dir(&path).or_cannot("create", &path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_waited_for_and_what_stays_is_not() {
        use nix::errno::Errno::{EEXIST, EINVAL, EIO};
        for (first, last, expected) in
            [(EEXIST, Ok(()), 3), (EINVAL, Ok(()), 3), (EEXIST, Err(EIO), 3), (EIO, Ok(()), 1)]
        {
            let attempts = Cell::new(0);
            let outcome = unless_for_a_moment(|| {
                attempts.set(attempts.get() + 1);
                if attempts.get() < 3 { Err(first) } else { last }
            });
            let ended = if expected == 1 { Err(first) } else { last };
            assert_eq!((outcome, attempts.get()), (ended, expected), "{first}");
        }
        assert_eq!(unless_for_a_moment(|| Err(EINVAL)), Err(EINVAL));
    }
}
