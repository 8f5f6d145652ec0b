//! The program that runs on the machine that is upgraded. The sender starts it over ssh, and it talks to the sender only.

use std::process::ExitCode;

fn main() -> ExitCode {
    let token = std::env::args().nth(1).unwrap_or_default();
    ExitCode::from(ssh_rsync::agent::main(&token))
}
