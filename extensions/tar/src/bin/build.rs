//! `tar.build OUTPUT`.

use std::process::ExitCode;

use baserock_terminal::remedy;

fn main() -> ExitCode {
    baserock_terminal::extension(["OUTPUT"], remedy::none, |[output], environment, show| {
        tar_extension::build::build(output.as_ref(), environment, show)
    })
}
