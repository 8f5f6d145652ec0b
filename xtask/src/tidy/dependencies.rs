//! The licenses and sources of all dependencies, against `deny.toml`.

use anyhow::{Context, Result};
use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::root;

/// The file with what is allowed. It is that of `cargo deny`.
pub const ALLOWED: &str = "deny.toml";

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    /// `None` for those without one, which `license_file` of their manifest may replace.
    license: Option<String>,
    /// `None` for those of the workspace.
    source: Option<String>,
}

/// The dependencies that are not allowed, as sentences. `deny` is the text of [`ALLOWED`].
pub fn check(deny: &str) -> Result<Vec<String>> {
    let deny: Deny = toml::from_str(deny).with_context(|| format!("cannot read {ALLOWED}"))?;
    let listed = root::output(root::cargo("metadata").args(["--format-version", "1"]))?;
    let metadata: Metadata = serde_json::from_str(&listed).context("cannot read what cargo metadata says")?;
    Ok(metadata.packages.iter().filter_map(|package| fault(package, &deny.licenses.allow)).collect())
}

fn fault(package: &Package, allow: &[String]) -> Option<String> {
    let source = package.source.as_deref()?;
    if !source.starts_with("registry+") {
        return Some(format!("{}: it comes from {source}, and not from the registry", package.name));
    }
    let license = package.license.as_deref().unwrap_or("no license");
    let is_allowed = |license: &LicenseReq| {
        license.license.id().is_some_and(|id| allow.iter().any(|allowed| allowed == id.name))
    };
    let expression = Expression::parse_mode(license, ParseMode::LAX);
    let is_fine = expression.is_ok_and(|expression| expression.evaluate(is_allowed));
    (!is_fine).then(|| format!("{}: its license is {license}, which {ALLOWED} does not allow", package.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_named() {
        let allow = ["MIT".to_owned(), "ISC".to_owned()];
        let package = |license: Option<&str>, source: &str| Package {
            name: "x".to_owned(),
            license: license.map(str::to_owned),
            source: Some(source.to_owned()),
        };
        for (license, is_fine) in [
            (Some("MIT"), true),
            (Some("MIT/Apache-2.0"), true),
            (Some("GPL-2.0-only OR MIT"), true),
            (Some("GPL-2.0-only AND MIT"), false),
            (Some("(MIT OR Apache-2.0) AND ISC"), true),
            (Some("LGPL-3.0-or-later"), false),
            (Some("what I say"), false),
            (None, false),
        ] {
            let fault = fault(&package(license, "registry+it"), &allow);
            assert_eq!(fault.is_none(), is_fine, "{license:?}: {fault:?}");
        }
        assert!(fault(&package(Some("MIT"), "git+it"), &allow).is_some_and(|fault| fault.contains("git+it")));
        assert!(fault(&Package { name: "own".to_owned(), license: None, source: None }, &allow).is_none());
    }
}
