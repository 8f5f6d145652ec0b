//! Puts the files of a folder into /etc.

use std::process::ExitCode;

fn main() -> ExitCode {
    baserock_terminal::extension(["TREE"], |[tree], environment, _| {
        configure::config_files::configure(&tree, environment)
    })
}
