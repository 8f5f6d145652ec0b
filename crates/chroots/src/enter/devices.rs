//! The chroot's own small `/dev`.

use std::io::{IsTerminal, stdin};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use nix::mount::MsFlags;
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, makedev, mknodat};
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::namespace::Privilege;

use super::mounts::memory;
use super::tree::Tree;
use crate::refusal::Refusal;

/// The devices that every program may expect, with major and minor numbers.
const DEVICES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// The group that owns terminals, as in every distribution.
const TTY_GROUP: u32 = 5;

/// The terminal of this process, by its name on the host.
pub fn terminal() -> Option<PathBuf> {
    stdin().is_terminal().then(|| std::fs::read_link("/proc/self/fd/0").ok()).flatten()
}

/// Makes `/dev`. The terminal is a device of the host that the new `pts` does not have; it appears as `console`.
pub fn make(tree: &Tree, privilege: Privilege, terminal: Option<&Path>) -> Result<()> {
    memory(tree, "/dev", MsFlags::MS_NOEXEC, "mode=755,size=64k,nr_inodes=1k")?;
    let dev = tree.folder(Path::new("/dev"))?;
    for (name, major, minor) in DEVICES {
        // If only the host's root may make devices, those of the host are bound.
        if privilege != Privilege::Root || node(&dev, name, makedev(major, minor)).is_err() {
            show(tree, &Path::new("/dev").join(name), name)?;
        }
    }
    for (target, name) in LINKS {
        dev.symlink(target, name)?;
    }
    terminals(tree, privilege)?;
    memory(tree, "/dev/shm", MsFlags::MS_NODEV, "mode=1777")?;
    terminal.map_or(Ok(()), |terminal| show(tree, terminal, "console"))
}

fn node(dev: &Dir, name: &str, number: u64) -> nix::Result<()> {
    let everybody = Mode::from_bits_truncate(0o666);
    mknodat(dev, name, SFlag::S_IFCHR, everybody, number)?;
    // The umask may have removed bits.
    fchmodat(dev, name, everybody, FchmodatFlags::FollowSymlink)
}

/// Mounts a new `pts`: programs inside open terminals of their own, and cannot reach those of others.
fn terminals(tree: &Tree, privilege: Privilege) -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let group = if privilege == Privilege::OneId { String::new() } else { format!(",gid={TTY_GROUP}") };
    let options = format!("newinstance,ptmxmode=666,mode=620{group}");
    let place = tree.folder_place(Path::new("/dev/pts"))?;
    place.mount(Some(Path::new("devpts")), Some("devpts"), flags, Some(&options))
}

/// Adds a device of the host, at the same path.
pub fn add(tree: &Tree, device: &Path) -> Result<()> {
    let no_device = || Refusal::NoDevice { path: device.to_owned() };
    let name = device.strip_prefix("/dev").map_err(|_| no_device())?;
    let kind = std::fs::metadata(device).or_cannot("find", device)?.file_type();
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || !(kind.is_char_device() || kind.is_block_device()) {
        return Err(no_device().into());
    }
    tree.file_place(device)?.mount(Some(device), None, MsFlags::MS_BIND, None)
}

/// Binds a device of the host.
fn show(tree: &Tree, source: &Path, name: &str) -> Result<()> {
    tree.file_place(&Path::new("/dev").join(name))?.mount(Some(source), None, MsFlags::MS_BIND, None)
}
