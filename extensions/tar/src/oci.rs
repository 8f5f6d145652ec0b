//! OCI image layouts: finds the layers of an image.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use system::error::OrCannot;
use system::{Error, Result, signal};

/// A reference to a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<Platform>,
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    architecture: String,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Descriptor>,
}

/// Most indexes that may lead to each other.
const DEEPEST: u32 = 4;

/// The largest index or manifest that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// Whether a folder is an image layout.
pub fn is_layout(folder: &Path) -> bool {
    folder.join("oci-layout").is_file() && folder.join("index.json").is_file()
}

/// The layers of the image, the lowest first. Each is compared with its digest. If the layout has several images, that for the architecture
/// of this machine is taken. `archive` is the name of the layout for messages.
pub fn layers(layout: &Path, archive: &Path) -> Result<Vec<PathBuf>> {
    let mut index: Index = parse(&layout.join("index.json"), archive)?;
    for _ in 0..DEEPEST {
        let chosen = choose(&index.manifests, archive)?;
        let path = blob(layout, &chosen.digest, archive)?;
        if !chosen.media_type.contains("index") && !chosen.media_type.contains("manifest.list") {
            let manifest: Manifest = parse(&path, archive)?;
            return manifest.layers.iter().map(|layer| blob(layout, &layer.digest, archive)).collect();
        }
        index = parse(&path, archive)?;
    }
    Err(Error::malformed(archive, "its indexes lead too deep"))
}

/// The architecture of this machine, by its name in OCI images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

fn choose(manifests: &[Descriptor], archive: &Path) -> Result<Descriptor> {
    let fits = |one: &&Descriptor| one.platform.as_ref().is_none_or(|p| p.architecture == architecture());
    let fitting: Vec<&Descriptor> = manifests.iter().filter(fits).collect();
    match fitting.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Error::malformed(archive, format!("it has no image for {}", architecture()))),
        _ => Err(Error::malformed(archive, "it has several images; make an archive with one")),
    }
}

/// The path of a blob. Its content is compared with its digest.
fn blob(layout: &Path, digest: &str, archive: &Path) -> Result<PathBuf> {
    let hexadecimal = |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let hash = digest.strip_prefix("sha256:").filter(hexadecimal);
    let hash = hash.ok_or_else(|| Error::malformed(archive, format!("{digest:?} is no SHA-256 digest")))?;
    let path = layout.join("blobs/sha256").join(hash);
    let mut file = File::open(&path).or_cannot("open", archive.join("blobs/sha256").join(hash))?;
    if hash_of(&mut file).or_cannot("read", archive)? != hash.to_ascii_lowercase() {
        return Err(Error::malformed(archive, format!("the blob {hash} is damaged; get the archive again")));
    }
    signal::check()?;
    Ok(path)
}

fn hash_of(file: &mut File) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
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

fn parse<T: DeserializeOwned>(path: &Path, archive: &Path) -> Result<T> {
    let size = fs::metadata(path).or_cannot("look at", path)?.len();
    if size > LARGEST {
        return Err(Error::malformed(archive, format!("its index has {size} bytes, which no image needs")));
    }
    let bytes = fs::read(path).or_cannot("read", path)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::malformed(archive, format!("its index is not that of an OCI image: {error}")))
}
