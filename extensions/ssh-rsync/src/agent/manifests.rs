//! The manifests that the target works with: those of its basis and of the new tree.

use std::io::{self, Read};

use baserock::operations::manifest;
use delta::hash::Hash;
use delta::scan::{ReadAll, scan};
use delta::{Manifest, format};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;

use crate::channel::{Channel, Receiver};
use crate::protocol::kind;

/// The manifest of the basis: the one beside it, or else one that is made now and kept there.
pub fn basis(version: &Dir, orig: &Dir, observer: &dyn Observer) -> Result<Manifest> {
    if let Some(manifest) = manifest::load(version, orig)? {
        return Ok(manifest);
    }
    observer.phase(format!("reading {} on the target, once", orig.shown("").display()));
    let manifest = scan(orig, &mut ReadAll, &|_| Ok(()))?;
    manifest::store(version, orig, &manifest)?;
    Ok(manifest)
}

/// Receives the manifest of the new tree.
pub fn receive(channel: &mut Channel<'_>, digest: Hash) -> Result<Manifest> {
    channel.sender.send(kind::WANT_MANIFEST, &[])?;
    // It is parsed while it arrives, and the format limits the memory that it takes.
    let pieces = Pieces { receiver: channel.receiver, rest: Vec::new(), position: 0 };
    let manifest = format::read(pieces).or_cannot("understand the manifest from", "the sender")?;
    if manifest.digest() == digest {
        return Ok(manifest);
    }
    Err(Error::refused("the manifest is not the one that the sender announced"))
}

/// The frames of a manifest as one stream.
struct Pieces<'a> {
    receiver: &'a mut Receiver,
    rest: Vec<u8>,
    position: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.rest.len() {
            let frame = self.receiver.receive().map_err(io::Error::other)?;
            if frame.kind != kind::MANIFEST {
                return Err(delta::codec::invalid("a message that is not a manifest"));
            }
            (self.rest, self.position) = (frame.content, 0);
        }
        let count = buffer.len().min(self.rest.len() - self.position);
        buffer[..count].copy_from_slice(&self.rest[self.position..self.position + count]);
        self.position += count;
        Ok(count)
    }
}
