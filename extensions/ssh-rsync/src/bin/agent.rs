//! What runs on the machine that is upgraded. Started by the other side over ssh, and talks with that alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    let token = std::env::args().nth(1).unwrap_or_default();
    ExitCode::from(ssh_rsync::agent::main(&token))
}
