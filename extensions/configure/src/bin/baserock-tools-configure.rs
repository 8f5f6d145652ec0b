//! `baserock-tools.configure TEMP_ROOT`.

use std::process::ExitCode;

use baserock_terminal::remedy;

fn main() -> ExitCode {
    baserock_terminal::extension(["TEMP_ROOT"], remedy::none, |[tree], environment, show| {
        configure::tools::configure(tree.as_ref(), environment, show)
    })
}
