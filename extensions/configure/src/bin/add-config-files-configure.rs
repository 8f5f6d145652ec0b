//! Puts the files of a folder into /etc.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_extension::main(["TREE"], |[tree], environment| {
        configure::config_files::configure(&tree, environment)
    })
}
