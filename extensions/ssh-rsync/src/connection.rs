//! One connection to the target, by the system's ssh: the user's configuration, keys, agent, jump hosts and known hosts count.

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
use crate::channel::{Heart, Receiver, Sender};

/// Whether ssh may ask the user for passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Questions {
    /// As it likes.
    Allowed,
    /// Never: where it would have to, it fails.
    Refused,
}

/// An agent that runs on the target, and talks.
pub struct Connection {
    sender: Sender,
    receiver: Receiver,
    _heart: Heart,
    ssh: Ssh,
}

/// The program that connects, and what it complains of.
struct Ssh {
    process: Option<Process>,
    complaints: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

/// How long ssh, which has closed its output, may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Last bytes of ssh's complaints that are kept.
const MOST_COMPLAINTS: usize = 1 << 14;

impl Connection {
    /// Connects, and starts the agent; where the target does not have this build's, it is sent first. Fails soon after it is given up.
    pub fn open(
        destination: &str,
        agents: &[Agent],
        questions: Questions,
        given_up: &Arc<AtomicBool>,
    ) -> Result<Self> {
        match Self::attempt(destination, agents, questions, false, given_up)? {
            Some(connection) => Ok(connection),
            // The agent there does not run: damaged by a crash, perhaps.
            None => Self::attempt(destination, agents, questions, true, given_up)?
                .ok_or_else(|| Error::refused(format!("the agent does not start on {destination}"))),
        }
    }

    /// `None` where the connection stands and the agent does not start.
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
                        // ssh tells the end of an agent by a signal as it tells its own failures.
                        Err(Error::Refused(_)) if started => Ok(None),
                        outcome => outcome.map(|()| None),
                    };
                }
            }
        }
        ssh.forget();
        let sender = Sender::new(stdin, "the target");
        Ok(Some(Connection { _heart: sender.beat(), sender, receiver, ssh }))
    }

    /// The end that frames go into.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The next frame. Where the connection has ended, ssh's own words are in the error.
    pub fn receive(&mut self) -> Result<Frame> {
        self.receiver.receive().map_err(|error| {
            self.ssh.hear_out();
            let Error::Refused(text) = error else { return error };
            let reason = self.ssh.said().map(|said| format!(": {said}")).unwrap_or_default();
            Error::Refused(format!("{text}{reason}"))
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
        "the target's architecture is {architecture}, and there are agents for {} only",
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

    /// What was said so far is the login shell's, and no reason for what happens later.
    fn forget(&self) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Gives ssh, which says why it ends after it has closed its output, a moment to say so.
    fn hear_out(&self) {
        let begun = Instant::now();
        while self.listener.as_ref().is_some_and(|listener| !listener.is_finished())
            && begun.elapsed() < LAST_WORDS
        {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last line that ssh has written, where it has.
    fn said(&self) -> Option<String> {
        let heard = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&heard).into_owned();
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }

    /// Waits for ssh, which has closed its output; 255 is ssh's own failure, everything else that of the far shell.
    fn end(&mut self, destination: &str) -> Result<()> {
        let outcome = self.process.take().map_or(Ok(()), |process| process.wait(&[]));
        if let Some(Err(_)) = self.listener.take().map(JoinHandle::join) {
            tracing::error!("the thread that listens to ssh has failed");
        }
        match outcome {
            Err(Error::Program { status, .. }) if status.ends_with(" 255") => {
                let reason = self.said().unwrap_or_else(|| "ssh says nothing".to_owned());
                Err(Error::refused(format!("cannot connect to {destination}: {reason}")))
            }
            _ => Ok(()),
        }
    }
}
