//! Gives a version's files the owners that they have on this machine.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::FileStat;
use system::dir::Dir;
use system::error::Result;
use system::inode::{Inode, is_directory, is_link};
use system::metadata::is_acl;
use system::mount::{self, MountId};
use system::owners::IdMoves;
use system::signal;
use system::trail::Trail;
use system::walk::{Visit, Walk};

use super::staged::ETC;
use crate::rootfs::databases;

/// Changes the owners in a version's `run`.
///
/// A file's owner as built is looked up in `orig`, so the result is the same if this is done again, even after a crash in the middle. A file
/// whose owner is neither the one as built nor the one of the earlier merge was changed by somebody, and is left alone.
#[derive(Clone, Copy, Debug)]
pub struct Reown<'a> {
    /// The new numbers.
    pub moves: &'a IdMoves,
    /// The numbers of an earlier merge.
    pub earlier: &'a IdMoves,
    /// All names in `orig` that do not belong to root alone or have an ACL. If they are known, no search for them is needed.
    pub owned: Option<&'a [PathBuf]>,
    /// Whether `run` is a directory of the shared state. Only files move that have the numbers of the earlier merge, because the others were there
    /// before the version. With a folder goes what was put into it since by its owner.
    pub is_shared: bool,
}

impl Reown<'_> {
    /// Changes the owners of everything in `run` except `etc`. It never crosses a mount. Returns the number of inodes that got another owner.
    pub fn run(self, orig: &Dir, run: &Dir) -> Result<u64> {
        if self.moves == self.earlier {
            return Ok(0);
        }
        let mut walk = Owning { reown: self, mount: mount::id(run.as_fd(), &run.shown(""))?, count: 0 };
        match self.owned.filter(|_| !self.moves_root()) {
            Some(names) => {
                let mut names = names.iter().filter(|name| !name.starts_with(ETC));
                names.try_for_each(|name| walk.known(orig, run, name))?;
            }
            None => walk.everything(orig, run)?,
        }
        for database in databases::kept(orig, run)? {
            walk.everything(&orig.dir(database.in_tree())?, &run.dir(database.kept())?)?;
        }
        Ok(walk.count)
    }

    /// Whether the number of root itself moves.
    fn moves_root(self) -> bool {
        [self.moves, self.earlier].iter().any(|moves| (moves.user(0), moves.group(0)) != (0, 0))
    }

    /// The new owner of a file.
    fn owner(self, built: &FileStat, now: &FileStat) -> (u32, u32) {
        let settle = |now: u32, built: u32, earlier: u32, wanted: u32| {
            if (now == built && !self.is_shared) || now == earlier { wanted } else { now }
        };
        let (uid, gid) = (built.st_uid, built.st_gid);
        let uid = settle(now.st_uid, uid, self.earlier.user(uid), self.moves.user(uid));
        let gid = settle(now.st_gid, gid, self.earlier.group(gid), self.moves.group(gid));
        (uid, gid)
    }

    /// Whether the owner of a file as built can move.
    fn moves_owner(self, built: &FileStat) -> bool {
        let (uid, gid) = (built.st_uid, built.st_gid);
        [self.moves, self.earlier].iter().any(|moves| (moves.user(uid), moves.group(gid)) != (uid, gid))
    }

    /// The new ACL of a file; `None` if it stays the same.
    fn acl(self, built: &[u8], now: &[u8]) -> Option<Vec<u8>> {
        let is_known =
            (now == built && !self.is_shared) || self.earlier.acl(built).as_deref().unwrap_or(built) == now;
        let wanted = self.moves.acl(built).unwrap_or_else(|| built.to_vec());
        (is_known && wanted != now).then_some(wanted)
    }
}

struct Owning<'a> {
    reown: Reown<'a>,
    mount: MountId,
    count: u64,
}

impl Owning<'_> {
    /// Handles one known name.
    fn known(&mut self, orig: &Dir, run: &Dir, path: &Path) -> Result<()> {
        let (mut orig, mut run) = (orig.duplicate()?, run.duplicate()?);
        for name in path {
            signal::check()?;
            let name = Path::new(name);
            let Some(built) = orig.stat_of(name)? else { return Ok(()) };
            if !is_directory(&built) {
                return self.name(&orig, &built, &run, name);
            }
            let Some(below) = self.below(&run, name)? else { return Ok(()) };
            (orig, run) = (orig.dir(name)?, below);
        }
        self.directory(&orig, &run)
    }

    /// Handles everything in `orig`.
    fn everything(&mut self, orig: &Dir, run: &Dir) -> Result<()> {
        let mut walk = Walk::new(orig.duplicate()?)?;
        let mut trail = Trail::new(run.duplicate()?)?;
        while let Some(visit) = walk.next()? {
            signal::check()?;
            match visit {
                Visit::Enter(place, built) if place.is_top() => self.directory(built, trail.here()?)?,
                Visit::Enter(place, _) if place.path == Path::new(ETC) => walk.prune()?,
                Visit::Enter(place, built) => match self.below(trail.here()?, place.name)? {
                    Some(now) => {
                        self.directory(built, &now)?;
                        trail.enter(now)?;
                    }
                    None => walk.prune()?,
                },
                Visit::Leave(place) if !place.is_top() => trail.leave()?,
                Visit::Name(place) => {
                    let Some(built) = place.dir.stat_of(place.name)? else { continue };
                    self.name(place.dir, &built, trail.here()?, place.name)?;
                }
                Visit::Leave(_) | Visit::Mount(_) => {}
            }
        }
        Ok(())
    }

    /// The directory of this name; `None` if there is none, or if something is mounted on it.
    fn below(&self, run: &Dir, name: &Path) -> Result<Option<Dir>> {
        if !run.stat_of(name)?.is_some_and(|stat| is_directory(&stat)) {
            return Ok(None);
        }
        let dir = run.dir(name)?;
        Ok((mount::id(dir.as_fd(), &dir.shown(""))? == self.mount).then_some(dir))
    }

    fn directory(&mut self, orig: &Dir, run: &Dir) -> Result<()> {
        let built = Inode::open(orig.as_fd(), orig.shown(""));
        let now = Inode::open(run.as_fd(), run.shown(""));
        let before = now.stat()?;
        self.one((&built, &built.stat()?), (&now, &before))?;
        if self.reown.is_shared {
            let after = now.stat()?;
            let users = [(before.st_uid, after.st_uid)].into_iter().filter(|(from, to)| from != to);
            let groups = [(before.st_gid, after.st_gid)].into_iter().filter(|(from, to)| from != to);
            self.added(run, &IdMoves { users: users.collect(), groups: groups.collect() })?;
        }
        Ok(())
    }

    /// Handles everything below a folder of the shared state whose owner has moved.
    fn added(&mut self, folder: &Dir, moves: &IdMoves) -> Result<()> {
        if moves.is_empty() {
            return Ok(());
        }
        let mut walk = Walk::new(folder.duplicate()?)?;
        while let Some(visit) = walk.next()? {
            signal::check()?;
            match visit {
                Visit::Enter(place, dir) if !place.is_top() => {
                    self.follow(&Inode::open(dir.as_fd(), dir.shown("")), moves)?;
                }
                Visit::Name(place) => self.follow(&Inode::named(place.dir, place.name), moves)?,
                Visit::Enter(..) | Visit::Leave(_) | Visit::Mount(_) => {}
            }
        }
        Ok(())
    }

    fn follow(&mut self, inode: &Inode<'_>, moves: &IdMoves) -> Result<()> {
        let stat = inode.stat()?;
        let (uid, gid) = (moves.user(stat.st_uid), moves.group(stat.st_gid));
        if (uid, gid) != (stat.st_uid, stat.st_gid) {
            inode.change_owner(uid, gid)?;
            self.count += 1;
        }
        if is_link(&stat) {
            return Ok(());
        }
        for name in inode.attribute_names()?.iter().filter(|name| is_acl(name.to_bytes())) {
            if let Some(moved) = inode.attribute(name)?.and_then(|acl| moves.acl(&acl)) {
                inode.set_attribute(name, &moved)?;
            }
        }
        Ok(())
    }

    /// Handles anything but a directory.
    fn name(&mut self, orig: &Dir, built: &FileStat, run: &Dir, name: &Path) -> Result<()> {
        let original = Inode::named(orig, name);
        // Most files keep their owners. Examining them in `run` too would double the time.
        if !self.reown.moves_owner(built) && !has_acl(&original, built)? {
            return Ok(());
        }
        let Some(now) = run.stat_of(name)? else { return Ok(()) };
        if built.st_mode & libc::S_IFMT != now.st_mode & libc::S_IFMT {
            return Ok(());
        }
        self.one((&original, built), (&Inode::named(run, name), &now))
    }

    fn one(&mut self, orig: (&Inode<'_>, &FileStat), run: (&Inode<'_>, &FileStat)) -> Result<()> {
        let (uid, gid) = self.reown.owner(orig.1, run.1);
        if (uid, gid) != (run.1.st_uid, run.1.st_gid) {
            run.0.change_owner(uid, gid)?;
            self.count += 1;
        }
        if is_link(run.1) { Ok(()) } else { self.acls(orig.0, run.0) }
    }

    fn acls(&self, orig: &Inode<'_>, run: &Inode<'_>) -> Result<()> {
        for name in run.attribute_names()?.iter().filter(|name| is_acl(name.to_bytes())) {
            let (Some(built), Some(now)) = (orig.attribute(name)?, run.attribute(name)?) else { continue };
            if let Some(acl) = self.reown.acl(&built, &now) {
                run.set_attribute(name, &acl)?;
            }
        }
        Ok(())
    }
}

fn has_acl(inode: &Inode<'_>, stat: &FileStat) -> Result<bool> {
    Ok(!is_link(stat) && inode.attribute_names()?.iter().any(|name| is_acl(name.to_bytes())))
}
