//! Archives of `docker save`: finds their images.

use std::path::Path;

use serde::Deserialize;
use system::dir::Dir;
use system::{Error, Result};

use crate::bounded::{Few, Short};
use crate::content::{self, Content};
use crate::image::{Config, Image, Layer, Layers, Wish};

/// An image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: Short,
    repo_tags: Option<Few<Short, MOST>>,
    layers: Layers<Short>,
}

/// Most images, and most names of one.
const MOST: usize = 256;

/// The images that fit the wish. `archive` is the name of their archive for messages.
pub fn images(folder: &Dir, archive: &Path, wish: &Wish) -> Result<Vec<Image>> {
    let entries: Few<Entry, MOST> = content::json(folder, Path::new("manifest.json"), archive)?;
    let mut found = Vec::new();
    for Entry { config: file, repo_tags, layers } in entries.0 {
        let config: Config = content::json(folder, Path::new(&*file), archive)?;
        let platform = config.platform();
        if !wish.allows(platform.as_ref()) {
            continue;
        }
        let sums = config.sums();
        if !sums.is_empty() && sums.len() != layers.0.len() {
            return Err(Error::malformed(
                archive,
                format!("an image has {} layers and {} sums of layers", layers.0.len(), sums.len()),
            ));
        }
        let id = [&file].into_iter().chain(&layers.0).map(|file| &**file).collect::<Vec<_>>().join(" ");
        let layers = layers.0.iter().enumerate().map(|(index, file)| Layer {
            path: Path::new(&**file).to_owned(),
            content: sums.get(index).map_or(Content::Unknown, |sum| Content::Unpacked(sum.clone())),
        });
        let names = repo_tags.map(|tags| tags.0).unwrap_or_default();
        found.push(Image { names, platform, id, layers: layers.collect() });
    }
    Ok(found)
}
