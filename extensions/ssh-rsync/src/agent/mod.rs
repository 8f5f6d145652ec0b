//! The target's side. It receives the missing contents, makes the version, and trusts nothing that it receives.

mod confirm;
mod fill;
mod manifest;
mod receive;
mod recipes;
mod session;
mod status;
mod target;

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use baserock_terminal::remedy::line;
use nix::sys::stat::Mode;
use nix::unistd::dup;
use system::error::{Error, OrCannot, Result};
use system::observer::{Event, Observer};

use crate::bootstrap;
use crate::channel::{Receiver, Sender};
use crate::protocol::kind;
use crate::remedies;

/// Runs the agent on standard input and output; returns the exit code.
pub fn main(token: &str) -> u8 {
    match streams(token) {
        Ok((sender, receiver)) => serve(&sender, receiver),
        Err(error) => {
            // There is no other way yet to report the error.
            let _gone = writeln!(io::stderr(), "{}", line(&error, remedies));
            1
        }
    }
}

fn streams(token: &str) -> Result<(Sender, Receiver)> {
    if token.is_empty() {
        return Err(Error::refused(
            "this program is started by ssh-rsync.write on another machine; run that instead",
        ));
    }
    system::signal::catch()?;
    // The shell has set a umask that keeps the file of the agent private. The files that the agent makes need the usual one.
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    let stdin = dup(io::stdin()).or_cannot("open", "standard input")?;
    let stdout = dup(io::stdout()).or_cannot("open", "standard output")?;
    let mut stdout = File::from(stdout);
    stdout.write_all(bootstrap::ready(token).as_bytes()).or_cannot("write to", "the sender")?;
    Ok((Sender::new(stdout, "the sender"), Receiver::new(File::from(stdin), "the sender", Arc::default())))
}

fn serve(sender: &Sender, receiver: Receiver) -> u8 {
    let _heartbeats = sender.send_heartbeats();
    let Err(error) = session::run(sender, receiver) else { return 0 };
    let line = line(&error, remedies);
    tracing::error!("{line}");
    // If the sender has gone, nobody is left to be told.
    let _gone = sender.send(kind::FAILED, line.as_bytes());
    error.exit_code()
}

/// Sends the events of operations to the sender's user.
struct Forward(Sender);

impl Observer for Forward {
    fn event(&self, event: Event) {
        // If the sender has gone, the next attempt to receive from it fails.
        let _gone = self.0.send_json(kind::EVENT, &event);
    }
}
