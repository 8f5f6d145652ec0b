//! One connection to the target. The system's ssh makes it, with the user's configuration, keys, agent, jump hosts and known hosts.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use delta::frame::Frame;
use system::error::{Error, OrCannot, Result};
use system::process::{Conversation, Process, Program};
use system::signal;

use crate::bootstrap::{self, Agent, Word};
use crate::channel::{Heartbeats, Receiver, Sender};
use crate::lost::Lost;

/// Whether ssh may ask the user for passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// It may ask.
    Allowed,
    /// It does not ask, and fails if it would have to.
    Refused,
}

/// A connection to an agent that runs on the target.
pub struct Connection {
    sender: Sender,
    receiver: Receiver,
    _heartbeats: Heartbeats,
    ssh: Ssh,
}

/// The process of ssh, and its messages.
struct Ssh {
    process: Option<Process>,
    complaints: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

/// How long to wait for ssh's last message after it has closed its output.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The exit code of ssh for a failure of its own.
const SSH_FAILED: i32 = 255;
/// Most bytes of ssh's messages that are kept, from the end.
const MOST_COMPLAINTS: usize = 1 << 14;

impl Connection {
    /// Connects and starts the agent, which is sent first if the target does not have the agent of this build. Fails soon after `given_up`
    /// is set.
    pub fn open(
        destination: &str,
        agents: &[Agent],
        questions: Questions,
        given_up: &Arc<AtomicBool>,
    ) -> Result<Self> {
        match Self::attempt(destination, agents, questions, false, given_up)? {
            Some(connection) => Ok(connection),
            // The agent that the target has does not run. A crash may have damaged it, so it is sent again.
            None => Self::attempt(destination, agents, questions, true, given_up)?
                .ok_or_else(|| Error::refused(format!("the agent does not start on {destination}"))),
        }
    }

    /// `None` if the connection is made but the agent does not start.
    fn attempt(
        destination: &str,
        agents: &[Agent],
        questions: Questions,
        upload: bool,
        given_up: &Arc<AtomicBool>,
    ) -> Result<Option<Self>> {
        let token = bootstrap::token()?;
        let batch = if questions == Questions::Refused { "yes" } else { "no" };
        let talk = Program::new("ssh")
            .package("openssh-client")
            .args(["-T", "-o", &format!("BatchMode={batch}"), "-o", "ConnectTimeout=30"])
            .args(["-o", "ServerAliveInterval=15", "-o", "ControlMaster=no", "-o", "ControlPath=none"])
            .args(["--", destination, &bootstrap::command(agents, &token, upload)])
            .converse()?;
        let Conversation { process, mut stdin, stdout, stderr } = talk;
        let mut ssh = Ssh::listen(process, stderr);
        let mut receiver = Receiver::new(stdout, "the target", given_up.clone());
        let mut started = false;
        loop {
            match bootstrap::next_word(receiver.raw(), &token) {
                Ok(Word::Start) => started = true,
                Ok(Word::Ready) => break,
                Ok(Word::Send(architecture)) => {
                    let agent = agents.iter().find(|agent| agent.architecture == architecture);
                    let agent = agent.ok_or_else(|| unsupported(&architecture, agents))?;
                    tracing::debug!("sending the agent for {architecture}: {} bytes", agent.program.len());
                    if let Err(error) = stdin.write_all(&agent.program) {
                        drop(stdin);
                        ssh.end(destination)?;
                        return Err(error).or_cannot("write to", destination);
                    }
                }
                Ok(Word::Unknown(architecture)) => return Err(unsupported(&architecture, agents)),
                Ok(Word::NoPlace) => {
                    return Err(Error::refused(format!(
                        "{destination} has no folder from which root can run programs (tried below /root and /)"
                    )));
                }
                Err(_) => {
                    signal::check()?;
                    if given_up.load(Ordering::Relaxed) {
                        return Err(Error::refused("connecting was given up"));
                    }
                    drop(stdin);
                    return match ssh.end(destination) {
                        // ssh exits with 255 if it fails itself, and also if a signal ended the agent.
                        Err(_) if started => Ok(None),
                        outcome => outcome.map(|()| None),
                    };
                }
            }
        }
        ssh.forget();
        let sender = Sender::new(stdin, "the target");
        Ok(Some(Connection { _heartbeats: sender.send_heartbeats(), sender, receiver, ssh }))
    }

    /// The end that sends frames.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The next frame. If the connection has ended, the error contains ssh's last message.
    pub fn receive(&mut self) -> Result<Frame> {
        self.receiver.receive().map_err(|error| {
            self.ssh.hear_out();
            match error.kind::<Lost>() {
                Some(lost) => Lost { reason: self.ssh.said(), ..lost.clone() }.into(),
                None => error,
            }
        })
    }

    /// Bytes sent and received so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.sender.sent(), self.receiver.received())
    }
}

fn unsupported(architecture: &str, agents: &[Agent]) -> Error {
    let there: Vec<&str> = agents.iter().map(|agent| agent.architecture.as_str()).collect();
    Error::refused(format!(
        "the target's architecture is {architecture}, but there are agents for {} only",
        there.join(", ")
    ))
}

impl Ssh {
    fn listen(process: Process, mut stderr: std::fs::File) -> Self {
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
    fn forget(&self) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits a moment for ssh's last message. ssh closes its output before it writes the reason.
    fn hear_out(&self) {
        let begun = Instant::now();
        while self.listener.as_ref().is_some_and(|listener| !listener.is_finished())
            && begun.elapsed() < LAST_WORDS
        {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last line that ssh has written, if any.
    fn said(&self) -> Option<String> {
        let heard = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&heard).into_owned();
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    /// Waits for the end of ssh after it has closed its output. Exit code 255 is ssh's own failure; any other comes from the target's
    /// shell.
    fn end(&mut self, destination: &str) -> Result<()> {
        let outcome = self.process.take().map_or(Ok(()), |process| process.wait(&[]));
        if let Some(Err(_)) = self.listener.take().map(JoinHandle::join) {
            tracing::error!("the thread that listens to ssh has failed");
        }
        match outcome {
            Err(Error::Program { status, .. }) if status.code() == Some(SSH_FAILED) => {
                let reason = self.said().unwrap_or_else(|| "ssh gave no reason".to_owned());
                Err(Error::refused(format!("cannot connect to {destination}: {reason}")))
            }
            _ => Ok(()),
        }
    }
}
