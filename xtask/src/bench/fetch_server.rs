//! Servers on this machine that count what they send.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{SysconfVar, sysconf};

/// The folder that the web server serves.
pub const SERVED: &str = "served";

/// A server, ended with this value.
struct Server(Child);

impl Server {
    /// Starts a server, and waits until it listens.
    fn start(command: &mut Command, port: u16) -> Result<Self> {
        let server = Server(command.spawn().with_context(|| format!("cannot run {command:?}"))?);
        for _ in 0..50 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("{command:?} does not listen")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A web server.
pub struct Nginx {
    place: PathBuf,
    port: u16,
    server: Server,
}

impl Nginx {
    /// Serves the folder [`SERVED`] in this place.
    pub fn start(place: &Path) -> Result<Self> {
        let (port, shown) = (free_port()?, text(place)?);
        let configuration = format!(
            "daemon off; master_process off; user root; pid {shown}/pid; error_log {shown}/error.log; events {{ }}\n\
             http {{ log_format bytes '$body_bytes_sent'; access_log {shown}/bytes.log bytes; sendfile on;\n\
             keepalive_requests 1000000;\n\
             server {{ listen 127.0.0.1:{port}; root {shown}/{SERVED}; }} }}\n"
        );
        let file = place.join("nginx.conf");
        fs::write(&file, configuration)?;
        let server = Server::start(Command::new("nginx").arg("-p").arg(place).arg("-c").arg(file), port)?;
        Ok(Nginx { place: place.to_owned(), port, server })
    }

    /// The URL of a file or folder.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// The processor time that it has used.
    pub fn processor(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.server.0.id()))?;
        let (_, after) = stat.rsplit_once(") ").context("an unknown form of stat")?;
        let ticks: Vec<u64> = after.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        let second = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has no clock")?;
        let ticks: u64 = ticks.iter().sum();
        Ok(Duration::from_millis(ticks * 1000 / second.unsigned_abs()))
    }

    /// From now on answers are counted.
    pub fn forget(&self) -> Result<()> {
        Ok(fs::write(self.place.join("bytes.log"), "")?)
    }

    /// Bytes of the answers since then, and how many.
    pub fn answered(&self) -> Result<(u64, usize)> {
        let log = fs::read_to_string(self.place.join("bytes.log"))?;
        let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
        ensure!(!lines.is_empty(), "nginx has answered nothing");
        let bytes = lines.iter().map(|line| line.parse::<u64>()).sum::<Result<u64, _>>()?;
        Ok((bytes, lines.len()))
    }
}

/// The daemon of rsync, which serves one tree.
pub struct Rsync {
    log: PathBuf,
    port: u16,
    _server: Server,
}

impl Rsync {
    /// Serves the tree; what it needs is in this place.
    pub fn start(place: &Path, tree: &Path) -> Result<Self> {
        let (port, log, file) = (free_port()?, place.join("rsync.log"), place.join("rsync.conf"));
        let (shown, tree) = (text(&log)?, text(tree)?);
        let configuration = format!(
            "log file = {shown}\nuse chroot = no\nuid = 0\ngid = 0\n[tree]\npath = {tree}\nread only = yes\n"
        );
        fs::write(&file, configuration)?;
        let mut rsync = Command::new("rsync");
        rsync.args(["--daemon", "--no-detach", "--address=127.0.0.1", &format!("--port={port}")]);
        let server = Server::start(rsync.arg(format!("--config={}", text(&file)?)), port)?;
        Ok(Rsync { log, port, _server: server })
    }

    /// The URL of the tree.
    pub fn url(&self) -> String {
        format!("rsync://127.0.0.1:{}/tree/", self.port)
    }

    /// Bytes of the last transfer, both ways.
    pub fn transferred(&self) -> Result<u64> {
        let log = fs::read_to_string(&self.log)?;
        let (_, last) = log.rsplit_once("] sent ").context("rsync has sent nothing")?;
        let mut words = last.split_whitespace();
        let (sent, received) = (words.next(), words.nth(2));
        let number = |word: Option<&str>| {
            word.context("rsync logs something else")?.parse::<u64>().context("no number")
        };
        Ok(number(sent)? + number(received)?)
    }
}

/// The path as text.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not text")
}
