//! Files of the definitions repository: YAML with a key `kind`.

use std::path::Path;

use baserock::yaml;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use system::{Error, Result};

use crate::scalars;

/// The value of `kind`; `None` if the file has none or is not a YAML map.
pub fn kind(text: &str) -> Option<String> {
    yaml::check(text).ok()?;
    serde_yaml::from_str::<Header>(text).ok()?.kind
}

/// Parses a file of this kind. `path` is used in messages only.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str, kind: &str) -> Result<T> {
    if text.trim().is_empty() {
        return Err(Error::malformed(path, "the file is empty"));
    }
    yaml::check(text).map_err(|why| Error::malformed(path, why))?;
    if let Err(error) = serde_yaml::from_str::<IgnoredAny>(text) {
        return Err(Error::malformed(path, format!("not YAML: {}", one_line(&error))));
    }
    let header: Header = serde_yaml::from_str(text)
        .map_err(|_| Error::malformed(path, "a definition is a map of names to values"))?;
    match header.kind {
        Some(found) if found == kind => {}
        Some(found) => return Err(Error::malformed(path, format!("its kind is {found}, not {kind}"))),
        None => return Err(Error::malformed(path, format!("it has no `kind:`; a {kind} is wanted"))),
    }
    let document = match scalars::flattened(text) {
        Some(value) => serde_yaml::from_value(value),
        None => serde_yaml::from_str(text),
    };
    document.map_err(|error| Error::malformed(path, one_line(&error)))
}

#[derive(Deserialize)]
struct Header {
    kind: Option<String>,
}

fn one_line(error: &serde_yaml::Error) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
