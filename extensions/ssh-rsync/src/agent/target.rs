//! The machine that takes the version.

use baserock::volume::{Location, Opening, Purpose, Volume};
use system::error::{Error, OrCannot, Result};
use system::lock::Patience;

/// The oldest kernel whose btrfs is sufficient: 4.19.
const OLDEST: (u32, u32) = (4, 19);

/// The volume of the running system, opened. It is locked only when the push is about to change versions.
pub fn open() -> Result<Volume> {
    check_kernel()?;
    let volume = Volume::open(&Opening {
        location: Location::Running,
        purpose: Purpose::Stage,
        patience: Patience::Refuse,
    })?;
    Ok(volume.named("the target"))
}

fn check_kernel() -> Result<()> {
    let name = nix::sys::utsname::uname().or_cannot("examine", "the kernel")?;
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= OLDEST {
        return Ok(());
    }
    Err(Error::refused(format!(
        "the target's kernel is {release}; versions need {}.{} or newer",
        OLDEST.0, OLDEST.1
    )))
}
