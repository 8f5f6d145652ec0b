//! Writes the boot menu, which is rendered from the complete versions. Renaming it is the step that switches versions.

use system::atomic;
use system::error::{Error, Result, if_exists};

use super::boot_files;
use crate::boot::{BootRecord, Menu, extlinux};
use crate::label::ExistingLabel;
use crate::layout::{DEFAULT, SYSTEMS};
use crate::volume::{Survey, Volume};

/// Writes a menu that has every complete version except `without` and boots `default`. Then writes the link that mirrors it.
///
/// When this returns, the next boot is `default`. The files that the menu names must be committed before. Returns the menu that is in force
/// then.
pub fn write(
    volume: &Volume,
    survey: &Survey,
    default: &ExistingLabel,
    without: Option<&ExistingLabel>,
) -> Result<Option<Menu>> {
    let mut now = survey.menu.clone();
    let before = survey.menu.clone().unwrap_or_default();
    let mut versions = bootable(volume, survey, &before)?;
    versions.retain(|(label, _)| Some(label) != without);
    if versions.iter().any(|(_, record)| record.kernel) {
        for needed in std::iter::once(default).chain(&survey.running) {
            if !versions.iter().any(|(label, _)| label == needed) {
                return Err(Error::refused(format!(
                    "the boot menu would lack version {needed}, which is needed to boot; nothing was changed"
                )));
            }
        }
        let menu = extlinux::update(&before, &versions, default)?;
        if menu != before || volume.boot().menu_is_detached()? {
            boot_files::write_menu(volume, &menu.to_string())?;
        }
        now = Some(menu);
    }
    mirror(volume, default)?;
    Ok(now)
}

/// The complete versions with their boot parameters. A version without parameters is left out, because it cannot be booted.
fn bootable(volume: &Volume, survey: &Survey, menu: &Menu) -> Result<Vec<(ExistingLabel, BootRecord)>> {
    let mut versions = Vec::new();
    for label in &survey.complete {
        if let Some(record) = volume.boot_record(label, menu)? {
            versions.push((label.clone(), record));
        }
    }
    Ok(versions)
}

/// Points the link `systems/default` to the menu's default.
pub fn mirror(volume: &Volume, default: &ExistingLabel) -> Result<()> {
    let systems = volume.top().dir(SYSTEMS)?;
    if if_exists(systems.read_link(DEFAULT))?.as_deref() == Some(std::path::Path::new(default.as_str())) {
        return Ok(());
    }
    atomic::link(&systems, default.as_str(), DEFAULT)
}
