//! Installs files as manifests say.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["TREE"], |[tree], environment| {
        configure::install_files::configure(&tree, environment)
    })
}
