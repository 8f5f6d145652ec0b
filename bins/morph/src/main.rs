//! `morph`: builds systems, and deploys them as cluster files say.

use std::process::ExitCode;

fn main() -> ExitCode {
    morph::main()
}
