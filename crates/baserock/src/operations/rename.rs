//! Gives a version another label.

use system::error::Result;
use system::observer::Observer;
use system::signal;
use system::undo::Undo;

use super::history::{self, More};
use super::{boot_files, full, marker, menu, renaming, repair, trial, twin};
use crate::history::Deed;
use crate::label::{ExistingLabel, Label};
use crate::layout::{self, SYSTEMS};
use crate::refusal::Refusal;
use crate::renaming::Renaming;
use crate::volume::{Survey, Volume};

/// The options of a rename.
#[derive(Clone, Debug)]
pub struct Rename {
    /// The version.
    pub old: ExistingLabel,
    /// Its new label.
    pub new: Label,
}

/// Gives a version another label. It may be the running version and the default; menu and records follow.
///
/// At every moment the menu boots a complete version of this content. After a crash the next operation ends what was begun, or takes it back.
pub fn rename(volume: &Volume, options: &Rename, observer: &dyn Observer) -> Result<()> {
    full::explain(volume, None, attempt(volume, options, observer))
}

fn attempt(volume: &Volume, options: &Rename, observer: &dyn Observer) -> Result<()> {
    let renaming = Renaming { old: options.old.clone(), new: options.new.clone().into() };
    let begun = renaming::begun(volume, observer)?;
    renaming::settle(volume, observer)?;
    let survey = volume.survey()?;
    if begun.as_ref() == Some(&renaming) && !volume.top().has(layout::version(&options.old))? {
        // It was begun before, and has ended now.
        return repair::repair(volume, &survey, observer)?.require(volume, &options.new);
    }
    check(volume, &survey, options)?;
    let survey = repair::repair(volume, &survey, observer)?;
    if let Some(default) = &survey.default {
        menu::require(volume, &survey, default)?;
    }
    observer.phase(format!("renaming {} to {}", options.old, options.new));
    begin(volume, &renaming)?;
    renaming::finish(volume, &renaming, observer)?;
    let more = More { from: Some(&renaming.old), ..More::default() };
    history::add(volume, Deed::Renamed, &renaming.new, more, observer);
    Ok(())
}

fn check(volume: &Volume, survey: &Survey, options: &Rename) -> Result<()> {
    let Rename { old, new } = options;
    survey.require(volume, old)?;
    if volume.top().has(layout::version(new))? {
        return Err(Refusal::Exists { label: (**new).clone(), volume: volume.name().to_owned() }.into());
    }
    trial::record::refuse_on_trial(volume, old)?;
    repair::require_nameable_default(survey)?;
    boot_files::refuse_case_clash(volume, new)?;
    twin::check(volume, old)
}

/// Makes the twin with the new label. The menu does not name it yet.
fn begin(volume: &Volume, renaming: &Renaming) -> Result<()> {
    let new = &renaming.new;
    let mut undo = Undo::new();
    undo.push("forget the rename", || renaming::forget(volume));
    renaming::record(volume, renaming)?;
    volume.top().dir(SYSTEMS)?.make_dir(new, 0o755)?;
    undo.push(format!("remove what was begun of {new}"), || renaming::take_back(volume, new));
    let version = volume.version_dir(new)?;
    marker::set(&version)?;
    twin::make(volume, &renaming.old, new, volume.own_boot_record(&renaming.old)?.as_ref())?;
    boot_files::commit_all(volume)?;
    boot_files::check(volume, new)?;
    signal::check()?;
    marker::clear(&version)?;
    undo.commit();
    Ok(())
}
