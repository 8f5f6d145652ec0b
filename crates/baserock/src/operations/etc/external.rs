//! Runs a program that merges `/etc` instead of the library.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use nix::unistd::dup;
use system::error::{OrCannot, Result};
use system::observer::Observer;
use system::process::Program;

use super::Merged;
use crate::label::ExistingLabel;
use crate::volume::Volume;

/// The variable with the path at which the volume is mounted for the program.
pub const MOUNTED_VOLUME: &str = "BASEROCK_VOLUME";
/// The variable with the number of the inherited descriptor that holds the volume's lock.
pub const INHERITED_LOCK: &str = "BASEROCK_LOCK_FD";

/// Runs `PROGRAM merge OLD NEW`.
pub fn merge(
    volume: &Volume,
    program: &Path,
    old: &ExistingLabel,
    new: &ExistingLabel,
    observer: &dyn Observer,
) -> Result<Merged> {
    observer.phase(format!("merging /etc of {old} into {new} with {}", program.display()));
    let run =
        Program::new(program).args(["merge", old.as_str(), new.as_str()]).env(MOUNTED_VOLUME, volume.path());
    let output = match volume.lock() {
        Some(lock) => {
            // A duplicate shares the lock, and stays open when the program starts.
            let inherited = dup(lock.file().as_fd()).or_cannot("inherit the lock of", volume.name())?;
            run.env(INHERITED_LOCK, inherited.as_raw_fd().to_string()).run()?
        }
        None => run.run()?,
    };
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        observer.note(line);
    }
    Ok(Merged::default())
}
