//! Remembers a fetch on the volume.

use baserock::json;
use baserock::layout::ORIGIN;
use baserock::origin::Origin;
use system::atomic;
use system::dir::Dir;
use system::error::Result;

use super::remote::Remote;
use super::seen::Seen;

/// Remembers what the volume with this top level has seen of a repository, and in the folder of a version that it comes from there. The volume is
/// locked.
pub fn remember(top: &Dir, remote: &Remote<'_>, version: Option<&Dir>) -> Result<()> {
    let (repository, serial) = (&remote.index.repository, remote.index.serial);
    Seen::remember(top, repository, serial)?;
    let Some(version) = version else { return Ok(()) };
    let origin = Origin {
        repository: repository.clone(),
        serial,
        source: remote.location.shown(),
        signed_by: remote.signers.iter().map(ToString::to_string).collect(),
    };
    atomic::write(version, ORIGIN, 0o644, &json::file(&origin))
}
