//! `/dev`: a small one of its own.

use std::fs::OpenOptions;
use std::io::{IsTerminal, stdin};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use baserock::error::{OrCannot, Result};
use baserock::namespace::Privilege;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};

use super::mounts::folder;

/// What every program may count on, with major and minor numbers.
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

const NOTHING: Option<&str> = None;

/// The terminal of this process, by its name on the host.
pub fn terminal() -> Option<PathBuf> {
    stdin().is_terminal().then(|| std::fs::read_link("/proc/self/fd/0").ok()).flatten()
}

/// Makes `/dev`. The terminal is a device of the host's, which the new `pts` does not have; it is found as `console`.
pub fn make(privilege: Privilege, terminal: Option<&Path>) -> Result<()> {
    folder(Path::new("/dev"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), "/dev", Some("tmpfs"), flags, Some("mode=755,size=64k,nr_inodes=1k"))
        .or_cannot("mount", "/dev")?;
    let before = umask(Mode::empty());
    let made = fill(privilege, terminal);
    umask(before);
    made
}

fn fill(privilege: Privilege, terminal: Option<&Path>) -> Result<()> {
    for (name, major, minor) in DEVICES {
        let path = Path::new("/dev").join(name);
        let node = || mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(major, minor));
        // Where nobody but the host's root makes devices, the host's own are shown.
        if privilege != Privilege::Root || node().is_err() {
            show(&Path::new("dev").join(name), &path)?;
        }
    }
    for (target, name) in LINKS {
        symlink(target, Path::new("/dev").join(name)).or_cannot("create link", name)?;
    }
    terminals(privilege)?;
    folder(Path::new("/dev/shm"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), "/dev/shm", Some("tmpfs"), flags, Some("mode=1777"))
        .or_cannot("mount", "/dev/shm")?;
    match terminal.and_then(|path| path.strip_prefix("/").ok()) {
        Some(terminal) => show(terminal, Path::new("/dev/console")),
        None => Ok(()),
    }
}

/// Terminals that programs inside open are their own, and nobody else's can be reached.
fn terminals(privilege: Privilege) -> Result<()> {
    folder(Path::new("/dev/pts"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let group = if privilege == Privilege::OneId { String::new() } else { format!(",gid={TTY_GROUP}") };
    let options = format!("newinstance,ptmxmode=666,mode=620{group}");
    mount(Some("devpts"), "/dev/pts", Some("devpts"), flags, Some(options.as_str()))
        .or_cannot("mount", "/dev/pts")
}

/// Shows a device of the host's.
fn show(source: &Path, target: &Path) -> Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o666).open(target).or_cannot("create", target)?;
    mount(Some(source), target, NOTHING, MsFlags::MS_BIND, NOTHING).or_cannot("mount", target)
}
