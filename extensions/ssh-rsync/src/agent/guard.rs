//! Checks that this machine can take the version.

use baserock::label::Label;
use baserock::layout;
use baserock::operations::manifest;
use baserock::volume::{Location, Opening, Purpose, Volume};
use delta::hash::Hash;
use system::error::{Error, OrCannot, Result};
use system::lock::Patience;

/// The oldest kernel whose btrfs is sufficient: 4.19.
const OLDEST: (u32, u32) = (4, 19);

/// The state of the label on the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// There is nothing.
    Nothing,
    /// The same tree, deployed. The push that brought it has ended, but its sender did not learn that.
    Deployed,
    /// The same tree, from a push that did not finish the deployment.
    SameTree,
    /// Another tree, from such a push.
    OtherTree,
}

/// The volume of the running system, opened.
pub fn open(purpose: Purpose) -> Result<Volume> {
    kernel()?;
    Volume::open(&Opening { location: Location::Running, purpose, patience: Patience::Refuse })
}

fn kernel() -> Result<()> {
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

/// Examines the label, and refuses one whose version must not be touched.
pub fn look(volume: &Volume, label: &Label, digest: Option<Hash>) -> Result<Present> {
    let Some(version) = volume.top().dir_if_exists(layout::version(label))? else {
        return Ok(Present::Nothing);
    };
    let remove = format!("system-version-manager remove {label}");
    let orig = version.dir_if_exists(layout::ORIG)?;
    let pushed = orig.map(|orig| manifest::load(&version, &orig)).transpose()?.flatten();
    if volume.complete()?.contains(label) {
        let is_same = pushed.zip(digest).is_some_and(|(manifest, digest)| manifest.digest() == digest);
        return if is_same {
            Ok(Present::Deployed)
        } else {
            Err(Error::refused(format!(
                "version {label} exists on the target; choose another VERSION_LABEL, or remove it there first ({remove})"
            )))
        };
    }
    match pushed {
        Some(manifest) if digest.is_none_or(|digest| manifest.digest() == digest) => Ok(Present::SameTree),
        Some(_) => Ok(Present::OtherTree),
        None => Err(Error::refused(format!(
            "version {label} is on the target, is not complete, and no push has put it there; \
             remove it there first ({remove})"
        ))),
    }
}
