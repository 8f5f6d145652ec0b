//! The program that runs on the machine that is upgraded. The sender starts it over ssh, and it talks to the sender only.

use std::path::PathBuf;
use std::process::ExitCode;

use baserock_terminal::remedy;

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let usage = "usage: baserock-agent TOKEN (ssh-rsync.write starts it over ssh)";
    if let Some(code) = baserock_terminal::answered(&arguments, usage, remedy::none) {
        return code;
    }
    let token = arguments.first().map(|token| token.to_string_lossy().into_owned()).unwrap_or_default();
    ExitCode::from(ssh_rsync::agent::main(&token))
}
