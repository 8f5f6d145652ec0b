//! The files of an image: read up to a limit, never through a link that leads out, and compared with their digests.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use baserock_archive::Compression;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use system::dir::Dir;
use system::error::OrCannot;
use system::resolve::Links;
use system::{Error, Result, signal};

/// What is known about a file's content.
#[derive(Clone)]
pub enum Content {
    /// Its digest.
    Digest(String),
    /// The digest of what it unpacks to.
    Unpacked(String),
    /// Nothing.
    Unknown,
}

/// The largest index, manifest or configuration that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The path of a blob.
pub fn blob_path(digest: &str, archive: &Path) -> Result<PathBuf> {
    Ok(Path::new("blobs/sha256").join(hexadecimal(digest, archive)?))
}

fn hexadecimal<'a>(digest: &'a str, archive: &Path) -> Result<&'a str> {
    let plain = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let hash = digest.strip_prefix("sha256:").filter(plain);
    hash.ok_or_else(|| Error::malformed(archive, format!("{digest:?} is no SHA-256 digest")))
}

/// A file of JSON.
pub fn json<T: DeserializeOwned>(folder: &Dir, path: &Path, archive: &Path) -> Result<T> {
    let bytes = folder.read_with(path, Links::Beneath, LARGEST)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let name = path.display();
        Error::malformed(archive, format!("its {name} is not that of an image: {error}"))
    })
}

/// Opens a file, and compares it with what is known about it.
pub fn check(folder: &Dir, path: &Path, content: &Content, archive: &Path) -> Result<File> {
    let mut file = folder.file_with(path, Links::Beneath)?;
    let mut start = [0; 13];
    let length = file.read(&mut start).or_cannot("read", archive)?;
    file.rewind().or_cannot("read", archive)?;
    let digest = match content {
        Content::Digest(digest) => digest,
        Content::Unpacked(digest) if Compression::of(&start[..length]) == Compression::Plain => digest,
        Content::Unpacked(_) | Content::Unknown => return Ok(file),
    };
    if hash_of(&mut file).or_cannot("read", archive)? != hexadecimal(digest, archive)?.to_ascii_lowercase() {
        let name = path.file_name().unwrap_or_default().display();
        return Err(Error::malformed(archive, format!("the blob {name} is damaged; get the archive again")));
    }
    file.rewind().or_cannot("read", archive)?;
    Ok(file)
}

fn hash_of(file: &mut File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        signal::check().map_err(io::Error::other)?;
        match file.read(&mut buffer)? {
            0 => {
                return Ok(hasher
                    .finalize()
                    .iter()
                    .fold(String::new(), |text, byte| text + &format!("{byte:02x}")));
            }
            count => hasher.update(&buffer[..count]),
        }
    }
}
