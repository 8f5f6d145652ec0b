//! Receives the manifest of the new tree.

use std::io::{self, Read};

use delta::hash::Hash;
use delta::{Manifest, format};
use system::error::{Error, OrCannot, Result};

use crate::channel::{Channel, Receiver};
use crate::protocol::kind;

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
