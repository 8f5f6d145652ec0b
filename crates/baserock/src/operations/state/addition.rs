//! An addition to one shared directory. What is to be added is decided first, and then made.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use system::atomic;
use system::btrfs::{self, Access};
use system::copy::Copier;
use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::flags;
use system::inode::{Inode, times};
use system::metadata::Times;
use system::mount::{self, MountId};
use system::observer::Observer;
use system::owners::IdMoves;
use system::signal;
use system::undo::Undo;
use system::walk::{Place, Visit, Walk};

use super::Excepted;
use crate::layout::{self, ADDING};
use crate::naming::NAMED;
use crate::volume::Volume;

/// An addition to one shared directory. All paths are relative to it.
#[derive(Default)]
pub struct Addition {
    /// The missing names, by the subvolume (or mount) in which they are made. A parent comes before its children.
    missing: BTreeMap<PathBuf, Vec<Missing>>,
    /// The paths that are there and that the new version ships otherwise.
    differing: Vec<PathBuf>,
    /// The paths that cannot be made, because somebody has fixed the directory in which they belong.
    fixed: Vec<PathBuf>,
}

/// A missing name.
struct Missing {
    path: PathBuf,
    part: Part,
}

/// The part of a shipped path that is added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// The directory without what is in it.
    Hollow,
    /// A directory that is needed and not shipped.
    Place,
}

impl Addition {
    /// Compares `shipped` with the shared directory. A missing path that the old version, at `before`, shipped too was deleted by somebody
    /// and stays deleted.
    ///
    /// `is_writable` is false where the whole volume is mounted read-only, to look at it. Then only flags and read-only subvolumes fix anything.
    pub fn find(
        target: &Dir,
        shipped: &Dir,
        before: Option<&Dir>,
        excepted: &Excepted,
        is_writable: bool,
    ) -> Result<Self> {
        let (made, found) = (Vec::new(), Addition::default());
        let mut finder = Finder { target, before, excepted, is_writable, made, found };
        let mut walk = Walk::new(shipped.duplicate()?)?;
        while let Some(visit) = walk.next()? {
            signal::check()?;
            let (place, is_directory) = match visit {
                Visit::Enter(place, _) if place.is_top() => continue,
                Visit::Enter(place, _) => (place, true),
                Visit::Name(place) => (place, false),
                Visit::Leave(_) | Visit::Mount(_) => continue,
            };
            let goes_on = finder.one(place, is_directory)?;
            if is_directory && !goes_on {
                walk.prune()?;
            }
        }
        excepted.covered.iter().try_for_each(|path| finder.place(path))?;
        Ok(finder.found)
    }

    /// Makes everything that is missing. Each step registers how it is taken back.
    pub fn make<'v>(
        &self,
        volume: &'v Volume,
        name: &'static str,
        shipped: &Dir,
        moves: &IdMoves,
        undo: &mut Undo<'v>,
    ) -> Result<()> {
        let target = volume.top().dir(layout::state(name))?;
        for (top, missing) in &self.missing {
            let top = Top { path: top, dir: beneath(&target, top)? };
            // Hard links do not lead from one subvolume to another, so each has a copier of its own.
            let mut copier = Copier::new(&top.dir).moves(moves.clone());
            for one in missing {
                signal::check()?;
                let above = parent(&one.path);
                let before = times(&beneath(&target, above)?.stat()?);
                top.add(&mut copier, &target, shipped, one)?;
                let whole = layout::state(name).join(&one.path);
                undo.push(format!("remove {}", volume.top().shown(&whole).display()), move || {
                    take_back(volume, &whole, before)
                });
            }
            copier.fix()?;
        }
        Ok(())
    }

    /// Names what stays as it is in the shared directory that is mounted at `place`.
    pub fn report(&self, place: &Path, observer: &dyn Observer) {
        let shown = |path: &PathBuf| Path::new("/").join(place).join(path).display().to_string();
        for path in self.differing.iter().take(NAMED) {
            observer.note(format!("{} stays as it is; the new version ships another", shown(path)));
        }
        if self.differing.len() > NAMED {
            let more = self.differing.len() - NAMED;
            observer.note(format!("{more} more files in /{} stay as they are", place.display()));
        }
        for path in self.fixed.iter().take(NAMED) {
            observer.warn(format!(
                "{} of the new version is not added: the directory is read-only, or chattr has fixed it",
                shown(path)
            ));
        }
        if self.fixed.len() > NAMED {
            let more = self.fixed.len() - NAMED;
            observer.warn(format!("{more} more names in /{} are not added", place.display()));
        }
    }
}

/// Removes an addition. The directory that it was made in gets its times back.
fn take_back(volume: &Volume, path: &Path, before: Times) -> Result<()> {
    let above = volume.top().dir(parent(path))?;
    above.remove_tree(path.file_name().unwrap_or_default())?;
    Inode::named(&above, Path::new("")).set_times(before)
}

/// The top of a subvolume or mount, at a path in the shared directory. Only within it can names be moved.
struct Top<'p> {
    path: &'p Path,
    dir: Dir,
}

impl Top<'_> {
    fn add(&self, copier: &mut Copier<'_>, target: &Dir, shipped: &Dir, missing: &Missing) -> Result<()> {
        let path = &missing.path;
        let above = beneath(target, parent(path))?;
        let name = path.file_name().unwrap_or_default();
        // Existing directories keep even their times when something is added to them.
        let before = [above.stat()?, self.dir.stat()?];
        let set_times = || {
            Inode::named(&above, Path::new("")).set_times(times(&before[0]))?;
            Inode::named(&self.dir, Path::new("")).set_times(times(&before[1]))
        };
        let mut undo = Undo::new();
        undo.push(format!("remove {}", self.dir.shown(ADDING).display()), || {
            self.dir.remove_tree(ADDING)?;
            set_times()
        });
        // The addition is made aside and renamed, because programs use the directory meanwhile, and a crash must not leave half a file.
        let aside = Path::new(ADDING);
        match missing.part {
            Part::Whole => copier.entry(&beneath(shipped, parent(path))?, name, aside)?,
            Part::Hollow => copier.hollow(&beneath(shipped, parent(path))?, name, aside)?,
            Part::Place => self.dir.make_dir(aside, 0o755)?,
        }
        atomic::rename_no_replace(&self.dir, aside, &above, name)?;
        copier.moved(aside, path.strip_prefix(self.path).unwrap_or(path));
        set_times()?;
        undo.commit();
        Ok(())
    }
}

struct Finder<'a> {
    target: &'a Dir,
    before: Option<&'a Dir>,
    excepted: &'a Excepted,
    is_writable: bool,
    /// The missing directories of which others are made inside, with the top that each is in.
    made: Vec<(PathBuf, PathBuf)>,
    found: Addition,
}

impl Finder<'_> {
    /// Examines one shipped path. Returns whether to examine what is below it.
    fn one(&mut self, place: Place<'_>, is_directory: bool) -> Result<bool> {
        let path = place.path;
        let Excepted { covered, databases } = self.excepted;
        // A link leads to a database of the version's own.
        if is_directory && databases.iter().any(|database| database == path) {
            return Ok(false);
        }
        let is_covered = covered.iter().any(|covered| covered == path);
        let leads_to_excepted = covered.iter().chain(databases).any(|one| one.starts_with(path));
        if let Some(there) = self.target.stat_beneath(path)? {
            return Ok(!is_covered && self.compare(place, there.st_mode & libc::S_IFMT)?);
        }
        let was_shipped = self.before.map(|before| before.stat_beneath(path)).transpose()?.flatten();
        if is_directory && leads_to_excepted {
            return Ok(self.missing(path, Part::Hollow)? && !is_covered);
        }
        if was_shipped.is_none() {
            self.missing(path, Part::Whole)?;
        }
        Ok(false)
    }

    /// Notes a covered path, and the directories that lead to it, if they are missing and not shipped.
    fn place(&mut self, covered: &Path) -> Result<()> {
        let mut path = PathBuf::new();
        for name in covered {
            path.push(name);
            let is_made = self.made.iter().any(|(made, _)| *made == path);
            if !is_made && self.target.stat_beneath(&path)?.is_none() && !self.missing(&path, Part::Place)? {
                break;
            }
        }
        Ok(())
    }

    /// Notes a missing path. Returns whether it can be added.
    fn missing(&mut self, path: &Path, part: Part) -> Result<bool> {
        let known = self.made.iter().find(|(made, _)| made == parent(path));
        let top = match known {
            Some((_, top)) => Some(top.clone()),
            None => self.top_of(parent(path))?,
        };
        let Some(top) = top else {
            self.found.fixed.push(path.to_owned());
            return Ok(false);
        };
        if part != Part::Whole {
            self.made.push((path.to_owned(), top.clone()));
        }
        self.found.missing.entry(top).or_default().push(Missing { path: path.to_owned(), part });
        Ok(true)
    }

    /// The highest directory from which names can be moved to `above`; `None` if somebody has fixed one of the two.
    fn top_of(&self, above: &Path) -> Result<Option<PathBuf>> {
        let dir = beneath(self.target, above)?;
        let (own, mut top) = (spot(&dir)?, (above, dir.duplicate()?));
        for up in above.ancestors().skip(1) {
            let next = beneath(self.target, up)?;
            if spot(&next)? != own {
                break;
            }
            top = (up, next);
        }
        let is_fixed = if self.is_writable {
            flags::is_fixed(&dir)? || flags::is_fixed(&top.1)?
        } else {
            let is_snapshot = btrfs::is_subvolume(&top.1)? && btrfs::access(&top.1)? == Access::ReadOnly;
            is_snapshot || flags::is_fixed_by_flag(&dir)? || flags::is_fixed_by_flag(&top.1)?
        };
        Ok((!is_fixed).then(|| top.0.to_owned()))
    }

    /// Compares a path that both sides have. Notes a file that is new or changed in the new version and differs from the state's, and a path of
    /// another type. Returns whether both are directories.
    fn compare(&mut self, place: Place<'_>, kind: u32) -> Result<bool> {
        let Place { dir, name, path, .. } = place;
        let Some(stat) = dir.stat_of(name)? else { return Ok(false) };
        match (stat.st_mode & libc::S_IFMT, kind) {
            (libc::S_IFDIR, libc::S_IFDIR) => return Ok(true),
            (libc::S_IFREG, libc::S_IFREG) => {
                let is_new = self.before.is_none_or(|before| !same(before, path, dir, name).unwrap_or(false));
                if is_new && !same(self.target, path, dir, name)? {
                    self.found.differing.push(path.to_owned());
                }
            }
            (new, there) => {
                if new != there {
                    self.found.differing.push(path.to_owned());
                }
            }
        }
        Ok(false)
    }
}

/// The path without its last name.
fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The directory at a path that may be empty.
fn beneath(dir: &Dir, path: &Path) -> Result<Dir> {
    if path.as_os_str().is_empty() { dir.duplicate() } else { dir.dir(path) }
}

/// The subvolume and the mount of a directory. A name can be moved only where both are the same.
fn spot(dir: &Dir) -> Result<(u64, MountId)> {
    Ok((dir.stat()?.st_dev, mount::id(dir.as_fd(), &dir.shown(""))?))
}

/// Whether two regular files have the same content.
pub fn same(one_dir: &Dir, one: &Path, other_dir: &Dir, other: &Path) -> Result<bool> {
    let (mut left, mut right) = (one_dir.file(one)?, other_dir.file(other)?);
    let size = |file: &std::fs::File| file.metadata().map(|found| found.len());
    if size(&left).or_cannot("examine", one_dir.shown(one))?
        != size(&right).or_cannot("examine", other_dir.shown(other))?
    {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = left.read(&mut a).or_cannot("read", one_dir.shown(one))?;
        if count == 0 {
            return Ok(true);
        }
        match right.read_exact(&mut b[..count]) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            outcome => outcome.or_cannot("read", other_dir.shown(other))?,
        }
        if a[..count] != b[..count] {
            return Ok(false);
        }
    }
}
