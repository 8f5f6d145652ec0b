//! Starts the agent on a machine that has a shell.
//!
//! The command is one line of POSIX shell in single quotes, which every login shell understands. It looks for the agent of this build by
//! hash and size. If there is none, the command asks for it and reads it from standard input into a folder that only root can enter. Then
//! it becomes the agent. The output of a login shell is skipped: each line that counts has a random token of this connection.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use delta::codec::Reader;
use delta::hash::Hash;
use system::error::{Error, OrCannot, Result};

use crate::random;

/// An agent for one kind of processor.
pub struct Agent {
    /// As `uname -m` prints it.
    pub architecture: String,
    /// The program.
    pub program: Vec<u8>,
    hash: Hash,
}

/// The message of the target's shell after the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The agent is there, and the shell becomes it.
    Start,
    /// The agent runs; frames follow.
    Ready,
    /// Send the agent for this architecture.
    Send(String),
    /// There is no agent for this architecture.
    Unknown(String),
    /// Not root has logged in, but this user.
    User(String),
    /// There is no folder from which programs can be run.
    NoPlace,
}

/// The folders in which the target keeps agents: one in the state that versions share, else one in the version. Only root can enter them,
/// and `noexec` is unusual for both.
const PLACES: &str = "/root/.baserock /.baserock";

/// The architectures for which agents may have been built.
const ARCHITECTURES: [&str; 4] = ["x86_64", "aarch64", "armv7l", "riscv64"];

/// Most bytes that a login shell may print before the token.
const MOST_PREAMBLE: usize = 1 << 20;

/// Reads the installed agents: `ARCHITECTURE/baserock-agent` in `folder`, by default the folder `agents` beside this program. For this
/// machine's own architecture, `baserock-agent` beside this program will do as well.
pub fn agents(folder: Option<&Path>) -> Result<Vec<Agent>> {
    let own = std::env::current_exe().or_cannot("find", "this program")?;
    let beside = own.parent().map(PathBuf::from).unwrap_or_default();
    let folder = folder.map_or_else(|| beside.join("agents"), PathBuf::from);
    let mut agents = Vec::new();
    for architecture in ARCHITECTURES {
        let mut place = folder.join(architecture).join("baserock-agent");
        if !place.exists() && architecture == std::env::consts::ARCH {
            place = beside.join("baserock-agent");
        }
        if place.exists() {
            let program = fs::read(&place).or_cannot("read", &place)?;
            agents.push(Agent { architecture: architecture.to_owned(), hash: Hash::of(&program), program });
        }
    }
    if agents.is_empty() {
        return Err(Error::refused(format!(
            "there is no agent in {}; install the extension with its agents, or set BASEROCK_AGENTS",
            folder.display()
        )));
    }
    Ok(agents)
}

/// The command for the target's login shell.
pub fn command(agents: &[Agent], token: &str, upload: bool) -> String {
    let cases: Vec<String> = agents
        .iter()
        .map(|agent| format!("{}) h={} n={};;", agent.architecture, agent.hash, agent.program.len()))
        .collect();
    let look = if upload {
        String::new()
    } else {
        format!(
            "for d in {PLACES}; do f=$d/agents/$h; [ -f $f ] && whole $f && runs $f && echo {token} start && \
             exec $f {token}; done; "
        )
    };
    // In some shells `[ -x ]` is true on a mount with noexec, so the file is run instead. An empty file is an empty script to every
    // shell, and the agent exits with 1 if it gets no token.
    format!(
        "exec sh -c 'umask 077; u=$(id -u 2>/dev/null); [ ${{u:-0}} = 0 ] || {{ echo {token} user $(id -un); exit 1; }}; \
         m=$(uname -m); case $m in {} *) echo {token} unknown $m; exit 1;; esac; \
         whole() {{ [ $(wc -c <$1) -eq $n ]; }}; runs() {{ $1 </dev/null >/dev/null 2>&1; [ $? -lt 2 ]; }}; {look}\
         t=; for d in {PLACES}; do mkdir -p $d/agents && chmod 700 $d $d/agents && t=$d/agents/new.$$ && : >$t && \
         chmod 700 $t && runs $t && break; rm -f $t; t=; done 2>/dev/null; \
         [ -n \"$t\" ] || {{ echo {token} noplace; exit 1; }}; \
         echo {token} send $m; head -c $n >$t && whole $t && mv -f $t $d/agents/$h && exec $d/agents/$h {token}; \
         rm -f $t; exit 1'",
        cases.join(" ")
    )
}

/// The line that the agent prints when it has started.
pub fn ready(token: &str) -> String {
    format!("{token} ready\n")
}

/// Most bytes of such output that are kept, from the end.
const MOST_KEPT: usize = 1 << 12;

/// Listens for words with the token. The lines between them come from a login shell, or from whatever the target runs instead.
pub struct Listening<'a> {
    token: &'a str,
    other: Vec<u8>,
    has_heard: bool,
}

impl<'a> Listening<'a> {
    /// Listens for this token.
    pub fn new(token: &'a str) -> Self {
        Listening { token, other: Vec::new(), has_heard: false }
    }

    /// Reads up to the next line with the token.
    pub fn next_word(&mut self, from: &mut impl Read) -> io::Result<Word> {
        let mut line = Vec::new();
        let mut outcome = Err(io::ErrorKind::FileTooLarge.into());
        for _ in 0..MOST_PREAMBLE {
            let byte = match Reader(&mut *from).raw() {
                Ok([byte]) => byte,
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            line.push(byte);
            if byte != b'\n' {
                continue;
            }
            if let Some(word) = word(&String::from_utf8_lossy(&line), self.token) {
                self.has_heard = true;
                return Ok(word);
            }
            self.keep(&line);
            line.clear();
        }
        self.keep(&line);
        outcome
    }

    /// The last lines without the token.
    pub fn other(&self) -> &[u8] {
        &self.other
    }

    /// Whether there was a word: the target runs the command.
    pub fn has_heard(&self) -> bool {
        self.has_heard
    }

    fn keep(&mut self, line: &[u8]) {
        self.other.extend_from_slice(line);
        let surplus = self.other.len().saturating_sub(MOST_KEPT);
        self.other.drain(..surplus);
    }
}

/// Parses a line. A prompt or an escape sequence may stand before the token.
fn word(line: &str, token: &str) -> Option<Word> {
    let (_, said) = line.split_once(token)?;
    let mut words = said.split_whitespace();
    let (word, more) = (words.next()?, words.next().unwrap_or_default().to_owned());
    Some(match word {
        "start" => Word::Start,
        "ready" => Word::Ready,
        "send" => Word::Send(more),
        "unknown" => Word::Unknown(more),
        "user" => Word::User(more),
        "noplace" => Word::NoPlace,
        _ => return None,
    })
}

/// A token that no login shell prints by chance.
pub fn token() -> Result<String> {
    Ok(format!("baserock-{}", &Hash(random()?).to_string()[..24]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_a_login_shell_is_skipped() {
        let said = b"Welcome!\n\x1b[1mbaserock-1 is the best\ntoken-x\n$ token-7 send x86_64\nFRAMES";
        let mut from = said.as_slice();
        let mut listening = Listening::new("token-7");
        assert_eq!(listening.next_word(&mut from).unwrap(), Word::Send("x86_64".into()));
        assert_eq!(from, b"FRAMES");
        assert_eq!(listening.other(), b"Welcome!\n\x1b[1mbaserock-1 is the best\ntoken-x\n");
        assert!(listening.has_heard() && listening.next_word(&mut from).is_err());
        assert!(listening.other().ends_with(b"token-x\nFRAMES"));
        let endless = listening.next_word(&mut io::repeat(b'y')).unwrap_err();
        assert_eq!((endless.kind(), listening.other().len()), (io::ErrorKind::FileTooLarge, MOST_KEPT));
    }

    #[test]
    fn the_command_is_one_line_in_single_quotes() {
        let agents = [Agent { architecture: "x86_64".into(), program: vec![1], hash: Hash::of(&[1]) }];
        let command = command(&agents, "token-7", false);
        assert_eq!(command.matches('\'').count(), 2);
        assert!(!command.contains(['\n', '\\', '!']), "{command}");
    }
}
