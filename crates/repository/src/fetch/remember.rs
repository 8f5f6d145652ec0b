//! Remembers a fetch on the volume, which is locked.

use baserock::operations::trust::Provenance;
use baserock::origin::Origin;
use system::dir::Dir;
use system::error::Result;

use super::remote::Remote;
use super::seen::Seen;

impl Remote<'_> {
    /// Remembers the serial on the volume with this top level. One that nobody has signed is not remembered: whoever made it up could keep
    /// the volume from every later one.
    pub fn remember(&self, top: &Dir) -> Result<()> {
        if self.signers.is_empty() {
            return Ok(());
        }
        Seen::remember(top, &self.location.shown(), &self.index.repository, self.index.serial)
    }

    /// That a version comes from here, and what was signed about it.
    pub(super) fn provenance(&self) -> Provenance {
        let origin = Origin {
            repository: self.index.repository.clone(),
            serial: self.index.serial,
            source: self.location.shown(),
            signed_by: self.signers.iter().map(ToString::to_string).collect(),
        };
        Provenance { origin: Some(origin), signed: (!self.signers.is_empty()).then(|| self.file.clone()) }
    }
}
