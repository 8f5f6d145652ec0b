//! Builds the programs as static programs, which is how they are installed.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{packages, root};

/// The purpose for which programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be installed.
    Use,
    /// For tests, which can make every step on the disk fail: built fast.
    Tests,
}

impl Purpose {
    fn profile(self) -> &'static str {
        if self == Purpose::Use { "dist" } else { "dev" }
    }

    /// The folder of the built programs. Programs with fail points have a folder of their own, so that no user gets them.
    fn folder(self) -> PathBuf {
        let target = root::target();
        if self == Purpose::Tests { target.join("fail-points") } else { target }
    }

    fn arguments(self) -> Vec<&'static str> {
        let mut arguments = vec!["--quiet", "--profile", self.profile()];
        if self == Purpose::Tests {
            arguments.extend(["--features", FAIL_POINTS]);
        }
        arguments
    }
}

/// The feature that makes steps fail.
const FAIL_POINTS: &str = "baserock-system/fail-points";

/// A kind of processor that programs are built for.
pub struct Architecture {
    /// Its name, as `uname -m` prints it.
    pub name: &'static str,
    /// Debian's name of it.
    pub debian: &'static str,
    /// Rust's name of the target for static programs.
    target: &'static str,
    /// The compiler for their C code, and the linker, on another kind of processor.
    cross_compiler: &'static str,
    /// The Debian packages of that compiler.
    cross_packages: &'static [&'static str],
}

static ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "x86_64",
        debian: "amd64",
        target: "x86_64-unknown-linux-musl",
        cross_compiler: "x86_64-linux-gnu-gcc",
        cross_packages: &["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"],
    },
    Architecture {
        name: "aarch64",
        debian: "arm64",
        target: "aarch64-unknown-linux-musl",
        cross_compiler: "aarch64-linux-gnu-gcc",
        cross_packages: &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"],
    },
];

impl Architecture {
    /// All that programs can be built for.
    pub fn all() -> &'static [Self] {
        &ARCHITECTURES
    }

    /// The architecture of this name.
    pub fn named(name: &str) -> Result<&'static Self> {
        let names = || ARCHITECTURES.each_ref().map(|architecture| architecture.name).join(" or ");
        let found = ARCHITECTURES.iter().find(|architecture| architecture.name == name);
        found.with_context(|| format!("no programs can be built for {name}; only for {}", names()))
    }

    /// The architecture of this machine.
    pub fn own() -> Result<&'static Self> {
        Self::named(std::env::consts::ARCH)
    }

    /// Builds all programs, and returns their folder.
    pub fn programs(&self, purpose: Purpose) -> Result<PathBuf> {
        self.build(purpose, &["--workspace", "--exclude", "xtask", "--bins"])
    }

    /// Builds one program.
    pub fn program(&self, purpose: Purpose, name: &str) -> Result<PathBuf> {
        Ok(self.build(purpose, &["--bin", name])?.join(name))
    }

    fn build(&self, purpose: Purpose, what: &[&str]) -> Result<PathBuf> {
        target_for(self.target)?;
        let mut build = root::cargo("build");
        build.args(purpose.arguments()).args(what).args(["--target", self.target]);
        build.arg("--target-dir").arg(purpose.folder());
        if purpose == Purpose::Tests {
            // What only debuggers read is most of their size, and the machines of tests are slow.
            build.env("CARGO_PROFILE_DEV_STRIP", "true");
        }
        let variable = self.target.replace('-', "_");
        if self.name == std::env::consts::ARCH {
            build.env(format!("CC_{variable}"), "musl-gcc");
        } else {
            packages::ensure(&[self.cross_packages])?;
            build.env(format!("CC_{variable}"), self.cross_compiler);
            build.env(format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()), self.cross_compiler);
        }
        root::run(&mut build)?;
        let profile = purpose.profile();
        Ok(purpose.folder().join(self.target).join(if profile == "dev" { "debug" } else { profile }))
    }
}

/// Builds all programs for this machine, and returns their folder.
pub fn programs(purpose: Purpose) -> Result<PathBuf> {
    Architecture::own()?.programs(purpose)
}

/// Adds the standard library of the target to the toolchain, if it is missing.
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
    /// The name of its file when it is built.
    pub name: String,
    /// Whether it belongs to an extension.
    pub is_extension: bool,
}

/// All programs that are installed: those of `bins/` and `extensions/`.
pub fn names() -> Result<Vec<Program>> {
    let installed =
        packages()?.into_iter().filter(|package| package.is_in("bins") || package.is_in("extensions"));
    Ok(installed.flat_map(Package::programs).collect())
}

/// Every suite of tests that is a program of its own.
pub fn suites() -> Result<Vec<Target>> {
    let targets = packages()?.into_iter().flat_map(|package| package.targets);
    Ok(targets.filter(Target::is_suite).collect())
}

/// A built program of tests.
pub struct TestProgram {
    /// What it was built from.
    pub target: Target,
    /// Where it is.
    pub path: PathBuf,
    /// The folder of its package, where it runs.
    pub folder: PathBuf,
}

/// Builds all programs of tests.
pub fn tests() -> Result<Vec<TestProgram>> {
    let mut test = root::cargo("test");
    test.args(["--workspace", "--no-run", "--message-format", "json-render-diagnostics"]);
    let output = root::output(test.stderr(Stdio::inherit()))?;
    let messages = output.lines().map(serde_json::from_str::<Message>);
    let programs = messages.filter_map(|message| message.map(Message::program).transpose());
    Ok(programs.collect::<Result<_, _>>()?)
}

/// What cargo says while it builds. Other messages than those on what it has built have nothing of this.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Message {
    /// The program of tests, if the message is about one.
    fn program(self) -> Option<TestProgram> {
        let is_test = self.profile.is_some_and(|profile| profile.test);
        let (target, path) = self.target.zip(self.executable).filter(|_| is_test)?;
        let folder = self.manifest_path?.parent()?.to_owned();
        Some(TestProgram { target, path, folder })
    }
}

/// Every library and program of the workspace.
pub fn crates() -> Result<Vec<Target>> {
    let targets = packages()?.into_iter().flat_map(|package| package.targets);
    Ok(targets.filter(|target| target.is_library() || target.is("bin")).collect())
}

fn packages() -> Result<Vec<Package>> {
    let metadata = root::output(root::cargo("metadata").args(["--no-deps", "--format-version", "1"]))?;
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

/// A target of cargo: it is built from one file.
#[derive(Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The file.
    pub src_path: PathBuf,
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
    /// Whether it is a library.
    pub fn is_library(&self) -> bool {
        self.is("lib")
    }

    /// Whether it is a suite of tests.
    pub fn is_suite(&self) -> bool {
        self.is("test")
    }

    fn is(&self, wanted: &str) -> bool {
        self.kind.iter().any(|kind| kind == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_for_tests_have_fail_points() {
        for purpose in [Purpose::Use, Purpose::Tests] {
            let has = purpose.arguments().contains(&FAIL_POINTS);
            assert_eq!(has, purpose == Purpose::Tests, "{purpose:?}");
        }
    }
}
