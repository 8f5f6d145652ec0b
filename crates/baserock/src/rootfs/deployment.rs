//! The parameters of a deployment that a tree brings with it.

use system::dir::{Dir, MOST_TEXT};
use system::error::{Result, if_exists};
use system::resolve::Links;

use crate::meta::{self, DeploymentMeta};

/// The parameters in a tree; none if it has no such file.
pub fn meta(orig: &Dir) -> Result<DeploymentMeta> {
    let Some(bytes) = if_exists(orig.read_with(meta::PATH, Links::InRoot, MOST_TEXT))? else {
        return Ok(DeploymentMeta::default());
    };
    DeploymentMeta::parse(&bytes, &orig.shown(meta::PATH))
}
