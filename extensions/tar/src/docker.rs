//! Archives of `docker save`: finds their images.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use system::dir::Dir;
use system::{Error, Result};

use crate::content::{self, Content};
use crate::image::{Image, Layer, Platform, Wish};

/// An image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: PathBuf,
    repo_tags: Option<Vec<String>>,
    layers: Vec<PathBuf>,
}

/// What is read of an image's configuration.
#[derive(Deserialize)]
struct Config {
    #[serde(flatten)]
    platform: Option<Platform>,
    rootfs: Option<Rootfs>,
}

#[derive(Deserialize)]
struct Rootfs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Most images.
const MOST: usize = 256;

/// The images that fit the wish. `archive` is the name of their archive for messages.
pub fn images(folder: &Dir, archive: &Path, wish: &Wish) -> Result<Vec<Image>> {
    let entries: Vec<Entry> = content::json(folder, Path::new("manifest.json"), archive)?;
    if entries.len() > MOST {
        return Err(Error::malformed(archive, "it has too many images"));
    }
    let mut found = Vec::new();
    for entry in entries {
        let config: Config = content::json(folder, &entry.config, archive)?;
        if !wish.allows(config.platform.as_ref()) {
            continue;
        }
        let sums = config.rootfs.map(|rootfs| rootfs.diff_ids).unwrap_or_default();
        if !sums.is_empty() && sums.len() != entry.layers.len() {
            return Err(Error::malformed(
                archive,
                format!("an image has {} layers and {} sums of layers", entry.layers.len(), sums.len()),
            ));
        }
        let files = [&entry.config].into_iter().chain(&entry.layers);
        let id = files.map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let layers = entry.layers.into_iter().enumerate().map(|(index, path)| Layer {
            path,
            content: sums.get(index).map_or(Content::Unknown, |sum| Content::Unpacked(sum.clone())),
        });
        let names = entry.repo_tags.unwrap_or_default();
        found.push(Image { names, platform: config.platform, id, layers: layers.collect() });
    }
    Ok(found)
}
