//! The folder of the project, and commands that run in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The workspace's folder.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The folder for everything that is built.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| path().join("target"), PathBuf::from)
}

/// The files in the folders of a folder of the project, in the order of their names.
pub fn files_below(name: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in list(&path().join(name))?.iter().filter(|path| path.is_dir()) {
        files.extend(list(folder)?.into_iter().filter(|path| path.is_file()));
    }
    Ok(files)
}

/// What is in a folder, in the order of the names.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths: Vec<PathBuf> =
        entries.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// A command in the project's folder.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(path());
    command
}

/// Runs a command and shows its output. A failure is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    let arguments: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
    ensure!(status.success(), "{name} {} failed ({status})", arguments.join(" "));
    Ok(())
}

/// Runs a command and returns its output.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed something that is not text"))
}

/// A command of the same cargo that runs this program. The dependencies are those that are locked.
pub fn cargo(subcommand: &str) -> Command {
    let mut cargo = baserock_tests::cargo::cargo();
    cargo.args([subcommand, "--locked"]);
    cargo
}
