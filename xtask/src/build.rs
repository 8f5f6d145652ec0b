//! Building the programs as they are installed: static.

use std::path::PathBuf;

use anyhow::Result;
use serde::Deserialize;

use crate::root;

/// The target of static programs on this machine.
pub const TARGET: &str = "x86_64-unknown-linux-musl";

/// Builds every program, static, and returns the folder in which they are. `profile` is `dev` or `dist`.
pub fn programs(profile: &str) -> Result<PathBuf> {
    target_for(TARGET)?;
    let mut build = root::cargo();
    build.args([
        "build",
        "--quiet",
        "--workspace",
        "--exclude",
        "xtask",
        "--bins",
        "--target",
        TARGET,
        "--profile",
        profile,
    ]);
    root::run(build.env("CC_x86_64_unknown_linux_musl", "musl-gcc"))?;
    Ok(root::target().join(TARGET).join(if profile == "dev" { "debug" } else { profile }))
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

/// Every program that is installed: those of `bins/` and `extensions/`.
pub fn names() -> Result<Vec<Program>> {
    let installed =
        packages()?.into_iter().filter(|package| package.is_in("bins") || package.is_in("extensions"));
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
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    fn is_in(&self, folder: &str) -> bool {
        self.manifest_path.starts_with(root::path().join(folder))
    }

    fn programs(self) -> Vec<Program> {
        let is_extension = self.is_in("extensions");
        let programs = self.targets.into_iter().filter(|target| target.is("bin"));
        programs.map(|target| Program { name: target.name, is_extension }).collect()
    }
}

impl Target {
    fn is(&self, wanted: &str) -> bool {
        self.kind.iter().any(|kind| kind == wanted)
    }
}
