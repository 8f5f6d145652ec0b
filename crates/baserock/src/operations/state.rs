//! The state that all versions share. It is made from the directories that builds ship, and things are only ever added to it.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};

use system::atomic;
use system::btrfs;
use system::copy::Copier;
use system::dir::{Dir, MOST_TEXT};
use system::error::{OrCannot, Result};
use system::inode::{Inode, times};
use system::observer::Observer;
use system::owners::IdMoves;
use system::remove;
use system::signal;
use system::undo::Undo;
use system::walk::{Place, Visit, Walk};

use crate::fstab::{Fstab, Line};
use crate::layout::{self, ADDING, MOUNTS, PRIVATE, SHARED, STATE};
use crate::volume::Volume;

/// Package databases. They list the packages of one version, so additions from a new version would make them wrong for all others.
const DATABASES: [&str; 4] = ["lib/dpkg", "lib/rpm", "lib/apt", "lib/pacman"];

/// The number of differing paths that are named. Further ones are only counted.
const NAMED: usize = 10;

/// The shared directories that the version mounts from the volume: all except those that its own fstab mounts from elsewhere.
pub fn shared_by(fstab: &Fstab) -> impl Iterator<Item = &'static str> {
    SHARED.into_iter().filter(|name| {
        let own = Path::new("/").join(name);
        let subvolume = format!("subvol=/{}", layout::state(name).display());
        fstab
            .lines()
            .iter()
            .filter(|line| line.target.as_deref() == Some(&own))
            .all(|line| contains(&line.text, &subvolume))
    })
}

/// The lines that every version's fstab needs on this volume, in a fixed order. Those of the disk's other partitions are last.
pub fn fstab_lines(volume: &Volume) -> Result<Vec<Line>> {
    let Some(uuid) = volume.uuid() else { return Ok(Vec::new()) };
    let own = std::iter::once(Line::root(uuid)).chain(SHARED.map(|name| Line::shared(uuid, name)));
    Ok(own.chain(disk_mounts(volume)?.lines().iter().cloned()).collect())
}

/// The mounts of the disk's other partitions, as they were noted when the disk was made.
pub fn disk_mounts(volume: &Volume) -> Result<Fstab> {
    let text = volume.top().read_if_exists(Path::new(PRIVATE).join(MOUNTS), MOST_TEXT)?;
    Ok(Fstab::parse(&text.unwrap_or_default()))
}

/// Adds everything to the shared state that the version ships and the state lacks: whole subvolumes, and paths in existing ones. A missing
/// path that `old` shipped too is left out, because somebody has deleted it. Nothing that exists is changed.
pub fn add_missing(
    volume: &Volume,
    new: &Dir,
    old: Option<&Dir>,
    shared: &[&'static str],
    moves: &IdMoves,
    observer: &dyn Observer,
) -> Result<()> {
    let state = volume.top().ensure_dir(STATE, 0o755)?;
    for &name in shared {
        let Some(shipped) = new.dir_if_exists(name)? else {
            if !state.has(name)? {
                btrfs::create(&state, name)?;
            }
            continue;
        };
        if state.has(name)? {
            let target = state.dir(name)?;
            let mut addition = Addition {
                copier: Copier::new(&target).moves(moves.clone()),
                target: &target,
                differing: Vec::new(),
            };
            let before = old.map(|old| old.dir_if_exists(name)).transpose()?.flatten();
            addition.everything(&shipped, before.as_ref())?;
            addition.report(name, observer);
        } else {
            fill(&state, name, &shipped, moves)?;
        }
    }
    Ok(())
}

/// Removes the state subvolumes that are not in `before`, after a failure.
pub fn take_back(volume: &Volume, before: &[&'static str]) -> Result<()> {
    let Some(state) = volume.top().dir_if_exists(STATE)? else { return Ok(()) };
    for name in SHARED {
        if !before.contains(&name) && state.has(name)? {
            btrfs::delete(&state, name)?;
        }
    }
    Ok(())
}

/// The existing state subvolumes.
pub fn present(volume: &Volume) -> Result<Vec<&'static str>> {
    let mut present = Vec::new();
    for name in SHARED {
        if volume.top().has(layout::state(name))? {
            present.push(name);
        }
    }
    Ok(present)
}

/// Empties the mount points in the version's `run`, and makes missing ones.
pub fn empty_mount_points<'p>(run: &Dir, places: impl Iterator<Item = &'p Path>) -> Result<()> {
    for place in places {
        let mut dir = run.duplicate()?;
        for name in place.components().filter(|part| matches!(part, std::path::Component::Normal(_))) {
            dir = dir.ensure_dir(name, 0o755)?;
        }
        remove::below(&dir)?;
    }
    Ok(())
}

/// Makes a new subvolume. It is filled under a hidden name and then renamed, so that a crash does not leave a half-filled one.
fn fill(state: &Dir, name: &str, shipped: &Dir, moves: &IdMoves) -> Result<()> {
    let hidden = atomic::temporary_name(name);
    if state.has(&hidden)? {
        btrfs::delete(state, &hidden)?;
    }
    btrfs::create(state, &hidden)?;
    let mut undo = Undo::new();
    undo.push(format!("delete {}", state.shown(&hidden).display()), || {
        btrfs::delete(state, &hidden).map(drop)
    });
    Copier::new(&state.dir(&hidden)?).moves(moves.clone()).contents(shipped, Path::new(""))?;
    btrfs::commit(state)?;
    state.rename(&hidden, name)?;
    undo.commit();
    Ok(())
}

/// An addition to one shared directory.
struct Addition<'a> {
    copier: Copier<'a>,
    target: &'a Dir,
    differing: Vec<PathBuf>,
}

impl Addition<'_> {
    /// Adds the missing paths of `shipped`. A path that the old version, at `before`, shipped too was deleted by somebody and stays deleted.
    fn everything(&mut self, shipped: &Dir, before: Option<&Dir>) -> Result<()> {
        let mut walk = Walk::new(shipped.duplicate()?)?;
        while let Some(visit) = walk.next()? {
            signal::check()?;
            let (place, is_directory) = match visit {
                Visit::Enter(place, _) if place.is_top() => continue,
                Visit::Enter(place, _) => (place, true),
                Visit::Name(place) => (place, false),
                Visit::Leave(_) | Visit::Mount(_) => continue,
            };
            let is_in_both = self.one(place, before)?;
            if is_directory && !is_in_both {
                walk.prune()?;
            }
        }
        Ok(())
    }

    /// Adds or compares one shipped path. Returns whether it is a directory on both sides.
    fn one(&mut self, place: Place<'_>, before: Option<&Dir>) -> Result<bool> {
        if DATABASES.iter().any(|database| place.path == Path::new(database)) {
            return Ok(false);
        }
        let Some(there) = self.target.stat_of(place.path)? else {
            let was_shipped = before.map(|before| before.stat_beneath(place.path)).transpose()?.flatten();
            if was_shipped.is_none() {
                self.add(place.dir, place.name.as_os_str(), place.path)?;
            }
            return Ok(false);
        };
        self.compare(place, before, there.st_mode & libc::S_IFMT)
    }

    fn add(&mut self, shipped: &Dir, name: &OsStr, path: &Path) -> Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let above = self.target.dir_with(
            if parent.as_os_str().is_empty() { Path::new(".") } else { parent },
            system::resolve::Links::Refuse,
        )?;
        // Existing directories keep even their times when something is added to them.
        let (target, before) = (self.target, [above.stat()?, self.target.stat()?]);
        let set_times = || {
            Inode::named(&above, Path::new("")).set_times(times(&before[0]))?;
            Inode::named(target, Path::new("")).set_times(times(&before[1]))
        };
        let mut undo = Undo::new();
        undo.push(format!("remove {}", target.shown(ADDING).display()), || {
            target.remove_tree(ADDING)?;
            set_times()
        });
        // The addition is made aside and renamed, because programs use the directory meanwhile, and a crash must not leave half a file.
        self.copier.entry(shipped, name, Path::new(ADDING))?;
        atomic::rename_no_replace(target, ADDING, target, path)?;
        self.copier.moved(Path::new(ADDING), path);
        self.copier.fix()?;
        set_times()?;
        undo.commit();
        Ok(())
    }

    /// Compares a path that both sides have. Notes a file that is new or changed in the new version and differs from the state's, and a path of
    /// another type. Returns whether both are directories.
    fn compare(&mut self, place: Place<'_>, before: Option<&Dir>, kind: u32) -> Result<bool> {
        let Place { dir, name, path } = place;
        let Some(stat) = dir.stat_of(name)? else { return Ok(false) };
        match (stat.st_mode & libc::S_IFMT, kind) {
            (libc::S_IFDIR, libc::S_IFDIR) => return Ok(true),
            (libc::S_IFREG, libc::S_IFREG) => {
                let is_new = before.is_none_or(|before| !same(before, path, dir, name).unwrap_or(false));
                if is_new && !same(self.target, path, dir, name)? {
                    self.differing.push(path.to_owned());
                }
            }
            (new, there) => {
                if new != there {
                    self.differing.push(path.to_owned());
                }
            }
        }
        Ok(false)
    }

    fn report(&self, name: &str, observer: &dyn Observer) {
        for path in self.differing.iter().take(NAMED) {
            observer
                .note(format!("/{name}/{} stays as it is; the new version ships another", path.display()));
        }
        if self.differing.len() > NAMED {
            observer.note(format!("{} more files in /{name} stay as they are", self.differing.len() - NAMED));
        }
    }
}

/// Whether two regular files have the same content.
fn same(one_dir: &Dir, one: &Path, other_dir: &Dir, other: &Path) -> Result<bool> {
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

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}
