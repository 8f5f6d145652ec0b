//! One connection to the target.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use delta::frame::Frame;
use system::error::{Error, OrCannot, Result};
use system::signal;

use crate::bootstrap::{self, Agent, Listening, Word};
use crate::channel::{Heartbeats, Receiver, Sender};
use crate::destination::Destination;
use crate::lost::Lost;
use crate::protocol::IDLE;
use crate::ssh::{Ended, Questions, Ssh, SshOptions};
use crate::words;

/// A connection to an agent that runs on the target.
pub struct Connection {
    sender: Sender,
    receiver: Receiver,
    _heartbeats: Heartbeats,
    ssh: Ssh,
}

/// The outcome of one attempt to start the agent.
enum Attempt {
    /// The agent runs.
    Made(Box<Connection>),
    /// The target ran the command, and the agent did not start. The words are the target's.
    NoAgent(Option<String>),
    /// ssh has refused an option of its command line, in these words.
    RefusedOption(String),
}

/// Makes attempts to connect.
struct Attempts<'a> {
    destination: &'a Destination,
    agents: &'a [Agent],
    questions: Questions,
    given_up: &'a Arc<AtomicBool>,
}

impl Connection {
    /// Connects and starts the agent, which is sent first if the target does not have the agent of this build. Fails soon after `given_up`
    /// is set.
    pub fn open(
        destination: &Destination,
        agents: &[Agent],
        questions: Questions,
        given_up: &Arc<AtomicBool>,
    ) -> Result<Self> {
        let attempts = Attempts { destination, agents, questions, given_up };
        let (mut options, mut upload) = (SshOptions::default(), false);
        loop {
            match attempts.one(&options, upload)? {
                Attempt::Made(connection) => return Ok(*connection),
                Attempt::RefusedOption(said) if options.leave_out(&said) => {}
                Attempt::RefusedOption(said) => return Err(attempts.no_connection(Some(said))),
                // The agent that the target has does not run. A crash may have damaged it, so it is sent again.
                Attempt::NoAgent(_) if !upload => upload = true,
                Attempt::NoAgent(words) => {
                    return Err(Error::refused(match words {
                        Some(words) => format!("the agent does not start on {destination}: {words}"),
                        None => format!("the agent does not start on {destination}"),
                    }));
                }
            }
        }
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

impl Attempts<'_> {
    fn one(&self, options: &SshOptions, upload: bool) -> Result<Attempt> {
        let token = bootstrap::token()?;
        let command = bootstrap::command(self.agents, &token, upload);
        let (mut ssh, mut stdin, stdout) = Ssh::start(self.destination, options, self.questions, &command)?;
        let mut receiver = Receiver::new(stdout, "the target", self.given_up.clone());
        receiver.expect_words();
        let mut listening = Listening::new(&token);
        loop {
            match listening.next_word(receiver.raw()) {
                Ok(Word::Start) => receiver.expect_frames(),
                Ok(Word::Ready) => break,
                Ok(Word::Send(architecture)) => {
                    receiver.expect_frames();
                    let agent = self.agents.iter().find(|agent| agent.architecture == architecture);
                    let agent = agent.ok_or_else(|| self.unsupported(&architecture))?;
                    tracing::debug!("sending the agent for {architecture}: {} bytes", agent.program.len());
                    if let Err(error) = stdin.write_all(&agent.program) {
                        drop(stdin);
                        return match ssh.end() {
                            Ended::Failed => Err(self.no_connection(ssh.said())),
                            Ended::WithCommand => {
                                Err(error).or_cannot("write to", self.destination.to_string())
                            }
                        };
                    }
                }
                Ok(Word::Unknown(architecture)) => return Err(self.unsupported(&architecture)),
                Ok(Word::User(name)) => {
                    return Err(Error::refused(format!(
                        "only root can add versions, and {} lets in the user {name}; log in there as root",
                        self.destination
                    )));
                }
                Ok(Word::NoPlace) => {
                    return Err(Error::refused(format!(
                        "{} has no folder from which root can run programs (tried below /root and /)",
                        self.destination
                    )));
                }
                Err(error) => {
                    signal::check()?;
                    if self.given_up.load(Ordering::Relaxed) {
                        return Err(Error::refused("connecting was given up"));
                    }
                    drop(stdin);
                    return self.ended(&error, &mut ssh, &listening);
                }
            }
        }
        ssh.forget();
        receiver.limit_idleness(IDLE);
        let sender = Sender::new(stdin, "the target");
        let connection = Connection { _heartbeats: sender.send_heartbeats(), sender, receiver, ssh };
        Ok(Attempt::Made(Box::new(connection)))
    }

    /// Explains why no further word came.
    fn ended(&self, error: &io::Error, ssh: &mut Ssh, listening: &Listening<'_>) -> Result<Attempt> {
        // ssh ends by itself only after the end of its output. Otherwise it is ended when it is dropped.
        let ended = (error.kind() == io::ErrorKind::UnexpectedEof).then(|| ssh.end());
        let words = words::last_lines([listening.other(), &ssh.complaints()]);
        if listening.has_heard() {
            // ssh exits with 255 if it fails itself, and also if a signal ended the agent.
            return Ok(Attempt::NoAgent(words));
        }
        match (ended, words) {
            (Some(Ended::Failed), words) => match SshOptions::refusal(&ssh.complaints()) {
                Some(said) => Ok(Attempt::RefusedOption(said)),
                None => Err(self.no_connection(ssh.said().or(words))),
            },
            (None, None) => Err(self.no_connection(Some(format!("no answer: {error}")))),
            (_, Some(words)) => Err(Error::refused(format!(
                "{} does something else than run the command that it is given; it answers: {words}",
                self.destination
            ))),
            (Some(Ended::WithCommand), None) => Err(Error::refused(format!(
                "{} does not run the command that it is given, and says nothing",
                self.destination
            ))),
        }
    }

    fn no_connection(&self, reason: Option<String>) -> Error {
        let reason = reason.unwrap_or_else(|| "ssh gave no reason".to_owned());
        Error::refused(format!("cannot connect to {}: {reason}", self.destination))
    }

    fn unsupported(&self, architecture: &str) -> Error {
        let there: Vec<&str> = self.agents.iter().map(|agent| agent.architecture.as_str()).collect();
        Error::refused(format!(
            "the target's architecture is {architecture}, but there are agents for {} only",
            there.join(", ")
        ))
    }
}
