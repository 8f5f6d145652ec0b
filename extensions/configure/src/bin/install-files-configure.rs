//! Installs files as manifests say.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TREE"], |[tree], environment, _| {
        configure::install_files::configure(&tree, environment)
    })
}
