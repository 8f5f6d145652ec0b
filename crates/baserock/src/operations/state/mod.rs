//! The state that all versions share. It is made from the directories that builds ship, and things are only ever added to it.

mod addition;

use std::path::{Component, Path, PathBuf};

use system::atomic;
use system::btrfs;
use system::copy::Copier;
use system::dir::Dir;
use system::error::Result;
use system::flags;
use system::inode::{Inode, is_link, times};
use system::observer::Observer;
use system::owners::IdMoves;
use system::remove;
use system::undo::{Undo, tidy};
use system::walk::{Visit, Walk};

use crate::fstab::{Fstab, Line};
use crate::layout::{self, ADDING, SHARED, STATE};
use crate::rootfs::databases::{self, DATABASES, Database};
use crate::rootfs::shared::{Shared, shared_of};
use crate::volume::Volume;
use addition::Addition;
pub use addition::same;

/// The shared directories of a tree that this fstab mounts from the volume: all except those that it mounts from elsewhere.
pub fn shared_by(fstab: &Fstab, tree: &Dir) -> Result<Vec<Shared>> {
    let mut shared = shared_of(tree)?;
    shared.retain(|shared| {
        let own = Path::new("/").join(&shared.place);
        let subvolume = format!("subvol=/{}", layout::state(shared.name).display());
        let mut lines = fstab.lines().iter().filter(|line| line.target.as_deref() == Some(&own));
        lines.all(|line| contains(&line.text, &subvolume))
    });
    Ok(shared)
}

/// The lines that the fstab of a version of this tree needs on this volume, in a fixed order. Those of the disk's other partitions and
/// of the package databases that it keeps for itself are last.
pub fn fstab_lines(volume: &Volume, tree: &Dir, kept: &[&Database]) -> Result<Vec<Line>> {
    let Some(uuid) = volume.uuid() else { return Ok(Vec::new()) };
    let shared = shared_of(tree)?;
    let shared = shared.iter().map(|shared| Line::shared(uuid, shared.name, &shared.place));
    let others = volume.disk_mounts()?;
    // A directory for which the disk has a partition is not shared by the volume.
    let shared = shared.filter(|line| line.target.as_deref().is_none_or(|place| !others.mounts(place)));
    let own = std::iter::once(Line::root(uuid)).chain(shared);
    Ok(own.chain(others.lines().iter().cloned()).chain(kept.iter().map(|kept| kept.line())).collect())
}

/// The package databases that a new version of this tree is going to keep for itself. Without the UUID of the volume nothing is mounted, so they
/// stay where they are.
pub fn databases_to_keep(volume: &Volume, orig: &Dir, fstab: &Fstab) -> Result<Vec<&'static Database>> {
    volume.uuid().map_or_else(|| Ok(Vec::new()), |_| databases::to_keep(orig, fstab))
}

/// The trees of a deployment, and what they have to do with the shared state.
pub struct Shipped<'a> {
    /// The tree of the new version.
    pub new: &'a Dir,
    /// The tree of the old version.
    pub old: Option<&'a Dir>,
    /// The shared directories that the new version mounts.
    pub shared: &'a [Shared],
    /// The package databases that the new version keeps for itself.
    pub kept: &'a [&'static Database],
    /// The numbers of users and groups that moved.
    pub moves: &'a IdMoves,
}

/// What the new version ships and the shared state lacks.
pub struct Missing<'a> {
    shipped: &'a Shipped<'a>,
    parts: Vec<Part<'a>>,
}

/// What one shared directory lacks.
enum Part<'a> {
    /// All of it.
    Whole { name: &'static str, new: Option<Dir>, covered: Vec<PathBuf> },
    /// Paths in it.
    Paths { name: &'static str, place: &'a Path, new: Dir, addition: Addition },
}

/// Finds everything that the new version ships and the shared state lacks: whole subvolumes, and paths in existing ones. A missing path that
/// the old version shipped too is left out, because somebody has deleted it. Changes nothing.
pub fn missing<'a>(volume: &Volume, shipped: &'a Shipped<'a>) -> Result<Missing<'a>> {
    let state = volume.top().dir_if_exists(STATE)?;
    let before = shipped.old.map(shared_of).transpose()?.unwrap_or_default();
    let is_writable = !flags::is_fixed(volume.top())?;
    let mut parts = Vec::new();
    for Shared { name, place } in shipped.shared {
        let name = *name;
        let new = shipped.new.dir_if_exists(place)?;
        let excepted = Excepted::of(shipped, place);
        let target = state.as_ref().map(|state| state.dir_if_exists(name)).transpose()?.flatten();
        let Some(target) = target else {
            parts.push(Part::Whole { name, new, covered: excepted.covered });
            continue;
        };
        if let Some(new) = new {
            let old = before.iter().find(|old| old.name == name);
            let old = shipped.old.zip(old).map(|(tree, old)| tree.dir_if_exists(&old.place)).transpose()?;
            let addition = Addition::find(&target, &new, old.flatten().as_ref(), &excepted, is_writable)?;
            parts.push(Part::Paths { name, place, new, addition });
        }
    }
    Ok(Missing { shipped, parts })
}

impl Missing<'_> {
    /// Adds it to the shared state. Nothing that exists is changed.
    ///
    /// Each addition registers how it is taken back.
    pub fn add<'v>(&self, volume: &'v Volume, undo: &mut Undo<'v>, observer: &dyn Observer) -> Result<()> {
        let state = volume.top().ensure_dir(STATE, 0o755)?;
        let moves = self.shipped.moves;
        for part in &self.parts {
            match part {
                Part::Whole { name, new, covered } => {
                    match new {
                        None => btrfs::create(&state, name)?,
                        Some(new) => fill(&state, name, new, covered, moves)?,
                    }
                    let name = *name;
                    undo.push(format!("remove {}", state.shown(name).display()), move || {
                        btrfs::delete(&volume.top().dir(STATE)?, name).map(drop)
                    });
                }
                Part::Paths { name, new, addition, .. } => addition.make(volume, name, new, moves, undo)?,
            }
        }
        self.report(volume, observer)
    }

    /// Names what stays as it is in the shared state, and what the new version does not see of it.
    pub fn report(&self, volume: &Volume, observer: &dyn Observer) -> Result<()> {
        for part in &self.parts {
            if let Part::Paths { place, addition, .. } = part {
                addition.report(place, observer);
            }
        }
        match volume.top().dir_if_exists(STATE)? {
            Some(state) => name_hidden(&state, self.shipped, observer),
            None => Ok(()),
        }
    }
}

/// The paths in a shared directory that additions leave alone. They are relative to it.
#[derive(Default)]
struct Excepted {
    /// The places on which the version mounts something else. They must be there, and what is in them is not needed.
    covered: Vec<PathBuf>,
    /// The package databases that all versions share.
    databases: Vec<PathBuf>,
}

impl Excepted {
    fn of(shipped: &Shipped<'_>, place: &Path) -> Self {
        let inside = |path: &Path| {
            let path = path.strip_prefix(place).ok()?;
            Some(path.to_owned()).filter(|path| !path.as_os_str().is_empty())
        };
        let mut covered: Vec<_> = shipped.shared.iter().filter_map(|other| inside(&other.place)).collect();
        covered.extend(shipped.kept.iter().filter_map(|kept| inside(&kept.in_tree())));
        let mut databases: Vec<_> = DATABASES.iter().filter_map(|one| inside(&one.in_tree())).collect();
        databases.retain(|path| !covered.contains(path));
        Excepted { covered, databases }
    }
}

/// Names each shared directory that has something in it and that the new version does not see, because its tree has a link there.
fn name_hidden(state: &Dir, shipped: &Shipped<'_>, observer: &dyn Observer) -> Result<()> {
    for name in SHARED {
        let is_link = shipped.new.stat_of(name)?.is_some_and(|stat| is_link(&stat));
        let is_mounted = shipped.shared.iter().any(|shared| shared.name == name);
        if !is_link || is_mounted || !state.has(name)? || state.dir(name)?.entries()?.is_empty() {
            continue;
        }
        let target = shipped.new.read_link(name)?;
        observer.warn(format!(
            "/{name} is a link to {} in the new version, which does not see what the others have there",
            target.display()
        ));
    }
    Ok(())
}

/// Empties the mount points in the version's `run`, and makes missing ones.
pub fn empty_mount_points<'p>(run: &Dir, places: impl Iterator<Item = &'p Path>) -> Result<()> {
    for place in places {
        remove::below(&ensure_place(run, place)?)?;
    }
    Ok(())
}

/// Opens the directory at a path. Missing directories are made.
fn ensure_place(top: &Dir, path: &Path) -> Result<Dir> {
    let mut dir = top.duplicate()?;
    for name in path.components().filter(|part| matches!(part, Component::Normal(_))) {
        dir = dir.ensure_dir(name, 0o755)?;
    }
    Ok(dir)
}

/// Removes what a killed process has left in the shared state. A part that cannot be removed is only logged, because it harms nobody.
pub fn sweep(state: &Dir) -> Result<()> {
    for name in SHARED {
        state.remove_tree(atomic::temporary_name(name))?;
        if let Some(dir) = state.dir_if_exists(name)? {
            tidy(sweep_subvolume(dir));
        }
    }
    Ok(())
}

/// Removes a half-made addition from the top of a subvolume, and of those inside it.
fn sweep_subvolume(dir: Dir) -> Result<()> {
    let mut left = vec![dir];
    while let Some(dir) = left.pop() {
        if dir.has(ADDING).unwrap_or(true) {
            let before = times(&dir.stat()?);
            dir.remove_tree(ADDING)?;
            Inode::named(&dir, Path::new("")).set_times(before)?;
        }
        if btrfs::is_subvolume(&dir)? {
            for inner in btrfs::nested(&dir)? {
                left.extend(dir.dir_if_exists(inner)?);
            }
        }
    }
    Ok(())
}

/// Makes a new subvolume. It is filled under a hidden name and then renamed, so that a crash does not leave a half-filled one.
fn fill(state: &Dir, name: &str, shipped: &Dir, covered: &[PathBuf], moves: &IdMoves) -> Result<()> {
    let hidden = atomic::temporary_name(name);
    if state.has(&hidden)? {
        btrfs::delete(state, &hidden)?;
    }
    btrfs::create(state, &hidden)?;
    let mut undo = Undo::new();
    undo.push(format!("delete {}", state.shown(&hidden).display()), || {
        btrfs::delete(state, &hidden).map(drop)
    });
    let new = state.dir(&hidden)?;
    let mut copier = Copier::new(&new).moves(moves.clone());
    let (mut walk, mut copy) = (Walk::new(shipped.duplicate()?)?, copier.follow()?);
    while let Some(visit) = walk.next()? {
        let (Visit::Enter(place, _) | Visit::Leave(place) | Visit::Name(place) | Visit::Mount(place)) = visit;
        if !covered.iter().any(|path| place.path != path && place.path.starts_with(path)) {
            copy.visit(visit)?;
        }
    }
    drop(copy);
    for path in covered {
        ensure_place(&new, path)?;
    }
    copier.fix()?;
    btrfs::commit(state)?;
    state.rename(&hidden, name)?;
    undo.commit();
    Ok(())
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}
