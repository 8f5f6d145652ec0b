//! OCI image layouts: finds their images.

use std::path::Path;

use serde::Deserialize;
use system::dir::Dir;
use system::{Error, Result, error};

use crate::bounded::{Few, Short};
use crate::content::{self, Content};
use crate::image::{Config, Image, Layer, Layers, Platform, Wish};

/// A reference to a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: Short,
    digest: Short,
    platform: Option<Platform>,
    annotations: Option<Annotations>,
    artifact_type: Option<Short>,
}

/// The annotations that count here.
#[derive(Clone, Debug, Default, Deserialize)]
struct Annotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    name: Option<Short>,
    #[serde(rename = "io.containerd.image.name")]
    full_name: Option<Short>,
    /// What it is kept beside an image for, such as a proof of how the image was made.
    #[serde(rename = "vnd.docker.reference.type")]
    beside: Option<Short>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Few<Descriptor, MOST>,
}

#[derive(Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    layers: Layers<Descriptor>,
}

/// Most indexes that may lead to each other.
const DEEPEST: u32 = 4;

/// Most manifests and indexes that are read, and most in one index.
const MOST: usize = 256;

/// The images of the layout that fit the wish. `archive` is the name of the layout for messages.
pub fn images(layout: &Dir, archive: &Path, wish: &Wish) -> Result<Vec<Image>> {
    let index: Index = content::json(layout, Path::new("index.json"), archive)?;
    let mut found = Vec::new();
    let mut search = Search { layout, archive, wish, left: MOST, found: &mut found };
    search.index(&index, &[], DEEPEST)?;
    Ok(found)
}

struct Search<'a> {
    layout: &'a Dir,
    archive: &'a Path,
    wish: &'a Wish,
    left: usize,
    found: &'a mut Vec<Image>,
}

impl Search<'_> {
    /// Adds the images of an index that has these names.
    fn index(&mut self, index: &Index, names: &[Short], depth: u32) -> Result<()> {
        for one in &index.manifests.0 {
            let noted = one.annotations.clone().unwrap_or_default();
            let artifact = one.artifact_type.as_ref().is_some_and(|kind| !kind.is_empty());
            if artifact || noted.beside.is_some() || !self.wish.allows(one.platform.as_ref()) {
                continue;
            }
            let own = [noted.name, noted.full_name].into_iter().flatten();
            let names = own.chain(names.iter().cloned()).collect();
            self.descriptor(one, names, depth)?;
        }
        Ok(())
    }

    fn descriptor(&mut self, one: &Descriptor, names: Vec<Short>, depth: u32) -> Result<()> {
        let too_many = || Error::malformed(self.archive, "its indexes lead too deep, or to too many images");
        self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        let path = content::blob_path(&one.digest, self.archive)?;
        if one.media_type.contains("index") || one.media_type.contains("manifest.list") {
            let deeper = depth.checked_sub(1).ok_or_else(too_many)?;
            let index: Index = self.json(&path, &one.digest)?;
            return self.index(&index, &names, deeper);
        }
        let manifest: Manifest = match self.json(&path, &one.digest) {
            // An index may name images for other machines that the archive leaves out.
            Err(error) if error.is_not_found() && one.platform.is_none() => return Ok(()),
            other => other?,
        };
        let Some(config) = &manifest.config else {
            return Err(Error::malformed(
                self.archive,
                format!("the image {} has no configuration", &*one.digest),
            ));
        };
        if !config.media_type.is_empty() && !config.media_type.contains("image") {
            return Ok(());
        }
        let platform = if let Some(platform) = &one.platform {
            Some(platform.clone())
        } else {
            let path = content::blob_path(&config.digest, self.archive)?;
            error::if_exists(self.json::<Config>(&path, &config.digest))?.and_then(|config| config.platform())
        };
        if !self.wish.allows(platform.as_ref()) {
            return Ok(());
        }
        let layers = manifest.layers.0.iter().map(|layer| {
            if layer.media_type.contains("encrypted") {
                return Err(Error::malformed(
                    self.archive,
                    "its layers are encrypted; decrypt the image first",
                ));
            }
            if !layer.media_type.is_empty() && !layer.media_type.contains("tar") {
                return Err(Error::malformed(
                    self.archive,
                    format!("a layer is of the type {:?}, which is no archive; refused", &*layer.media_type),
                ));
            }
            let path = content::blob_path(&layer.digest, self.archive)?;
            Ok(Layer { path, content: Content::Digest(layer.digest.clone()) })
        });
        let layers = layers.collect::<Result<Vec<_>>>()?;
        self.found.push(Image { names, platform, id: one.digest.to_string(), layers });
        Ok(())
    }

    fn json<T: serde::de::DeserializeOwned>(&self, path: &Path, digest: &Short) -> Result<T> {
        content::check(self.layout, path, &Content::Digest(digest.clone()), self.archive)?;
        content::json(self.layout, path, self.archive)
    }
}
