//! Repairs a volume before anything else is changed, because a crash, the original tools or a person may have left it in disorder.

use system::error::Result;
use system::observer::Observer;

use super::{ballast, menu, renaming, sweep, trial};
use crate::boot::cmdline;
use crate::boot::extlinux::Update;
use crate::label::ExistingLabel;
use crate::refusal::Refusal;
use crate::volume::{Survey, Volume};

/// Brings menu, link and ballast into order, and removes unfinished work. Every operation begins with this. Returns the survey of the
/// volume after that.
pub fn repair(volume: &Volume, survey: &Survey, observer: &dyn Observer) -> Result<Survey> {
    let again = if renaming::settle(volume, observer)? { Some(volume.survey()?) } else { None };
    let survey = again.as_ref().unwrap_or(survey);
    sweep::sweep(volume, &survey.complete)?;
    let Planned { survey, update } = plan(volume, survey, observer)?;
    let Some(default) = &survey.default else { return Ok(survey) };
    if is_beyond_menus(&survey, default) {
        // The volume boots it by the link. The menu stays as it is until another one is chosen.
        ballast::ensure(volume)?;
        return Ok(survey);
    }
    let is_detached = volume.boot().menu_is_detached()?;
    menu::put(volume, update.as_ref(), default)?;
    name(is_detached, update.as_ref(), observer);
    ballast::ensure(volume)?;
    trial::record::settle(volume, &survey, observer)?;
    Ok(survey)
}

/// Looks what [`repair`] makes of default and menu, and names it. Returns the survey of afterwards. Changes nothing.
pub fn look(volume: &Volume, survey: &Survey, observer: &dyn Observer) -> Result<Survey> {
    let Planned { survey, update } = plan(volume, survey, observer)?;
    name(update.is_some() && volume.boot().menu_is_detached()?, update.as_ref(), observer);
    Ok(survey)
}

/// The volume in order, before it is.
struct Planned {
    survey: Survey,
    update: Option<Update>,
}

fn plan(volume: &Volume, survey: &Survey, observer: &dyn Observer) -> Result<Planned> {
    if survey.default.as_ref().is_some_and(|default| is_beyond_menus(survey, default)) {
        return Ok(Planned { survey: survey.clone(), update: None });
    }
    let Some(default) = choose_default(volume, survey, observer)? else {
        return Ok(Planned { survey: Survey { default: None, ..survey.clone() }, update: None });
    };
    let update = menu::plan(volume, survey, &default, None)?;
    let menu = update.as_ref().map(|update| update.menu.clone()).or_else(|| survey.menu.clone());
    Ok(Planned { survey: Survey { default: Some(default), menu, ..survey.clone() }, update })
}

/// Names what was repaired, and what a menu keeps and loses.
fn name(is_detached: bool, update: Option<&Update>, observer: &dyn Observer) {
    if is_detached {
        observer.note(
            "/extlinux.conf is a file of its own: moved to /extlinux/extlinux.conf, with a link in its place",
        );
    }
    menu::name_dropped(update, observer);
    for edits in update.iter().flat_map(|update| &update.kept) {
        observer.note(format!("{edits}; kept as edited by hand"));
    }
}

/// Fails if no menu can name the default. An operation that is going to write the menu, and chooses no default, needs this.
pub fn require_nameable_default(survey: &Survey) -> Result<()> {
    match survey.default.as_ref().filter(|default| is_beyond_menus(survey, default)) {
        Some(default) => Err(Refusal::Unnameable { label: default.clone() }.into()),
        None => Ok(()),
    }
}

/// Whether the version is complete, and has a label that no command line can carry. The original tools allowed such labels.
fn is_beyond_menus(survey: &Survey, label: &ExistingLabel) -> bool {
    survey.complete.contains(label) && !cmdline::can_name(label)
}

/// The menu's default if it is a complete version that the menu can boot. Otherwise the best guess, with a warning.
fn choose_default(
    volume: &Volume,
    survey: &Survey,
    observer: &dyn Observer,
) -> Result<Option<ExistingLabel>> {
    let entries = menu::entries(volume, survey)?;
    let there = |label: &ExistingLabel| survey.complete.contains(label);
    let boots = |label: &ExistingLabel| {
        there(label) && (entries.is_empty() || entries.iter().any(|(of, _)| of == label))
    };
    let named = survey.default.as_ref().filter(|_| survey.menu.is_some());
    if let Some(default) = named.filter(|label| boots(label)) {
        return Ok(Some(default.clone()));
    }
    let (linked, running) = (volume.linked_default()?, survey.running.clone());
    let fallback = [linked, running, Some(ExistingLabel::factory())].into_iter().flatten();
    let fallback = fallback.chain(survey.complete.iter().cloned());
    let Some(default) = fallback.into_iter().find(boots) else { return Ok(None) };
    let what = match (&survey.menu, named) {
        (None, _) => "the boot menu was missing".to_owned(),
        (Some(_), None) => "the boot menu named no default".to_owned(),
        (Some(_), Some(bare)) if there(bare) => {
            format!("the boot menu's default was {bare}, which has no kernel there")
        }
        (Some(_), Some(gone)) => {
            format!("the boot menu's default was {gone}, which is not there or not complete")
        }
    };
    observer.warn(format!("{what}: rebuilt from the versions on the volume; it boots {default}"));
    Ok(Some(default))
}
