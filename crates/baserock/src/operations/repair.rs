//! Repairs a volume before anything else is changed, because a crash, the original tools or a person may have left it in disorder.

use system::error::Result;
use system::observer::Observer;

use super::{ballast, menu, sweep};
use crate::label::ExistingLabel;
use crate::volume::{Survey, Volume};

/// Brings menu, link and ballast into order, and removes unfinished work. Every operation begins with this. Returns the survey of the
/// volume after that.
pub fn repair(volume: &Volume, survey: &Survey, observer: &dyn Observer) -> Result<Survey> {
    sweep::sweep(volume, &survey.complete)?;
    let Some(default) = choose_default(volume, survey, observer)? else {
        return Ok(Survey { default: None, ..survey.clone() });
    };
    if volume.boot().menu_is_detached()? {
        observer.note(
            "/extlinux.conf is a file of its own: moved to /extlinux/extlinux.conf, with a link in its place",
        );
    }
    let menu = menu::write(volume, survey, &default, None)?;
    ballast::ensure(volume)?;
    Ok(Survey { default: Some(default), menu, ..survey.clone() })
}

/// The menu's default if it is a complete version. Otherwise the best guess, with a warning.
fn choose_default(
    volume: &Volume,
    survey: &Survey,
    observer: &dyn Observer,
) -> Result<Option<ExistingLabel>> {
    let there = |label: &ExistingLabel| survey.complete.contains(label);
    let named = survey.default.as_ref().filter(|_| survey.menu.is_some());
    if let Some(default) = named.filter(|label| there(label)) {
        return Ok(Some(default.clone()));
    }
    let (linked, running) = (volume.linked_default()?, survey.running.clone());
    let fallback = [linked, running, Some(ExistingLabel::factory()), survey.complete.first().cloned()];
    let Some(default) = fallback.into_iter().flatten().find(there) else { return Ok(None) };
    let what = match (&survey.menu, named) {
        (None, _) => "the boot menu was missing".to_owned(),
        (Some(_), None) => "the boot menu named no default".to_owned(),
        (Some(_), Some(gone)) => {
            format!("the boot menu's default was {gone}, which is not there or not complete")
        }
    };
    observer.warn(format!("{what}: rebuilt from the versions on the volume; it boots {default}"));
    Ok(Some(default))
}
