//! Making the tree `/`, and letting go of the host's.

use std::os::fd::AsFd;
use std::path::Path;

use baserock::dir::Dir;
use baserock::error::{Error, OrCannot, Result};
use baserock::mount::leave_shared_namespace;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{fchdir, pivot_root};

use super::{Entry, devices, mounts};

/// Leaves the host's mounts and makes the tree the root, with everything in its place.
pub fn swap(entry: &Entry<'_>, terminal: Option<&Path>) -> Result<()> {
    leave_shared_namespace()?;
    let host = Dir::open("/")?;
    become_root(entry)?;
    // From here on absolute paths are inside, links in them too, and relative ones are the host's.
    fchdir(host.as_fd()).or_cannot("change to", "/")?;
    mounts::kernel(entry.privilege)?;
    devices::make(entry.privilege, terminal)?;
    mounts::own()?;
    mounts::names();
    if let Some(shared) = &entry.shared {
        mounts::bind(&mounts::Bind::writable(shared, "/src"))?;
    }
    for bind in entry.binds {
        mounts::bind(bind)?;
    }
    umount2(".", MntFlags::MNT_DETACH).or_cannot("let go of", "the host's mounts")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).or_cannot("make mounts private below", "/")
}

/// The tree becomes `/`; what was `/` is on top of it, out of reach of absolute paths.
fn become_root(entry: &Entry<'_>) -> Result<()> {
    let shown = entry.tree.shown("");
    go_to(entry.tree)?;
    // Only what is mounted can become the root.
    let bind = |flags| mount(Some("."), ".", None::<&str>, MsFlags::MS_BIND | flags, None::<&str>);
    match bind(MsFlags::empty()) {
        // In a user namespace what is mounted below cannot be taken away.
        Err(nix::Error::EINVAL) => bind(MsFlags::MS_REC),
        other => other,
    }
    .or_cannot("mount", &shown)?;
    // The working directory is below the new mount still; its path leads to the top of it.
    let top = std::env::current_dir().or_cannot("find", &shown)?;
    std::env::set_current_dir(&top).or_cannot("change to", &shown)?;
    unrestrict(entry, ".".as_ref())?;
    mount_state(entry, &Dir::open(".")?.shown_as(&shown))?;
    pivot_root(".", ".").map_err(|error| match error {
        nix::Error::EINVAL => Error::refused(format!(
            "cannot make {} the root: the machine runs from its initramfs, which the kernel does not let go of",
            shown.display()
        )),
        error => Error::Io { action: "make the root of".into(), path: shown, cause: error.into() },
    })
}

/// Makes the tree the working directory, by its path: what was opened before belongs to a namespace that this process has left.
fn go_to(tree: &Dir) -> Result<()> {
    let shown = tree.shown("");
    let path = std::fs::read_link(tree.proc_path()).or_cannot("find", &shown)?;
    std::env::set_current_dir(&path).or_cannot("change to", &shown)?;
    let (opened, here) = (tree.stat()?, Dir::open(".")?.stat()?);
    if (opened.st_dev, opened.st_ino) == (here.st_dev, here.st_ino) {
        return Ok(());
    }
    Err(Error::refused(format!("{} was replaced meanwhile; try again", shown.display())))
}

fn mount_state(entry: &Entry<'_>, root: &Dir) -> Result<()> {
    for state in entry.state {
        let place = root.dir(state.target.strip_prefix("/").unwrap_or(&state.target))?;
        let (from, to) = (state.dir.proc_path(), place.proc_path());
        mount(Some(&from), &to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .or_cannot("mount", place.shown(""))?;
        unrestrict(entry, &root.dir(state.target.strip_prefix("/").unwrap_or(&state.target))?.proc_path())?;
    }
    Ok(())
}

/// Takes back what the tools mount volumes with for their own safety: inside, set-id programs have to work.
fn unrestrict(entry: &Entry<'_>, place: &Path) -> Result<()> {
    if !entry.restricted {
        return Ok(());
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOATIME;
    mount(None::<&str>, place, None::<&str>, flags, None::<&str>).or_cannot("remount", entry.tree.shown(""))
}
