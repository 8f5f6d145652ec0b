//! `/baserock/deployment.meta`: the parameters of a version's deployment, in the version itself.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use system::error::{Error, Result};

use crate::json::{self, Format};

/// Its path in a root filesystem.
pub const PATH: &str = "baserock/deployment.meta";

/// The parameters that the format names, beside those with which versions are booted. Others are recorded if an extension declares them.
pub const NAMES: [&str; 4] = ["HOSTNAME", "UPGRADE", "VERSION_LABEL", "DISK_SIZE"];

/// The file's content: JSON. Other keys than `configuration` are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentMeta {
    /// Names and values of the deployment's parameters.
    #[serde(default)]
    pub configuration: BTreeMap<String, serde_json::Value>,
    /// The other keys of the file.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Format for DeploymentMeta {}

impl DeploymentMeta {
    /// Parses the file's bytes; `shown` is its name for the message.
    pub fn parse(bytes: &[u8], shown: &Path) -> Result<Self> {
        let mut meta: Self = json::read(bytes).map_err(|fault| {
            let reason = fault.in_a("the JSON object of a deployment");
            Error::malformed(shown, format!("{reason}; mend or remove it"))
        })?;
        // The number is added again when the file is written.
        meta.other.remove(json::FIELD);
        Ok(meta)
    }

    /// The file's bytes, with a final newline.
    pub fn render(&self) -> Vec<u8> {
        json::file(self)
    }

    /// A parameter's value as text. Numbers and booleans are given as in JSON. `None` if it is absent or of another type.
    pub fn get(&self, name: &str) -> Option<String> {
        match self.configuration.get(name)? {
            serde_json::Value::String(text) => Some(text.clone()),
            value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_everything_is_kept() {
        let text = br#"{"cluster": "c", "configuration": {"KERNEL_ARGS": "quiet", "N": 3, "LIST": []}}"#;
        let meta = DeploymentMeta::parse(text, Path::new("m")).unwrap();
        assert_eq!(meta.get("KERNEL_ARGS").as_deref(), Some("quiet"));
        assert_eq!(meta.get("N").as_deref(), Some("3"));
        assert_eq!((meta.get("LIST"), meta.get("OTHER")), (None, None));
        assert_eq!(DeploymentMeta::parse(&meta.render(), Path::new("m")).unwrap(), meta);
    }

    #[test]
    fn a_number_is_the_same_after_it_was_written() {
        let meta = DeploymentMeta::parse(br#"{"configuration": {}, "x": 1.2e100}"#, Path::new("m")).unwrap();
        assert_eq!(DeploymentMeta::parse(&meta.render(), Path::new("m")).unwrap(), meta);
    }

    #[test]
    fn the_number_is_written_once() {
        let meta = DeploymentMeta::parse(br#"{"configuration": {}, "format": 1}"#, Path::new("m")).unwrap();
        let text = String::from_utf8(meta.render()).unwrap();
        assert_eq!(text, "{\n  \"format\": 1,\n  \"configuration\": {}\n}\n");
        let error = DeploymentMeta::parse(br#"{"format": 2}"#, Path::new("m")).unwrap_err();
        assert!(error.to_string().starts_with("m: written by a newer program (format 2"), "{error}");
    }

    #[test]
    fn what_is_not_json_is_named() {
        let error = DeploymentMeta::parse(
            b"KERNEL_ARGS=quiet",
            Path::new("/systems/a/orig/baserock/deployment.meta"),
        );
        let message = error.unwrap_err().to_string();
        assert!(message.starts_with("/systems/a/orig/baserock/deployment.meta: not the JSON"), "{message}");
    }
}
