//! The cargo that builds the project.

use std::path::Path;
use std::process::Command;

/// How the names of variables begin that cargo sets for what it runs. Build scripts read them, so another value has them run again, and all
/// that depends on them is built once more.
const OF_A_PACKAGE: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// The cargo that runs this program, or that of `PATH`, in the project's folder. It builds what it would build for a user.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for (name, _) in std::env::vars_os() {
        if OF_A_PACKAGE.iter().any(|beginning| name.to_string_lossy().starts_with(beginning)) {
            cargo.env_remove(name);
        }
    }
    cargo
}
