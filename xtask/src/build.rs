//! Building the programs as they are installed: static.

use std::path::PathBuf;

use anyhow::Result;
use serde::Deserialize;

use crate::root;

/// The target of static programs on this machine.
pub const TARGET: &str = "x86_64-unknown-linux-musl";

/// What programs are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be installed.
    Use,
    /// To be installed by a test: built fast, otherwise the same.
    Debug,
    /// To be run by the tests: every step on the disk can be made to fail.
    Tests,
}

impl Purpose {
    fn profile(self) -> &'static str {
        if self == Purpose::Use { "dist" } else { "dev" }
    }

    /// The folder of what is built. That with fail points has one of its own, so that it is never taken for what is installed.
    fn folder(self) -> PathBuf {
        let target = root::target();
        if self == Purpose::Tests { target.join("fail-points") } else { target }
    }

    fn arguments(self) -> Vec<&'static str> {
        let mut arguments = vec!["build", "--quiet", "--workspace", "--exclude", "xtask", "--bins"];
        arguments.extend(["--target", TARGET, "--profile", self.profile()]);
        if self == Purpose::Tests {
            arguments.extend(["--features", FAIL_POINTS]);
        }
        arguments
    }
}

/// The feature that makes steps fail.
const FAIL_POINTS: &str = "baserock/fail-points";

/// Builds every program, static, and returns the folder in which they are.
pub fn programs(purpose: Purpose) -> Result<PathBuf> {
    target_for(TARGET)?;
    let mut build = root::cargo();
    build.args(purpose.arguments()).arg("--target-dir").arg(purpose.folder());
    root::run(build.env("CC_x86_64_unknown_linux_musl", "musl-gcc"))?;
    let profile = purpose.profile();
    Ok(purpose.folder().join(TARGET).join(if profile == "dev" { "debug" } else { profile }))
}

/// Adds the standard library of the target to the toolchain, where it is missing.
fn target_for(target: &str) -> Result<()> {
    let installed = root::output(root::command("rustup").args(["target", "list", "--installed"]))?;
    if installed.lines().any(|line| line == target) {
        return Ok(());
    }
    println!("adding the Rust target {target}");
    root::run(root::command("rustup").args(["target", "add", target]))
}

/// A program of the workspace.
pub struct Program {
    /// The name of its file as it is built.
    pub name: String,
    /// Whether it belongs to an extension.
    pub is_extension: bool,
}

/// Every program that is installed.
pub fn names() -> Result<Vec<Program>> {
    let installed = packages()?.into_iter().filter(|package| package.name != "xtask");
    Ok(installed.flat_map(Package::programs).collect())
}

/// Every suite of tests that is a program of its own.
pub fn suites() -> Result<Vec<String>> {
    let targets = packages()?.into_iter().flat_map(|package| package.targets);
    Ok(targets.filter(|target| target.is("test")).map(|target| target.name).collect())
}

fn packages() -> Result<Vec<Package>> {
    let metadata = root::output(root::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    Ok(serde_json::from_str::<Metadata>(&metadata)?.packages)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    fn programs(self) -> Vec<Program> {
        let is_extension = self.manifest_path.starts_with(root::path().join("extensions"));
        let programs = self.targets.into_iter().filter(|target| target.is("bin"));
        programs.map(|target| Program { name: target.name, is_extension }).collect()
    }
}

impl Target {
    fn is(&self, wanted: &str) -> bool {
        self.kind.iter().any(|kind| kind == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tests_run_has_fail_points() {
        for purpose in [Purpose::Use, Purpose::Debug, Purpose::Tests] {
            let has = purpose.arguments().contains(&FAIL_POINTS);
            assert_eq!(has, purpose == Purpose::Tests, "{purpose:?}");
        }
    }
}
