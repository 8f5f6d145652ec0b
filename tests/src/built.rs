//! Where the programs are that were built for the tests.

use std::path::{Path, PathBuf};

/// The path of a program; `cargo xtask test` builds them all.
pub fn path(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let built = target.join("fail-points/x86_64-unknown-linux-musl/debug");
    let folder = std::env::var_os("BASEROCK_PROGRAMS").map_or(built, PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is not built; run cargo xtask test", path.display());
    path
}
