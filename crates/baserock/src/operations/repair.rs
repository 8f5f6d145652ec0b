//! Before anything is changed: what a crash, the original tools or a person left otherwise than it should be.

use system::error::Result;
use system::observer::Observer;

use super::{ballast, menu, sweep};
use crate::boot::extlinux;
use crate::label::Label;
use crate::volume::Volume;

/// Makes menu, link and ballast what they should be, and removes what is half done. Every operation begins with this. Returns the
/// default, where there is one.
pub fn repair(volume: &Volume, observer: &dyn Observer) -> Result<Option<Label>> {
    sweep::sweep(volume)?;
    let complete = volume.complete()?;
    let Some(default) = choose_default(volume, &complete, observer)? else { return Ok(None) };
    if volume.boot().menu_is_detached()? {
        observer.note(
            "/extlinux.conf is a file of its own: moved to /extlinux/extlinux.conf, with a link in its place",
        );
    }
    menu::write(volume, &default, None)?;
    ballast::ensure(volume)?;
    Ok(Some(default))
}

/// The menu's default where that is a complete version; else the best guess, said aloud.
fn choose_default(volume: &Volume, complete: &[Label], observer: &dyn Observer) -> Result<Option<Label>> {
    let linked = volume.linked_default()?;
    let there = |label: &Label| complete.contains(label);
    let menu = volume.boot().menu()?;
    let named = menu.as_ref().and_then(|menu| extlinux::default_version(menu, linked.as_ref()));
    if let Some(default) = named.clone().filter(there) {
        return Ok(Some(default));
    }
    let fallback = [linked, volume.running().cloned(), Some(Label::factory()), complete.first().cloned()];
    let Some(default) = fallback.into_iter().flatten().find(there) else { return Ok(None) };
    let what = match (menu, named) {
        (None, _) => "the boot menu was missing".to_owned(),
        (Some(_), None) => "the boot menu named no default".to_owned(),
        (Some(_), Some(gone)) => {
            format!("the boot menu's default was {gone}, which is not there or not complete")
        }
    };
    observer.warn(format!("{what}: rebuilt from the versions on the volume; it boots {default}"));
    Ok(Some(default))
}
