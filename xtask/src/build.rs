//! Building the programs as they are installed: static.

use std::path::PathBuf;

use anyhow::Result;

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
