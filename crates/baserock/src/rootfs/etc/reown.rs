//! Giving a version's files to the owners that they have on this machine.

use std::ffi::{CStr, CString};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, fchmodat};
use nix::unistd::{Gid, Uid, fchownat};
use rustix::fs::{XattrFlags, lsetxattr};
use system::copy::{xattr, xattr_names};
use system::dir::Dir;
use system::error::Result;
use system::step::change;
use system::{resolve, signal};

use super::scan::fd_path;
use crate::etc::ids::{ACLS, IdMoves};

/// The attributes that a change of owner clears.
const CAPABILITY: &CStr = c"security.capability";

/// Re-owns a version's `run` from what its `orig` says.
///
/// A file's number as built is looked up in `orig`, so that doing it again, or after a crash in the middle, gives the same. A file
/// whose owner is neither that nor the one of the earlier merge was given away by somebody, and is left alone.
#[derive(Clone, Copy, Debug)]
pub struct Reown<'a> {
    /// The numbers to give.
    pub moves: &'a IdMoves,
    /// The numbers that an earlier merge gave.
    pub earlier: &'a IdMoves,
    /// All names in `orig` that are not root's alone or have an ACL, where they are known: then nobody has to look for them.
    pub owned: Option<&'a [PathBuf]>,
}

impl Reown<'_> {
    /// Re-owns everything in `run` but `etc`, never crossing a mount. Returns how many inodes got another owner.
    pub fn run(self, orig: &Dir, run: &Dir) -> Result<u64> {
        if self.moves == self.earlier {
            return Ok(0);
        }
        let mount = resolve::mount_id(run.as_fd(), &run.shown(""))?;
        let mut walk = Walk { reown: self, mount, count: 0 };
        match self.owned.filter(|_| !self.moves_root()) {
            Some(names) => {
                let mut names = names.iter().filter(|name| !name.starts_with("etc"));
                names.try_for_each(|name| walk.known(orig, run, name))?;
            }
            None => walk.directory(orig, run, true)?,
        }
        Ok(walk.count)
    }

    /// Whether root itself has another number than before.
    fn moves_root(self) -> bool {
        [self.moves, self.earlier].iter().any(|moves| (moves.user(0), moves.group(0)) != (0, 0))
    }

    /// The owner that a file is to have.
    fn owner(self, built: &FileStat, now: &FileStat) -> (u32, u32) {
        let settle = |now: u32, built: u32, earlier: u32, wanted: u32| {
            if now == built || now == earlier { wanted } else { now }
        };
        let (uid, gid) = (built.st_uid, built.st_gid);
        let uid = settle(now.st_uid, uid, self.earlier.user(uid), self.moves.user(uid));
        let gid = settle(now.st_gid, gid, self.earlier.group(gid), self.moves.group(gid));
        (uid, gid)
    }

    /// Whether the owner of a file that was built so can be another than before.
    fn moves_owner(self, built: &FileStat) -> bool {
        let (uid, gid) = (built.st_uid, built.st_gid);
        [self.moves, self.earlier].iter().any(|moves| (moves.user(uid), moves.group(gid)) != (uid, gid))
    }

    /// The ACL that a file is to have, where that is another than it has.
    fn acl(self, built: &[u8], now: &[u8]) -> Option<Vec<u8>> {
        let is_known = now == built || self.earlier.acl(built).is_some_and(|earlier| earlier == now);
        let wanted = self.moves.acl(built).unwrap_or_else(|| built.to_vec());
        (is_known && wanted != now).then_some(wanted)
    }
}

struct Walk<'a> {
    reown: Reown<'a>,
    mount: Option<u64>,
    count: u64,
}

impl Walk<'_> {
    /// One name, where nobody has to look for it.
    fn known(&mut self, orig: &Dir, run: &Dir, path: &Path) -> Result<()> {
        let (mut orig, mut run) = (orig.duplicate()?, run.duplicate()?);
        for name in path {
            signal::check()?;
            if !self.is_inside(&run)? {
                return Ok(());
            }
            let name = Path::new(name);
            let (Some(built), Some(now)) = (orig.stat_of(name)?, run.stat_of(name)?) else { return Ok(()) };
            if built.st_mode & libc::S_IFMT != now.st_mode & libc::S_IFMT {
                return Ok(());
            }
            if now.st_mode & libc::S_IFMT != libc::S_IFDIR {
                return self.one((&orig, &built), (&run, &now), name);
            }
            (orig, run) = (orig.dir(name)?, run.dir(name)?);
        }
        self.itself(&orig, &run).map(drop)
    }

    fn is_inside(&self, run: &Dir) -> Result<bool> {
        Ok(resolve::mount_id(run.as_fd(), &run.shown(""))? == self.mount)
    }

    /// The directory itself, if nothing is mounted on it; tells whether it is that.
    fn itself(&mut self, orig: &Dir, run: &Dir) -> Result<bool> {
        let is_inside = self.is_inside(run)?;
        if is_inside {
            self.one((orig, &orig.stat()?), (run, &run.stat()?), Path::new("."))?;
        }
        Ok(is_inside)
    }

    fn directory(&mut self, orig: &Dir, run: &Dir, is_top: bool) -> Result<()> {
        if !self.itself(orig, run)? {
            return Ok(());
        }
        for entry in orig.entries()? {
            signal::check()?;
            if !(is_top && entry.name == "etc") {
                self.entry(orig, run, Path::new(&entry.name))?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, orig: &Dir, run: &Dir, name: &Path) -> Result<()> {
        let Some(built) = orig.stat_of(name)? else { return Ok(()) };
        let is_dir = built.st_mode & libc::S_IFMT == libc::S_IFDIR;
        // Most files stay whose they are, and looking at the version's own as well would take as long again.
        if !is_dir && !self.reown.moves_owner(&built) && !has_acl(orig, &built, name)? {
            return Ok(());
        }
        let Some(now) = run.stat_of(name)? else { return Ok(()) };
        if built.st_mode & libc::S_IFMT != now.st_mode & libc::S_IFMT {
            return Ok(());
        }
        if now.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return self.directory(&orig.dir(name)?, &run.dir(name)?, false);
        }
        self.one((orig, &built), (run, &now), name)
    }

    fn one(&mut self, orig: (&Dir, &FileStat), run: (&Dir, &FileStat), name: &Path) -> Result<()> {
        let (uid, gid) = self.reown.owner(orig.1, run.1);
        if (uid, gid) != (run.1.st_uid, run.1.st_gid) {
            change_owner(run.0, run.1, name, (uid, gid))?;
            self.count += 1;
        }
        if run.1.st_mode & libc::S_IFMT == libc::S_IFLNK { Ok(()) } else { self.acls(orig.0, run.0, name) }
    }

    fn acls(&self, orig: &Dir, run: &Dir, name: &Path) -> Result<()> {
        let paths = [orig, run].map(|dir| (fd_path(dir).join(name), dir.shown(name)));
        let [(built, built_shown), (now, shown)] = &paths;
        for attribute in xattr_names(now, shown)? {
            if !ACLS.contains(&attribute.to_bytes()) || !has(built, built_shown, &attribute)? {
                continue;
            }
            let (old, current) = (xattr(built, &attribute, built_shown)?, xattr(now, &attribute, shown)?);
            if let Some(acl) = self.reown.acl(&old, &current) {
                set_attribute(now, shown, &attribute, &acl)?;
            }
        }
        Ok(())
    }
}

/// Changes the owner of a file or link, and gives back what that takes away: set-id bits and capabilities.
fn change_owner(dir: &Dir, stat: &FileStat, name: &Path, (uid, gid): (u32, u32)) -> Result<()> {
    let (path, shown) = (fd_path(dir).join(name), dir.shown(name));
    let is_link = stat.st_mode & libc::S_IFMT == libc::S_IFLNK;
    let capability = (!is_link && has(&path, &shown, CAPABILITY)?)
        .then(|| xattr(&path, CAPABILITY, &shown))
        .transpose()?;
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    change("change owner of", &shown, || {
        fchownat(dir, name, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW)
    })?;
    if !is_link && stat.st_mode & 0o6000 != 0 {
        let mode = Mode::from_bits_truncate(stat.st_mode & 0o7777);
        change("change mode of", &shown, || fchmodat(dir, name, mode, FchmodatFlags::FollowSymlink))?;
    }
    match capability {
        Some(capability) => set_attribute(&path, &shown, CAPABILITY, &capability),
        None => Ok(()),
    }
}

fn has_acl(dir: &Dir, stat: &FileStat, name: &Path) -> Result<bool> {
    if stat.st_mode & libc::S_IFMT == libc::S_IFLNK {
        return Ok(false);
    }
    let names = xattr_names(&fd_path(dir).join(name), &dir.shown(name))?;
    Ok(names.iter().any(|name| ACLS.contains(&name.to_bytes())))
}

fn has(path: &Path, shown: &Path, attribute: &CStr) -> Result<bool> {
    Ok(xattr_names(path, shown)?.iter().any(|name: &CString| name.as_c_str() == attribute))
}

fn set_attribute(path: &PathBuf, shown: &Path, attribute: &CStr, value: &[u8]) -> Result<()> {
    change(format!("set attribute {} of", attribute.to_string_lossy()), shown, || {
        lsetxattr(path, attribute, value, XattrFlags::empty())
    })
}
