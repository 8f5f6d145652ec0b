//! The fstabs of versions as deployments complete them.

use std::path::Path;

use system::dir::{Dir, MOST_TEXT};
use system::error::Result;

use crate::fstab::{Fstab, Line};
use crate::layout::SHARED;
use crate::operations::state;
use crate::rootfs::databases::Database;
use crate::volume::Volume;

/// The three fstabs with the volume's own lines, so that these lines do not count as changes. The lines of package databases follow the new
/// version alone, whatever the old one had.
///
/// The fstab of an old version that was deployed (`is_whole`) had the other lines, so one that is missing was removed by somebody.
pub fn completed_fstabs(
    volume: &Volume,
    versions: [&Dir; 3],
    kept: &[&Database],
    is_whole: bool,
) -> Result<Option<[Option<Vec<u8>>; 3]>> {
    let [old_orig, old_run, new_orig] = versions;
    let new_lines = state::fstab_lines(volume, new_orig, kept)?;
    if new_lines.is_empty() {
        return Ok(None);
    }
    let old_lines = state::fstab_lines(volume, old_orig, &[])?;
    let is_database = |line: &Line| line.kept_database().is_some();
    let others = volume.disk_mounts()?;
    let is_shared = |target: &Path| SHARED.iter().any(|name| target == Path::new("/").join(name));
    let had = |target: &Path| target == Path::new("/") || is_shared(target) || others.mounts(target);
    let mut user_lines = old_lines.clone();
    user_lines.retain(|line| !is_whole || !line.target.as_deref().is_some_and(had));
    let old = |version, lines: &[Line]| -> Result<Fstab> {
        Ok(fstab_of(version)?.without(is_database).completed(lines))
    };
    let (built, user) = (old(old_orig, &old_lines)?, old(old_run, &user_lines)?);
    // Where the user has mounted something else, the line counts as an old one, so that the user's line is the only change.
    let mut databases = new_lines.clone();
    databases
        .retain(|line| is_database(line) && line.target.as_deref().is_some_and(|place| user.mounts(place)));
    let built = built.completed(&databases);
    let new = fstab_of(new_orig)?.completed(&new_lines);
    Ok(Some([built, user, new].map(|fstab| Some(fstab.render()))))
}

/// The fstab of a version as its deployment leaves it, if that merges nothing; `None` if that adds nothing.
pub fn deployed_fstab(volume: &Volume, orig: &Dir, kept: &[&Database]) -> Result<Option<Vec<u8>>> {
    let lines = state::fstab_lines(volume, orig, kept)?;
    Ok(if lines.is_empty() { None } else { Some(fstab_of(orig)?.completed(&lines).render()) })
}

/// The fstab in a version's tree. If it is no file, the result is empty.
pub fn fstab_of(version: &Dir) -> Result<Fstab> {
    let own = match version.dir_if_exists("etc")? {
        Some(etc) if etc.is_file("fstab")? => etc.read("fstab", MOST_TEXT)?,
        _ => Vec::new(),
    };
    Ok(Fstab::parse(&own))
}
