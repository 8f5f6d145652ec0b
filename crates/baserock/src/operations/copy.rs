//! Makes a version that is a copy of another one, as it is now.

use system::atomic;
use system::btrfs::{self, Access};
use system::dir::{Dir, MOST_TEXT};
use system::error::Result;
use system::observer::Observer;
use system::signal;
use system::undo::Undo;

use super::etc::{self, EtcMerge};
use super::history::{self, More};
use super::{ballast, boot_files, deletion, full, manifest, marker, menu, repair, twin};
use crate::boot::{BootRecord, entry};
use crate::history::Deed;
use crate::label::{ExistingLabel, Label};
use crate::layout::{self, INCOMPLETE, MERGE_RECORD, ORIG, SYSTEMS};
use crate::refusal::Refusal;
use crate::volume::{Survey, Volume};

/// The options of a copy.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The version. It may be running.
    pub from: ExistingLabel,
    /// The label of the copy.
    pub to: Label,
}

/// Makes a version with the content of another one: as it was built, and as it is now. All data is shared. The default stays the same.
///
/// To the merge of `/etc` the copy is a version that was deployed from the other one: later changes there are merged when it becomes the
/// default.
pub fn copy(volume: &Volume, options: &Copy, observer: &dyn Observer) -> Result<()> {
    full::explain(volume, Some(&options.to), attempt(volume, options, observer))
}

fn attempt(volume: &Volume, options: &Copy, observer: &dyn Observer) -> Result<()> {
    let Copy { from, to } = options;
    let survey = volume.survey()?;
    survey.require(volume, from)?;
    repair::require_nameable_default(&survey)?;
    twin::check(volume, from)?;
    boot_files::refuse_case_clash(volume, to)?;
    let survey = repair::repair(volume, &survey, observer)?;
    let is_begun = is_begun(volume, from, to)?;
    if !is_begun && volume.top().has(layout::version(to))? {
        return Err(Refusal::Exists { label: (**to).clone(), volume: volume.name().to_owned() }.into());
    }
    if is_begun {
        deletion::delete(volume, to)?;
    }
    for path in nested(volume, from)? {
        observer.warn(format!("{path} is a subvolume of its own, and is empty in {to}"));
    }
    observer.phase(format!("copying {from} to {to}"));
    volume.top().dir(SYSTEMS)?.make_dir(&**to, 0o755)?;
    let version = volume.version_dir(to)?;
    let mut undo = Undo::new();
    undo.push(format!("remove what was begun of {to}"), || deletion::delete(volume, to).map(drop));
    marker::set(&version)?;
    build(volume, &survey, options, &version, observer)?;
    boot_files::commit_all(volume)?;
    boot_files::check(volume, to)?;
    signal::check()?;
    marker::clear(&version)?;
    undo.push(format!("mark {to} as incomplete"), || marker::set(&version));
    if let Some(default) = &survey.default {
        undo.push(format!("take {to} out of the boot menu"), || {
            menu::write(volume, &volume.survey()?, default, Some(to), observer)
        });
        menu::write(volume, &survey.with(volume, to)?, default, None, observer)?;
    }
    undo.commit();
    ballast::ensure(volume)?;
    history::add(volume, Deed::Copied, to, More { from: Some(from), ..More::default() }, observer);
    Ok(())
}

/// Makes all parts of the copy.
fn build(
    volume: &Volume,
    survey: &Survey,
    Copy { from, to }: &Copy,
    version: &Dir,
    observer: &dyn Observer,
) -> Result<()> {
    let source = volume.version_dir(from)?;
    twin::make(volume, from, to, record(volume, survey, from)?.as_ref())?;
    if !source.has(ORIG)? {
        return Ok(());
    }
    if let Some(found) = manifest::load(&source, &source.dir(ORIG)?)? {
        manifest::store(version, &version.dir(ORIG)?, &found)?;
    }
    // The copy's `/etc` is what such a merge makes, and its owners have moved already.
    if let Some(record) = source.read_if_exists(MERGE_RECORD, MOST_TEXT)? {
        atomic::write(version, MERGE_RECORD, 0o600, &record)?;
    }
    etc::merge_into(volume, from, to, &EtcMerge::default(), observer).map(drop)
}

/// The boot parameters of a version, with the arguments for the kernel that somebody has added in the menu.
fn record(volume: &Volume, survey: &Survey, label: &ExistingLabel) -> Result<Option<BootRecord>> {
    let menu = survey.menu.clone().unwrap_or_default();
    let Some(record) = volume.boot_record(label, &menu)? else { return Ok(None) };
    let kernel_args = entry::inherited_arguments(&menu, label, record.clone());
    Ok(Some(BootRecord { kernel_args, ..record }))
}

/// Whether a copy of `from` to this label was begun and not ended.
fn is_begun(volume: &Volume, from: &ExistingLabel, to: &ExistingLabel) -> Result<bool> {
    let Some(version) = volume.top().dir_if_exists(layout::version(to))? else { return Ok(false) };
    if !version.has(INCOMPLETE)? {
        return Ok(version.entries()?.is_empty());
    }
    let (Some(orig), Some(source)) =
        (version.dir_if_exists(ORIG)?, volume.version_dir(from)?.dir_if_exists(ORIG)?)
    else {
        return Ok(!version.has(ORIG)?);
    };
    Ok(btrfs::access(&orig)? == Access::ReadOnly && twin::is_twin(&source, &orig)?)
}

/// The subvolumes that somebody has made in the trees of a version.
fn nested(volume: &Volume, label: &ExistingLabel) -> Result<Vec<String>> {
    let found = volume.subvolumes(label)?.into_iter().filter(|found| found.is_nested);
    Ok(found.map(|found| found.dir.shown("").display().to_string()).collect())
}
