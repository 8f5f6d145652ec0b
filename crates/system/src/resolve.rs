//! Opens paths that come from outside. They cannot lead out of a directory that is open already.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat};
use rustix::fs::{OFlags, ResolveFlags, openat2};

/// The treatment of symbolic links on the way and at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// A link anywhere in the path is an error (`ELOOP`).
    Refuse,
    /// Links are followed while they stay inside. An absolute link, or one that leads outside, is an error (`EXDEV`).
    Beneath,
    /// Links are followed as if the directory were `/`, as in a booted version. They cannot lead outside.
    InRoot,
}

/// The kernel's limit for links in one path.
const MOST_LINKS: usize = 40;

/// Opens `path` beneath `root`. `..` cannot lead above it.
pub fn open(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    mode: Mode,
    links: Links,
) -> io::Result<OwnedFd> {
    let resolve = match links {
        Links::Refuse => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        Links::Beneath => ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        Links::InRoot => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    };
    let native = OFlags::from_bits_retain(flags.bits().cast_unsigned()) | OFlags::CLOEXEC;
    loop {
        match openat2(root, path, native, rustix::fs::Mode::from_bits_retain(mode.bits()), resolve) {
            Ok(fd) => return Ok(fd),
            Err(rustix::io::Errno::NOSYS) => return by_component(root, path, flags, mode, links),
            // Another process renamed something during the look-up of `..`. The kernel asks to try again.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// [`open`] for kernels before 5.6. It opens one component at a time and examines every link itself.
fn by_component(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    mode: Mode,
    links: Links,
) -> io::Result<OwnedFd> {
    let step = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut above =
        vec![openat(root, ".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?];
    let mut followed = 0;
    let mut rest = components(path);
    while let Some(next) = rest.pop() {
        let here = above.last().ok_or(io::ErrorKind::InvalidInput)?;
        match next {
            Step::Root if links == Links::InRoot => above.truncate(1),
            Step::Up if above.len() > 1 => above.truncate(above.len() - 1),
            Step::Up if links == Links::InRoot => {}
            Step::Root | Step::Up => return Err(io::Error::from_raw_os_error(libc::EXDEV)),
            Step::Down(name) => match openat(here, &name, step, Mode::empty()) {
                Ok(fd) if is_link(&fd)? => {
                    followed += 1;
                    if links == Links::Refuse || followed > MOST_LINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    rest.extend(components(Path::new(&readlinkat(here, &name)?)));
                }
                Ok(_) if rest.is_empty() => {
                    return Ok(openat(here, &name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, mode)?);
                }
                Ok(fd) => above.push(fd),
                Err(nix::Error::ENOENT) if rest.is_empty() && flags.contains(OFlag::O_CREAT) => {
                    return Ok(openat(here, &name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, mode)?);
                }
                Err(error) => return Err(error.into()),
            },
        }
    }
    let end = above.last().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(openat(end, ".", flags | OFlag::O_CLOEXEC, mode)?)
}

enum Step {
    Root,
    Up,
    Down(PathBuf),
}

/// The steps of a path in reverse order.
fn components(path: &Path) -> Vec<Step> {
    let step = |component: Component<'_>| match component {
        Component::RootDir | Component::Prefix(_) => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::CurDir => None,
        Component::Normal(name) => Some(Step::Down(name.into())),
    };
    let mut steps: Vec<Step> = path.components().filter_map(step).collect();
    steps.reverse();
    steps
}

fn is_link(fd: impl AsFd) -> io::Result<bool> {
    Ok(fstat(fd)?.st_mode & libc::S_IFMT == libc::S_IFLNK)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    type Opener = fn(BorrowedFd<'_>, &Path, OFlag, Mode, Links) -> io::Result<OwnedFd>;

    /// The kernel and [`by_component`] must agree on every path.
    #[test]
    fn both_ways_resolve_alike() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path().join("root");
        fs::create_dir_all(root.join("boot/deep")).unwrap();
        fs::write(root.join("boot/kernel"), "inside").unwrap();
        fs::write(tree.path().join("kernel"), "outside").unwrap();
        symlink("boot/kernel", root.join("relative")).unwrap();
        symlink("/boot/kernel", root.join("absolute")).unwrap();
        symlink("../../../boot/kernel", root.join("boot/deep/up")).unwrap();
        symlink("boot", root.join("dir")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("../kernel", root.join("out")).unwrap();
        let paths = [
            "boot/kernel",
            "relative",
            "absolute",
            "boot/deep/up",
            "dir/kernel",
            "loop",
            "out",
            "../kernel",
            "missing",
            "boot/../boot/kernel",
            "boot/./kernel",
            "/boot/kernel",
            "boot",
            ".",
            "boot/kernel/x",
        ];
        let dir = fs::File::open(&root).unwrap();
        for links in [Links::Refuse, Links::Beneath, Links::InRoot] {
            for path in paths {
                let outcome = |open: Opener| {
                    open(dir.as_fd(), Path::new(path), OFlag::O_RDONLY, Mode::empty(), links)
                        .map(|fd| fstat(fd).unwrap().st_ino)
                        .map_err(|error| error.raw_os_error())
                };
                assert_eq!(outcome(open), outcome(by_component), "{path} {links:?}");
            }
        }
    }
}
