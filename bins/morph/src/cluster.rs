//! Cluster files: they list systems and their deployments.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use system::{Error, Result};

use crate::document;
use crate::parameters::Parameters;

/// A cluster file: its systems, in the order of the file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cluster {
    /// The systems to deploy.
    #[serde(default)]
    pub systems: Vec<System>,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    #[serde(rename = "name", default)]
    _name: IgnoredAny,
    #[serde(rename = "description", default)]
    _description: IgnoredAny,
}

/// A system, and the deployments that are made of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct System {
    /// The system's definition, relative to the repository; `.morph` may be left out.
    pub morph: PathBuf,
    /// The deployments, in the order of the file.
    #[serde(default)]
    pub deploy: Deployments,
    /// Parameters of all these deployments.
    #[serde(default)]
    pub deploy_defaults: Parameters,
    /// Systems that are deployed into this one's tree first.
    #[serde(default)]
    pub subsystems: Vec<System>,
    #[serde(rename = "repo", default)]
    _repo: IgnoredAny,
    #[serde(rename = "ref", default)]
    _ref: IgnoredAny,
}

/// Deployments by name, in the order of the file.
#[derive(Debug, Default)]
pub struct Deployments(pub Vec<(String, Parameters)>);

impl Cluster {
    /// Parses the text of the cluster file. `path` is used in messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Cluster> {
        let cluster: Cluster = document::parse(path, text, "cluster")?;
        if cluster.systems.is_empty() {
            return Err(Error::malformed(path, "the cluster has no systems; list them under `systems:`"));
        }
        let mut names = BTreeSet::new();
        for name in cluster.systems.iter().flat_map(System::names) {
            if !names.insert(name) {
                return Err(Error::malformed(path, format!("two deployments are named {name}; rename one")));
            }
        }
        Ok(cluster)
    }
}

impl System {
    /// The names of the deployments of this system and its subsystems.
    pub fn names(&self) -> Vec<&str> {
        let own = self.deploy.0.iter().map(|(name, _)| name.as_str());
        own.chain(self.subsystems.iter().flat_map(System::names)).collect()
    }

    /// The definitions of this system and its subsystems, as written in the file.
    pub fn definitions(&self) -> Vec<&Path> {
        let below = self.subsystems.iter().flat_map(System::definitions);
        std::iter::once(self.morph.as_path()).chain(below).collect()
    }
}

impl<'de> Deserialize<'de> for Deployments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DeploymentsVisitor)
    }
}

struct DeploymentsVisitor;

impl<'de> Visitor<'de> for DeploymentsVisitor {
    type Value = Deployments;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names of deployments to their parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Deployments, A::Error> {
        let mut all: Vec<(String, Parameters)> = Vec::new();
        while let Some((name, parameters)) = map.next_entry::<String, Parameters>()? {
            if name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
                return Err(A::Error::custom(format!("{name:?} cannot be the name of a deployment")));
            }
            if all.iter().any(|(other, _)| *other == name) {
                return Err(A::Error::custom(format!("two deployments are named {name}; rename one")));
            }
            all.push((name, parameters));
        }
        Ok(Deployments(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
name: release
kind: cluster
description: |
  All of it
systems:
- morph: systems/board.morph
  deploy-defaults: {DTB_PATH: boot/board.dtb}
  deploy:
    zebra: {type: extensions/rawdisk, location: board.img}
    ant:
      type: extensions/rawdisk
      location: other.img
  subsystems:
  - morph: systems/initramfs
    deploy:
      initramfs: {type: extensions/initramfs, location: boot/initramfs.gz}
";

    fn refusal(text: &str) -> String {
        let error = Cluster::parse(Path::new("c.morph"), text).unwrap_err().to_string();
        assert!(error.starts_with("c.morph: ") && !error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn systems_and_deployments_keep_their_order() {
        let cluster = Cluster::parse(Path::new("c.morph"), GOOD).unwrap();
        assert_eq!(cluster.systems[0].names(), ["zebra", "ant", "initramfs"]);
        assert_eq!(cluster.systems[0].deploy_defaults.get("DTB_PATH"), Some("boot/board.dtb"));
        let definitions = cluster.systems[0].definitions();
        assert_eq!(definitions, [Path::new("systems/board.morph"), Path::new("systems/initramfs")]);
    }

    #[test]
    fn lists_and_maps_are_passed_as_text() {
        let text = GOOD.replace(
            "location: board.img",
            "location: board.img, V: 1.10, E: , L: [{ip: 10.0.0.1, n: 1}, yes]",
        );
        let cluster = Cluster::parse(Path::new("c.morph"), &text).unwrap();
        let parameters = &cluster.systems[0].deploy.0[0].1;
        assert_eq!(parameters.get("V"), Some("1.10"));
        assert_eq!(parameters.get("E"), Some(""));
        assert_eq!(parameters.get("L"), Some(r#"[{"ip": "10.0.0.1", "n": 1}, "yes"]"#));
        let two = text.replace("deploy:\n    zebra", "deploys:\n    zebra");
        assert!(refusal(&two).contains("deploys"), "{}", refusal(&two));
    }

    #[test]
    fn errors_tell_the_fault_of_a_file() {
        for (text, why) in [
            ("{", "not YAML"),
            ("", "empty"),
            ("[1]", "map"),
            ("just words", "map"),
            ("# a comment", "kind"),
            ("systems: []", "no `kind:`"),
            ("kind: system", "kind is system, not cluster"),
            ("kind: cluster", "no systems"),
            ("kind: cluster\nsystems: []", "no systems"),
            ("kind: cluster\nsystems: {a: 1}", "systems"),
            ("kind: cluster\nsystems: [{deploy: {}}]", "missing field `morph`"),
            ("kind: cluster\nsystems: [{morph: a, deploys: {}}]", "unknown field `deploys`"),
            ("kind: cluster\nsystems: [{morph: a, deploy: {x: {K: 1, K: 2}}}]", "K is defined twice"),
            ("kind: cluster\nsystems: [{morph: a, deploy: {x: {}, x: {}}}]", "two deployments are named x"),
            ("kind: cluster\nsystems: [{morph: a, deploy: {x y: {}}}]", "cannot be the name"),
        ] {
            let error = refusal(text);
            assert!(error.contains(why), "{text:?}: {error}");
        }
        let twice = GOOD.replace("initramfs: {type", "ant: {type");
        assert!(refusal(&twice).contains("two deployments are named ant"));
    }
}
