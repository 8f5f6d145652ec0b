//! The boot menu, rendered from the complete versions. Its rename is the switch.

use system::atomic;
use system::error::{Error, Result, if_exists};

use super::boot_files;
use crate::boot::{BootRecord, Menu, extlinux};
use crate::label::ExistingLabel;
use crate::layout::{DEFAULT, SYSTEMS};
use crate::volume::{Survey, Volume};

/// Writes the menu with every complete version but `without`, booting `default`; then the link that mirrors it.
///
/// When this returns, the next boot is `default`. What the menu names must be committed before. Returns the menu that is there then.
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

/// The complete versions with what they boot with. One whose parameters are nowhere is left out, since it cannot be booted.
fn bootable(volume: &Volume, survey: &Survey, menu: &Menu) -> Result<Vec<(ExistingLabel, BootRecord)>> {
    let mut versions = Vec::new();
    for label in &survey.complete {
        if let Some(record) = volume.boot_record(label, menu)? {
            versions.push((label.clone(), record));
        }
    }
    Ok(versions)
}

/// Makes the link `systems/default` say what the menu says.
pub fn mirror(volume: &Volume, default: &ExistingLabel) -> Result<()> {
    let systems = volume.top().dir(SYSTEMS)?;
    if if_exists(systems.read_link(DEFAULT))?.as_deref() == Some(std::path::Path::new(default.as_str())) {
        return Ok(());
    }
    atomic::link(&systems, default.as_str(), DEFAULT)
}
