//! Bytes that nobody can guess.

use std::fs::File;
use std::io::Read;

use system::error::{OrCannot, Result};

/// 32 bytes from the kernel.
pub fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let path = "/dev/urandom";
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).or_cannot("read", path)?;
    Ok(bytes)
}
