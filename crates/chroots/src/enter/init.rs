//! The first process inside: prepares the tree, starts the command, and ends with it. When it ends, so does everything inside.

use std::fs::{File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::{set_dumpable, set_pdeathsig};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, setpgid, setsid, tcsetpgrp};
use rustix::process::ioctl_tiocsctty;
use system::error::{OrCannot, Result};
use system::step::change;
use system::sys::child;

use super::account::Account;
use super::confine::confine;
use super::link::{Link, Word};
use super::signals::{PASSED, signals};
use super::terminal::{Inner, let_go_of_streams};
use super::{Entry, Failure, Report, become_command, root};

/// What the process outside has prepared.
pub struct Prepared<'a> {
    /// What is entered.
    pub entry: &'a Entry<'a>,
    /// Whether it has the network of the machine.
    pub network: bool,
    /// Is told of failures.
    pub report: Report<'a>,
    /// Leads to the process outside.
    pub link: Link,
    /// The terminal of the command, if it has one.
    pub terminal: Option<Inner>,
    /// The signals that the caller holds back.
    pub held_back: SigSet,
}

/// Does all that. A failure is reported, and its exit code is that of the command.
pub fn run(prepared: &Prepared<'_>) -> ! {
    let Prepared { report, link, terminal, .. } = prepared;
    let code = match started(prepared) {
        Ok(Some(command)) => match watch(command, link, terminal.as_ref()) {
            Ok(()) => 0,
            Err(error) => report(&error.into()),
        },
        // The process outside is gone.
        Ok(None) => 0,
        Err(failure) => report(&failure),
    };
    // Nobody is there any more if this fails.
    let _gone = link.say(Word::Exited(code.into()));
    child::exit_now(code)
}

fn started(prepared: &Prepared<'_>) -> Result<Option<Pid>, Failure> {
    let Prepared { entry, network, report, link, .. } = prepared;
    let terminal = prepared.terminal.as_ref();
    set_pdeathsig(Signal::SIGKILL).or_cannot("follow", "the process outside")?;
    let Some(Word::Go(foreground)) = link.hear()? else { return Ok(None) };
    setsid().or_cannot("begin", "a session")?;
    if let Some(terminal) = terminal {
        ioctl_tiocsctty(&terminal.file).or_cannot("use", &terminal.path)?;
        terminal.become_standard()?;
    }
    if !*network {
        child::loopback_up().or_cannot("turn on", "the loopback interface")?;
    }
    root::swap(entry, terminal.map(|terminal| &*terminal.path))?;
    let account = Account::find(entry.user)?;
    if let Some(terminal) = terminal {
        give(&terminal.file, &account);
    }
    confine()?;
    // Nobody inside may look into this process, which knows more than the command.
    set_dumpable(false).or_cannot("protect", "the first process")?;
    let Some(command) = child::fork().or_cannot("start", "a process")? else {
        let failure = exec(prepared, &account, foreground);
        child::exit_now(report(&failure));
    };
    set_group(command)?;
    let_go_of_streams()?;
    Ok(Some(command))
}

fn exec(prepared: &Prepared<'_>, account: &Account, foreground: bool) -> Failure {
    let own = || -> Result<()> {
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).or_cannot("make", "a process group")?;
        if let Some(terminal) = prepared.terminal.as_ref().filter(|_| foreground) {
            tcsetpgrp(&terminal.file, getpgrp()).or_cannot("use", &terminal.path)?;
        }
        prepared.held_back.thread_set_mask().or_cannot("wait for", "signals")?;
        child::close_on_exec().or_cannot("close", "descriptors")
    };
    match own() {
        Ok(()) => become_command(prepared.entry, account),
        Err(error) => error.into(),
    }
}

/// The process does the same. Whoever is first, it is done before either goes on.
fn set_group(command: Pid) -> Result<()> {
    match setpgid(command, command) {
        // It runs the command already, or has ended.
        Err(Errno::EACCES | Errno::ESRCH) => Ok(()),
        other => other.or_cannot("make", "a process group"),
    }
}

/// Makes the account the owner of its terminal.
fn give(terminal: &File, account: &Account) {
    let owned = account.own(terminal).and_then(|()| {
        change("set the mode of", "the terminal", || terminal.set_permissions(Permissions::from_mode(0o620)))
    });
    if let Err(error) = owned {
        // An ordinary user cannot give it to every account. It works all the same; it cannot be opened by its name.
        tracing::debug!("the terminal keeps its owner: {error}");
    }
}

/// Waits until the command has ended, tells how, and does what the process outside says meanwhile.
fn watch(command: Pid, link: &Link, terminal: Option<&Inner>) -> Result<()> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let own = SignalFd::with_flags(&signals(), flags).or_cannot("wait for", "signals")?;
    loop {
        if let Some(word) = look(command, link)? {
            link.say(word)?;
            child::exit_now(0);
        }
        let mut waiting = [own.as_fd(), link.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut waiting, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => drop(other.or_cannot("wait for", "the command")?),
        }
        let spoken = waiting[1].any().unwrap_or(true);
        while let Some(info) = own.read_signal().or_cannot("read", "signals")? {
            let number = info.ssi_signo.cast_signed();
            if PASSED.iter().any(|&passed| passed as i32 == number) {
                pass(command, number)?;
            }
        }
        match if spoken { link.hear()? } else { continue } {
            Some(Word::Signal(number)) => pass(command, number)?,
            Some(Word::Go(foreground)) => {
                if let Some(terminal) = terminal {
                    let group = if foreground { command } else { getpgrp() };
                    tcsetpgrp(&terminal.file, group).or_cannot("use", &terminal.path)?;
                }
                send(Pid::from_raw(-command.as_raw()), Signal::SIGCONT)?;
            }
            // The process outside is gone.
            _ => child::exit_now(1),
        }
    }
}

/// Reaps what has ended, and tells when the command has stopped. Returns how the command ended.
fn look(command: Pid, link: &Link) -> Result<Option<Word>> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == command => return Ok(Some(Word::Exited(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => {
                return Ok(Some(Word::Killed(signal as i32)));
            }
            Ok(WaitStatus::Stopped(pid, signal)) if pid == command => {
                link.say(Word::Stopped(signal as i32))?;
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).or_cannot("wait for", "the command"),
        }
    }
}

/// Gives the command a signal that came outside. What a terminal sends, it sends to the whole group.
fn pass(command: Pid, number: i32) -> Result<()> {
    let Ok(signal) = Signal::try_from(number) else { return Ok(()) };
    let of_terminals = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP, Signal::SIGTSTP];
    let group = Pid::from_raw(-command.as_raw());
    send(if of_terminals.contains(&signal) { group } else { command }, signal)
}

fn send(to: Pid, signal: Signal) -> Result<()> {
    match kill(to, signal) {
        Err(Errno::ESRCH) => Ok(()),
        other => other.or_cannot("send a signal to", "the command"),
    }
}
