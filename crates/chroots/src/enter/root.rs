//! Makes the tree `/`, and detaches the root of the host.

use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::pivot_root;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::mount::leave_shared_namespace;

use super::tree::Tree;
use super::{Entry, Power, TreeKind, devices, mounts};

const NOTHING: Option<&str> = None;

/// Leaves the host's mount namespace, and makes the tree the root with all its mounts.
pub fn swap(entry: &Entry<'_>, terminal: Option<&Path>) -> Result<()> {
    leave_shared_namespace()?;
    let tree = mounted(entry)?;
    state(entry, &tree)?;
    mounts::kernel(&tree, entry.privilege, entry.power)?;
    devices::make(&tree, entry.privilege, terminal)?;
    for device in entry.devices {
        devices::add(&tree, device)?;
    }
    mounts::own(&tree)?;
    mounts::names(&tree);
    if let Some(shared) = &entry.shared {
        mounts::bind(&tree, &mounts::Bind::writable(shared, "/src"))?;
    }
    for bind in entry.binds {
        mounts::bind(&tree, bind)?;
    }
    drop(tree);
    become_root(&entry.tree.shown(""))
}

/// Makes the tree a mount of its own, because only a mount can become the root, and makes it the working directory.
fn mounted(entry: &Entry<'_>) -> Result<Tree> {
    let shown = entry.tree.shown("");
    go_to(entry.tree)?;
    let bind = |flags| mount(Some("."), ".", NOTHING, MsFlags::MS_BIND | flags, NOTHING);
    match bind(MsFlags::empty()) {
        // A user namespace cannot leave out the mounts below.
        Err(nix::Error::EINVAL) => bind(MsFlags::MS_REC),
        other => other,
    }
    .or_cannot("mount", &shown)?;
    // The working directory is still the folder under the new mount. Its path leads to the top of the mount.
    let top = std::env::current_dir().or_cannot("find", &shown)?;
    std::env::set_current_dir(&top).or_cannot("change to", &shown)?;
    unrestrict(entry, ".".as_ref())?;
    let tree = Tree::new(Dir::open(".")?.shown_as("/"), entry.kind != TreeKind::Chroot);
    if entry.kind == TreeKind::Chroot && entry.power != Power::Machine {
        // Device nodes in the tree are those of somebody else.
        mounts::restrict(&tree.folder_place(Path::new("/"))?, MsFlags::MS_NODEV, &shown)?;
    }
    Ok(tree)
}

/// Makes the tree the working directory, by its path: the opened directory belongs to a namespace that this process has left.
fn go_to(tree: &Dir) -> Result<()> {
    let shown = tree.shown("");
    let path = std::fs::read_link(tree.own_path()).or_cannot("find", &shown)?;
    std::env::set_current_dir(&path).or_cannot("change to", &shown)?;
    let (opened, here) = (tree.stat()?, Dir::open(".")?.stat()?);
    if (opened.st_dev, opened.st_ino) == (here.st_dev, here.st_ino) {
        return Ok(());
    }
    Err(Error::refused(format!("{} was replaced meanwhile; try again", shown.display())))
}

fn state(entry: &Entry<'_>, tree: &Tree) -> Result<()> {
    for state in entry.state {
        if !tree.has(&state.target)? {
            tracing::debug!("nothing is mounted at {}, which does not exist", state.target.display());
            continue;
        }
        let place = tree.folder_place(&state.target)?;
        place.mount(Some(&state.dir.own_path()), None, MsFlags::MS_BIND, None)?;
        unrestrict(entry, &tree.folder_place(&state.target)?.path())?;
    }
    Ok(())
}

/// Removes the restrictions with which these tools mount volumes, because set-id programs have to work inside. What must not be written to
/// becomes read-only.
fn unrestrict(entry: &Entry<'_>, place: &Path) -> Result<()> {
    let TreeKind::Version { read_only } = entry.kind else { return Ok(()) };
    let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOATIME;
    flags.set(MsFlags::MS_RDONLY, read_only);
    mount(NOTHING, place, NOTHING, flags, NOTHING).or_cannot("remount", entry.tree.shown(""))
}

/// Makes the working directory `/`. The old `/` is then mounted on top of it, where `..` leads to it, so it is detached at once.
fn become_root(shown: &Path) -> Result<()> {
    pivot_root(".", ".").map_err(|error| match error {
        nix::Error::EINVAL => Error::refused(format!(
            "cannot make {} the root: this machine runs from its initramfs, which the kernel cannot detach",
            shown.display()
        )),
        error => Error::Io { action: "make the root of".into(), path: shown.to_owned(), cause: error.into() },
    })?;
    umount2(".", MntFlags::MNT_DETACH).or_cannot("let go of", "the host's mounts")?;
    std::env::set_current_dir("/").or_cannot("change to", "/")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, private, NOTHING).or_cannot("make mounts private below", "/")
}
