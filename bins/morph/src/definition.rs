//! System definitions: they describe how a root filesystem is built and configured.

use std::path::Path;

use serde::Deserialize;
use system::{Error, Result};

use crate::document;
use crate::parameters::Parameters;

/// The keys of a system definition that are used here. Other keys are for other tools.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Definition {
    /// The name of the system and of its artifact: a file name.
    pub name: String,
    /// The extensions that configure a tree before it is written, in order.
    #[serde(default)]
    pub configuration_extensions: Vec<String>,
    /// The build of the artifact.
    pub build: Option<Build>,
}

/// The build extension and its parameters.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct Build {
    /// The extension.
    pub extension: String,
    /// Files and folders of the repository that the build depends on, beside those named by parameters.
    pub inputs: Vec<String>,
    /// The extension's parameters.
    pub parameters: Parameters,
}

impl TryFrom<Parameters> for Build {
    type Error = &'static str;

    fn try_from(mut parameters: Parameters) -> Result<Self, Self::Error> {
        let extension = parameters.take("type").ok_or("it has no `type:`; name a build extension")?;
        let inputs = parameters.take("inputs").unwrap_or_default();
        let inputs = inputs.split_whitespace().map(str::to_owned).collect();
        Ok(Build { extension, inputs, parameters })
    }
}

impl Definition {
    /// Parses the text of the definition. `path` is used in messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Definition> {
        let definition: Definition = document::parse(path, text, "system")?;
        let name = &definition.name;
        if name.is_empty() || name.starts_with(['.', '-']) || name.contains(['/', '\0', '\n']) {
            return Err(Error::malformed(path, format!("the name {name:?} cannot be that of an artifact")));
        }
        Ok(definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Definition> {
        Definition::parse(Path::new("s.morph"), text)
    }

    #[test]
    fn keys_of_other_tools_are_left_alone() {
        let text = "
name: devel-system-x86_64-generic
kind: system
arch: x86_64
description: A system
strata: [{name: core, morph: strata/core.morph}]
configuration-extensions: [extensions/set-hostname, extensions/fstab]
build: {type: extensions/tar, TARBALL: base-1.10.tar, VERSION: 1.10, inputs: overlay scripts/fix}
";
        let definition = parse(text).unwrap();
        assert_eq!(definition.configuration_extensions, ["extensions/set-hostname", "extensions/fstab"]);
        let build = definition.build.unwrap();
        assert_eq!(build.extension, "extensions/tar");
        assert_eq!(build.inputs, ["overlay", "scripts/fix"]);
        assert_eq!(build.parameters.get("VERSION"), Some("1.10"));
    }

    #[test]
    fn errors_tell_the_fault_of_a_definition() {
        for (text, why) in [
            ("kind: cluster", "kind is cluster, not system"),
            ("kind: system", "missing field `name`"),
            ("{kind: system, name: a/b}", "cannot be"),
            ("{kind: system, name: .hidden}", "cannot be"),
            ("{kind: system, name: a, build: {X: y}}", "no `type:`"),
            ("{kind: system, name: a, configuration-extensions: x}", "configuration-extensions"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with("s.morph: ") && error.contains(why), "{text:?}: {error}");
        }
    }
}
