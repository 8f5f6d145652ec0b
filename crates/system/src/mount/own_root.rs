//! Makes `/` a mount of its own after a plain chroot, where it is only a folder of a mount that this process does not see.

use std::env::{current_dir, set_current_dir};
use std::fs::File;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{chroot, fchdir, pivot_root};

use super::no_longer_shared;
use crate::error::{OrCannot, Result};

/// This thread's mount namespace.
const NAMESPACE: &str = "/proc/thread-self/ns/mnt";

/// Binds `/` to itself, and makes that the root of this thread's namespace, which no other process is in. The mounts outside of the old `/` are
/// gone from it then.
pub(super) fn make() -> Result<()> {
    let here = current_dir();
    // Only now, because what was opened before belongs to the namespace that this thread has left.
    let root = File::open("/").or_cannot("open", "/")?;
    let namespace = File::open(NAMESPACE).or_cannot("open", NAMESPACE)?;
    // This leads to the top of the namespace, out of the chroot. Only there can the mounts be made private.
    setns(&namespace, CloneFlags::CLONE_NEWNS).or_cannot("enter", NAMESPACE)?;
    no_longer_shared().or_cannot("make mounts private below", "/")?;
    fchdir(&root).or_cannot("go back to", "/")?;
    mount(Some("."), ".", None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .or_cannot("bind", "/")?;
    // The working directory is still the folder under the new mount. Its path leads to the top of the mount.
    current_dir().and_then(set_current_dir).or_cannot("go back to", "/")?;
    match pivot_root(".", ".") {
        Ok(()) => umount2(".", MntFlags::MNT_DETACH).or_cannot("let go of", "the mounts outside of /")?,
        // The kernel does not detach an initramfs.
        Err(nix::Error::EINVAL) => chroot(".").or_cannot("go back to", "/")?,
        Err(error) => return Err(error).or_cannot("go back to", "/"),
    }
    // A working directory outside of the chroot has no path in it.
    let here = here.ok().filter(|here| here.is_absolute());
    set_current_dir(here.as_deref().unwrap_or(Path::new("/")))
        .or_cannot("go back to", "the working directory")?;
    devices()
}

/// Mounts what the kernel tells of devices, for this process alone, where a build chroot has only an empty folder for it.
fn devices() -> Result<()> {
    let place = Path::new("/sys");
    if !place.is_dir() || place.join("block").exists() {
        return Ok(());
    }
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("sysfs"), place, Some("sysfs"), flags, None::<&str>).or_cannot("mount", place)
}
