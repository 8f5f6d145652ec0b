//! `tar.build`: makes a root filesystem from an archive of another tool.

use std::path::Path;

use baserock::extension::Environment;
use system::dir::Dir;
use system::observer::Observer;
use system::{Error, Result};

use crate::image::{Kind, Wish};
use crate::layers;

/// Folders at the top of a system. An archive with only one of these need not have a folder around a system.
const TOP: [&str; 4] = ["etc", "usr", "bin", "sbin"];

/// Unpacks the archive `TARBALL` into the empty folder `output`. The layers of an image are laid over each other.
pub fn build(output: &Path, environment: &Environment, observer: &dyn Observer) -> Result<()> {
    let archive = Path::new(environment.required("TARBALL")?);
    let strip = strip(environment)?;
    let platform = environment.text("PLATFORM")?.map(Wish::platform).transpose()?;
    let wish = Wish { name: environment.text("IMAGE")?.map(ToOwned::to_owned), platform };
    let place = Dir::open(output)?;
    if !place.entries()?.is_empty() {
        return Err(Error::refused(format!("{} is not empty; name an empty folder", output.display())));
    }
    observer.phase(format!("unpacking {}", archive.display()));
    baserock_archive::unpack_file(archive, strip.unwrap_or(0), &place, observer)?;
    if let Some(kind) = Kind::of(&place, archive)? {
        return layers::flatten(&place, kind, archive, &wish, observer);
    }
    if wish.name.is_some() || wish.platform.is_some() {
        return Err(Error::malformed(
            archive,
            "is no archive of images, so IMAGE and PLATFORM have no meaning for it",
        ));
    }
    if strip.is_none() { refuse_folder_around(&place, archive) } else { Ok(()) }
}

fn strip(environment: &Environment) -> Result<Option<usize>> {
    let number = |text: &str| {
        text.parse()
            .map_err(|_| Error::refused(format!("STRIP_COMPONENTS is {text}; use a number of folders")))
    };
    environment.text("STRIP_COMPONENTS")?.map(number).transpose()
}

/// Refuses a system that lies in a folder, the only one of the archive: its files would be in the wrong place.
fn refuse_folder_around(place: &Dir, archive: &Path) -> Result<()> {
    let entries = place.entries()?;
    let [only] = entries.as_slice() else { return Ok(()) };
    let name = &only.name;
    if TOP.iter().any(|top| name == top) {
        return Ok(());
    }
    let inside =
        |other: &str| -> Result<bool> { Ok(place.stat_beneath(&Path::new(name).join(other))?.is_some()) };
    for top in TOP.into_iter().chain(["oci-layout", "manifest.json"]) {
        if inside(top)? {
            return Err(Error::malformed(
                archive,
                format!(
                    "everything in it is in the folder {}; STRIP_COMPONENTS=1 leaves that out (2 if names begin with ./), STRIP_COMPONENTS=0 keeps it",
                    name.display()
                ),
            ));
        }
    }
    Ok(())
}
