//! Remembers a fetch on the volume, which is locked.

use baserock::json;
use baserock::layout::ORIGIN;
use baserock::origin::Origin;
use system::atomic;
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
        Seen::remember(top, &self.index.repository, self.index.serial)
    }

    /// Remembers in the folder of a version that it comes from here.
    pub fn remember_origin(&self, version: &Dir) -> Result<()> {
        let origin = Origin {
            repository: self.index.repository.clone(),
            serial: self.index.serial,
            source: self.location.shown(),
            signed_by: self.signers.iter().map(ToString::to_string).collect(),
        };
        atomic::write(version, ORIGIN, 0o644, &json::file(&origin))
    }
}
