//! The files of an image: read up to a limit, never through a link that leads out, and compared with their digests.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use baserock_archive::Compression;
use delta::hash::Hash;
use serde::de::DeserializeOwned;
use system::dir::Dir;
use system::error::OrCannot;
use system::resolve::Links;
use system::{Error, Result, signal};

use crate::bounded::Short;

/// What is known about a file's content.
#[derive(Clone)]
pub enum Content {
    /// Its digest.
    Digest(Short),
    /// The digest of what it unpacks to.
    Unpacked(Short),
    /// Nothing.
    Unknown,
}

/// The largest index, manifest or configuration that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The most characters of a message of the parser, which may repeat what the file has.
const MOST_SHOWN: usize = 200;

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;

/// The path of a blob.
pub fn blob_path(digest: &str, archive: &Path) -> Result<PathBuf> {
    hash(digest, archive)?;
    Ok(Path::new("blobs/sha256").join(digest.trim_start_matches("sha256:")))
}

fn hash(digest: &str, archive: &Path) -> Result<Hash> {
    let hash = digest.strip_prefix("sha256:").and_then(|text| Hash::parse(&text.to_ascii_lowercase()));
    hash.ok_or_else(|| Error::malformed(archive, format!("{digest:?} is no SHA-256 digest")))
}

/// The content of a file of JSON.
pub fn bytes(folder: &Dir, path: &Path) -> Result<Vec<u8>> {
    signal::check()?;
    folder.read_with(path, Links::Beneath, LARGEST)
}

/// A file of JSON.
pub fn json<T: DeserializeOwned>(folder: &Dir, path: &Path, archive: &Path) -> Result<T> {
    serde_json::from_slice(&bytes(folder, path)?).map_err(|error| {
        let name = path.display();
        let reason: String = error.to_string().chars().take(MOST_SHOWN).collect();
        Error::malformed(archive, format!("its {name} is not that of an image: {reason}"))
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
    let size = file.metadata().or_cannot("examine", archive)?.len();
    if Hash::of_file(&file, size, archive, &mut vec![0; BUFFER], &signal::check)? != hash(digest, archive)? {
        let name = path.file_name().unwrap_or_default().display();
        return Err(Error::malformed(archive, format!("the blob {name} is damaged; get the archive again")));
    }
    Ok(file)
}
