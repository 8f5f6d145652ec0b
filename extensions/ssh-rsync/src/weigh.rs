//! A dry run: the target says what a push would send, and whether it would be refused.

use system::error::{Error, Result};
use system::observer::Observer;

use crate::connection::Connection;
use crate::options::Options;
use crate::protocol::{Weighed, kind};
use crate::source::Source;
use crate::summary::size;
use crate::words;

/// Shows the manifest to the target, and tells what it says.
pub fn weigh(
    connection: &mut Connection,
    options: &Options,
    new: &Source,
    observer: &dyn Observer,
) -> Result<()> {
    loop {
        let frame = connection.receive()?;
        match frame.kind {
            kind::WANT_MANIFEST => new.send_manifest(&connection.sender())?,
            kind::EVENT => observer.event(words::event(&frame)?),
            kind::FAILED => return Err(words::failure(&frame)),
            kind::WEIGHED => {
                tell(words::json(&frame)?, options, new, observer);
                return Ok(());
            }
            other => return Err(Error::refused(format!("the target sent an unknown message ({other})"))),
        }
    }
}

fn tell(
    Weighed { contents, bytes, there }: Weighed,
    options: &Options,
    new: &Source,
    observer: &dyn Observer,
) {
    let Options { label, destination, .. } = options;
    let already = if there == 0 { String::new() } else { format!("; {} are there already", size(there)) };
    observer.phase(format!(
        "{label} can be pushed to {destination}: {} of its {} would be compressed and sent, in {contents} contents{already}",
        size(bytes - there.min(bytes)),
        size(new.manifest.bytes()),
    ));
}
