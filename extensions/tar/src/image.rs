//! The images of an archive, and which of them is meant.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use system::dir::Dir;
use system::{Error, Result};

use crate::bounded::{Few, Short};
use crate::content::{self, Content};

/// The kind of machine that an image is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// The operating system.
    #[serde(default)]
    os: Short,
    /// The processor, by its name in images.
    architecture: Short,
    /// The variant of the processor.
    variant: Option<Short>,
}

/// What is read of an image's configuration, which can be empty.
#[derive(Deserialize)]
pub struct Config {
    os: Option<Short>,
    architecture: Option<Short>,
    variant: Option<Short>,
    rootfs: Option<Rootfs>,
}

#[derive(Deserialize)]
struct Rootfs {
    diff_ids: Option<Layers<Short>>,
}

/// Something for each layer of an image. Overlays have at most 500 layers, Docker's images 127.
pub type Layers<T> = Few<T, 512>;

/// An image.
pub struct Image {
    /// Its names.
    pub names: Vec<Short>,
    /// What it is for, if it says so.
    pub platform: Option<Platform>,
    /// Images with one id are the same.
    pub id: String,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// A layer.
pub struct Layer {
    /// Its file.
    pub path: PathBuf,
    /// What is known about the file.
    pub content: Content,
}

/// What an image in the manifest of `docker save` has at least.
#[derive(Deserialize)]
struct Saved {
    #[serde(rename = "Layers")]
    _layers: IgnoredAny,
}

/// Which image is wanted.
#[derive(Default)]
pub struct Wish {
    /// Its name.
    pub name: Option<String>,
    /// What it is for. Otherwise it is for Linux on this machine.
    pub platform: Option<Platform>,
}

/// The kind of an archive of images.
#[derive(Clone, Copy)]
pub enum Kind {
    /// An OCI image layout.
    Oci,
    /// An archive of `docker save`.
    Docker,
}

impl Kind {
    /// The kind of the archive that was unpacked in a folder; `None` if it is no archive of images.
    pub fn of(folder: &Dir, archive: &Path) -> Result<Option<Self>> {
        let has = |name: &str| folder.is_file(name);
        if has("oci-layout")? {
            return if has("index.json")? {
                Ok(Some(Kind::Oci))
            } else {
                Err(Error::malformed(archive, "is an OCI image layout without its index.json"))
            };
        }
        if has("manifest.json")? {
            let bytes = content::bytes(folder, Path::new("manifest.json"))?;
            if serde_json::from_slice(&bytes).is_ok_and(|images: Vec<Saved>| !images.is_empty()) {
                return Ok(Some(Kind::Docker));
            }
        }
        if has("repositories")? {
            let found = folder.entries()?.into_iter().find(|entry| {
                let layer = Path::new(&entry.name).join("layer.tar");
                folder.stat_beneath(&layer).is_ok_and(|stat| stat.is_some())
            });
            if found.is_some() {
                return Err(Error::malformed(
                    archive,
                    "is of docker save, but without the manifest.json that newer versions write; save it anew",
                ));
            }
        }
        Ok(None)
    }
}

impl Config {
    /// What the image is for, if it says so.
    pub fn platform(&self) -> Option<Platform> {
        let (os, variant) = (self.os.clone().unwrap_or_default(), self.variant.clone());
        self.architecture.clone().map(|architecture| Platform { os, architecture, variant })
    }

    /// The sums of the unpacked layers. There may be none.
    pub fn sums(self) -> Vec<Short> {
        self.rootfs.and_then(|rootfs| rootfs.diff_ids).map(|sums| sums.0).unwrap_or_default()
    }
}

impl Wish {
    /// A platform as it is written: `os/architecture` or `os/architecture/variant`.
    pub fn platform(text: &str) -> Result<Platform> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(*variant)),
            _ => {
                return Err(Error::refused(format!(
                    "PLATFORM is {text:?}; use an operating system and a processor, such as linux/arm64"
                )));
            }
        };
        let short = |text: &str| Short::try_from(text.to_owned()).map_err(Error::refused);
        let variant = variant.map(short).transpose()?;
        Ok(Platform { os: short(os)?, architecture: short(architecture)?, variant })
    }

    /// Whether an image for this platform may be the wanted one. An image that does not say may be.
    pub fn allows(&self, platform: Option<&Platform>) -> bool {
        let Some(platform) = platform else { return true };
        match &self.platform {
            None => *platform.architecture == *architecture() && matches!(&*platform.os, "" | "linux"),
            Some(wanted) => {
                wanted.architecture == platform.architecture
                    && (wanted.os == platform.os || platform.os.is_empty())
                    && (wanted.variant.is_none() || wanted.variant == platform.variant)
            }
        }
    }

    /// Whether the image has the wanted name.
    pub fn names(&self, image: &Image) -> bool {
        let is = |wanted: &String, name: &Short| {
            name.strip_suffix(wanted.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        self.name.as_ref().is_none_or(|wanted| image.names.iter().any(|name| is(wanted, name)))
    }
}

/// The architecture of this machine, by its name in images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let os = if self.os.is_empty() { "linux" } else { &*self.os };
        write!(f, "{}/{}", os.escape_debug(), self.architecture.escape_debug())?;
        self.variant.iter().try_for_each(|variant| write!(f, "/{}", variant.escape_debug()))
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.names.first().map_or(&*self.id, |name| &**name);
        write!(f, "{}", name.escape_debug())?;
        self.platform.iter().try_for_each(|platform| write!(f, " for {platform}"))
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.iter().try_for_each(|name| write!(f, "{} ", name.escape_debug()))?;
        match &self.platform {
            Some(platform) => write!(f, "for {platform}"),
            None => write!(f, "for linux/{}", architecture()),
        }
    }
}
