//! The system's ssh, which makes the connection with the user's configuration, keys, agent, jump hosts and known hosts.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use system::error::{Error, Result};
use system::process::{Conversation, Process, Program};

use crate::destination::Destination;
use crate::words;

/// Whether ssh may ask the user for passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// It may ask.
    Allowed,
    /// It does not ask, and fails if it would have to.
    Refused,
}

/// What a connection needs of ssh, whatever its user has configured for sessions of his own. The target gets nothing of the user's: no agent,
/// no tickets, no display, no port.
const NEEDED: [&str; 12] = [
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    "ControlMaster=no",
    "ControlPath=none",
    "RequestTTY=no",
    "EscapeChar=none",
    "LogLevel=INFO",
    "PermitLocalCommand=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "Tunnel=no",
];

/// The same, by options that ssh has had only since 2017 (the first) and 2021 (the others).
const NEWER: [&str; 4] =
    ["RemoteCommand=none", "SessionType=default", "StdinNull=no", "ForkAfterAuthentication=no"];

/// The words with which ssh refuses an option that it does not have.
const UNKNOWN_OPTION: &str = "Bad configuration option: ";

/// The options of one run of ssh. Those that it does not have are left out, because nobody can have configured them either.
pub struct SshOptions(Vec<&'static str>);

impl Default for SshOptions {
    fn default() -> Self {
        SshOptions([&NEEDED[..], &NEWER].concat())
    }
}

impl SshOptions {
    /// The line in which ssh says that it does not have an option, on its command line or in its configuration.
    pub fn refusal(complaints: &[u8]) -> Option<String> {
        let text = String::from_utf8_lossy(complaints);
        text.lines().find(|line| line.contains(UNKNOWN_OPTION)).map(|line| line.trim().to_owned())
    }

    /// Leaves out the option that ssh does not have, as it said. Returns whether there was one.
    pub fn leave_out(&mut self, said: &str) -> bool {
        let Some((_, name)) = said.rsplit_once(UNKNOWN_OPTION) else { return false };
        let before = self.0.len();
        self.0.retain(|option| {
            !option.split('=').next().is_some_and(|known| known.eq_ignore_ascii_case(name.trim()))
        });
        self.0.len() < before
    }
}

/// The process of ssh, and its messages.
pub struct Ssh {
    process: Option<Process>,
    complaints: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

/// The end of ssh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It could not connect, or lost the connection. A command that ends with its exit code looks the same.
    Failed,
    /// It ended with the command on the target.
    WithCommand,
}

/// How long to wait for ssh's last message after it has closed its output.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The exit code of ssh for a failure of its own.
const SSH_FAILED: i32 = 255;
/// Most bytes of ssh's messages that are kept, from the end.
const MOST_COMPLAINTS: usize = 1 << 14;

impl Ssh {
    /// Starts ssh with a command for the target. Returns its standard input and output, too.
    pub fn start(
        destination: &Destination,
        options: &SshOptions,
        questions: Questions,
        command: &str,
    ) -> Result<(Self, File, File)> {
        let batch = if questions == Questions::Refused { "BatchMode=yes" } else { "BatchMode=no" };
        let options = options.0.iter().copied().chain([batch]).flat_map(|option| ["-o", option]);
        // `-k` withholds Kerberos tickets; it has no option that every ssh knows.
        let talk = Program::new("ssh")
            .package("openssh-client")
            .arg("-k")
            .args(options)
            .args(destination.arguments())
            .arg(command)
            .converse()?;
        let Conversation { process, stdin, stdout, stderr } = talk;
        Ok((Ssh::listen(process, stderr), stdin, stdout))
    }

    fn listen(process: Process, mut stderr: File) -> Self {
        let complaints: Arc<Mutex<Vec<u8>>> = Arc::default();
        let heard = complaints.clone();
        let listener = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.extend_from_slice(&buffer[..count]);
                let surplus = heard.len().saturating_sub(MOST_COMPLAINTS);
                heard.drain(..surplus);
            }
        });
        Ssh { process: Some(process), complaints, listener: Some(listener) }
    }

    /// Forgets the messages so far: they come from the login shell, and explain nothing that happens later.
    pub fn forget(&self) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits a moment for ssh's last message. ssh closes its output before it writes the reason. A program that ssh has left behind may
    /// keep the stream open for ever.
    pub fn hear_out(&self) {
        let begun = Instant::now();
        while self.listener.as_ref().is_some_and(|listener| !listener.is_finished())
            && begun.elapsed() < LAST_WORDS
        {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What ssh, or a program on the target, has written to standard error last.
    pub fn complaints(&self) -> Vec<u8> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last line of that, if any.
    pub fn said(&self) -> Option<String> {
        let complaints = self.complaints();
        let last = complaints.split(|&byte| byte == b'\n').rfind(|line| !line.trim_ascii().is_empty())?;
        words::last_lines([last])
    }

    /// Waits for the end of ssh after it has closed its output. Exit code 255 is ssh's own failure; any other comes from the target's
    /// shell.
    pub fn end(&mut self) -> Ended {
        let outcome = self.process.take().map_or(Ok(()), |process| process.wait(&[]));
        self.hear_out();
        match outcome {
            Err(Error::Program { status, .. }) if status.code() == Some(SSH_FAILED) => Ended::Failed,
            _ => Ended::WithCommand,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_option_that_is_not_known_is_left_out() {
        let mut options = SshOptions::default();
        for (said, left_out) in [
            ("command-line line 0: Bad configuration option: sessiontype\r\n", true),
            ("command-line: line 0: Bad configuration option: SessionType", false),
            ("/root/.ssh/config: line 3: Bad configuration option: usekeychain", false),
            ("Connection refused", false),
        ] {
            assert_eq!(options.leave_out(said), left_out, "{said}");
        }
        assert_eq!(options.0.len(), NEEDED.len() + NEWER.len() - 1);
    }
}
