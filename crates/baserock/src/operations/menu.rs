//! Writes the boot menu, which is rendered from the complete versions. Renaming it is the step that switches versions.

use system::atomic;
use system::error::{Result, if_exists};
use system::observer::Observer;

use super::boot_files;
use crate::boot::cmdline;
use crate::boot::entry::{self, Made};
use crate::boot::extlinux::{self, Update};
use crate::label::ExistingLabel;
use crate::layout::{DEFAULT, SYSTEMS};
use crate::refusal::Refusal;
use crate::volume::{Survey, Volume};

/// Writes a menu that has every complete version except `without` and boots `default`. Then writes the link that mirrors it.
///
/// When this returns, the next boot is `default`. The files that the menu names must be committed before. What the menu loses is named.
pub fn write(
    volume: &Volume,
    survey: &Survey,
    default: &ExistingLabel,
    without: Option<&ExistingLabel>,
    observer: &dyn Observer,
) -> Result<()> {
    let update = plan(volume, survey, default, without)?;
    put(volume, update.as_ref(), default)?;
    name_dropped(update.as_ref(), observer);
    Ok(())
}

/// The menu that has every complete version except `without` and boots `default`; `None` if none of them has an entry. Changes nothing.
pub fn plan(
    volume: &Volume,
    survey: &Survey,
    default: &ExistingLabel,
    without: Option<&ExistingLabel>,
) -> Result<Option<Update>> {
    let mut versions = entries(volume, survey)?;
    versions.retain(|(label, _)| Some(label) != without);
    if versions.is_empty() {
        return Ok(None);
    }
    require_in(volume, survey, &versions, default)?;
    let before = survey.menu.clone().unwrap_or_default();
    Ok(Some(extlinux::update(&before, versions, default)))
}

/// Writes the menu that was planned, and the link that mirrors its default.
pub fn put(volume: &Volume, update: Option<&Update>, default: &ExistingLabel) -> Result<()> {
    if let Some(Update { menu, .. }) = update
        && (Some(menu) != volume.boot().menu()?.as_ref() || volume.boot().menu_is_detached()?)
    {
        boot_files::write_menu(volume, &menu.to_string())?;
    }
    mirror(volume, default)
}

/// Names what the menu loses.
pub fn name_dropped(update: Option<&Update>, observer: &dyn Observer) {
    for line in update.iter().flat_map(|update| &update.dropped) {
        observer.warn(format!("the boot menu no longer has: {line}"));
    }
}

/// Fails if the menu cannot boot this version by default, although it boots others. Changes nothing.
pub fn require(volume: &Volume, survey: &Survey, default: &ExistingLabel) -> Result<()> {
    let versions = entries(volume, survey)?;
    if versions.is_empty() { Ok(()) } else { require_in(volume, survey, &versions, default) }
}

/// Fails if `default` or the running version has no entry among these.
fn require_in(
    volume: &Volume,
    survey: &Survey,
    versions: &[(ExistingLabel, Made)],
    default: &ExistingLabel,
) -> Result<()> {
    let mut needed = vec![default];
    if let Some(running) = &survey.running {
        // Another boot loader may have started it.
        let has_kernel = volume.own_boot_record(running)?.is_none_or(|record| record.kernel);
        needed.extend(has_kernel.then_some(running));
    }
    match needed.into_iter().find(|label| versions.iter().all(|(there, _)| there != *label)).cloned() {
        None => Ok(()),
        Some(label) if cmdline::can_name(&label) => Err(Refusal::NoEntry { label }.into()),
        Some(label) => Err(Refusal::Unnameable { label }.into()),
    }
}

/// The entries of the complete versions. A version that the menu cannot boot has none.
pub fn entries(volume: &Volume, survey: &Survey) -> Result<Vec<(ExistingLabel, Made)>> {
    let menu = survey.menu.clone().unwrap_or_default();
    let exists = |path: &str| volume.boot().holds(path);
    let mut entries = Vec::new();
    for label in &survey.complete {
        let record = volume.own_boot_record(label)?;
        if let Some(made) = entry::of_version(&menu, label, record.as_ref(), &exists)? {
            entries.push((label.clone(), made));
        }
    }
    Ok(entries)
}

/// Points the link `systems/default` to the menu's default.
pub fn mirror(volume: &Volume, default: &ExistingLabel) -> Result<()> {
    let systems = volume.top().dir(SYSTEMS)?;
    if if_exists(systems.read_link(DEFAULT))?.as_deref() == Some(std::path::Path::new(default.as_str())) {
        return Ok(());
    }
    atomic::link(&systems, default.as_str(), DEFAULT)
}
