//! The process outside: passes signals and the terminal's bytes to the command, and ends as it ends.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use system::error::{OrCannot, Result};
use system::mount::leave_shared_namespace;
use system::signal;
use system::sys::child;

use super::init::{self, Prepared};
use super::link::{Link, Word};
use super::signals::{PASSED, signals};
use super::terminal::{Terminal, let_go_of_streams};
use super::{Ended, Entry, Report};

struct Supervisor {
    init: Pid,
    link: Link,
    signals: SignalFd,
    terminal: Option<Terminal>,
}

/// Runs the command in namespaces of its own, and returns how it ended. Everything inside has ended then, too.
pub fn run(entry: &Entry<'_>, network: bool, report: Report<'_>) -> Result<Ended> {
    leave_shared_namespace()?;
    let held_back = SigSet::thread_get_mask().or_cannot("examine", "signals")?;
    signals().thread_block().or_cannot("hold back", "signals")?;
    signal::check()?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&signals(), flags).or_cannot("wait for", "signals")?;
    let (terminal, inner) = Terminal::like_the_callers()?.unzip();
    let (link, other) = Link::pair()?;
    let mut own = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    own.set(CloneFlags::CLONE_NEWNET, !network);
    unshare(own).or_cannot("make namespaces for", "the command")?;
    let Some(init) = child::fork().or_cannot("start", "a process")? else {
        drop((link, terminal.map(Terminal::forget)));
        init::run(&Prepared { entry, network, report, link: other, terminal: inner, held_back });
    };
    drop((other, inner));
    // What is mounted inside does not concern this process, which holds what was mounted before.
    let outcome = unshare(CloneFlags::CLONE_NEWNS).or_cannot("make a mount namespace for", "this process");
    let mut supervisor = Supervisor { init, link, signals, terminal };
    outcome.and_then(|()| supervisor.watch()).inspect_err(|_| {
        let _gone = kill(init, Signal::SIGKILL);
        let _gone = waitpid(init, None);
    })
}

impl Supervisor {
    fn watch(&mut self) -> Result<Ended> {
        let foreground = self.terminal.as_ref().is_some_and(Terminal::begins_in_foreground);
        self.go(foreground)?;
        let_go_of_streams()?;
        let ended = loop {
            if let Some(ended) = self.step()? {
                break ended;
            }
        };
        // With the first process, everything inside ends.
        waitpid(self.init, None).or_cannot("wait for", "the command")?;
        self.terminal = None;
        Ok(ended)
    }

    fn go(&mut self, foreground: bool) -> Result<()> {
        if let Some(terminal) = &mut self.terminal {
            terminal.set_foreground(foreground)?;
            terminal.resize();
        }
        self.link.say(Word::Go(foreground))
    }

    /// Waits for one thing and does what it asks for. Returns how the command ended, if it did.
    fn step(&mut self) -> Result<Option<Ended>> {
        let (typing, showing) = self.terminal.as_ref().map_or((None, None), Terminal::waits);
        let mut waiting = vec![
            PollFd::new(self.link.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        if let Some((outer, has_typed)) = showing {
            let room = if has_typed { PollFlags::POLLOUT } else { PollFlags::empty() };
            waiting.push(PollFd::new(outer, PollFlags::POLLIN | room));
        }
        waiting.extend(typing.map(|typing| PollFd::new(typing, PollFlags::POLLIN)));
        match poll(&mut waiting, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => return Ok(None),
            other => other.or_cannot("wait for", "the command")?,
        };
        let ready: Vec<bool> = waiting.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let may_type = typing.is_some() && ready.last() == Some(&true);
        let may_show = showing.is_some() && ready.get(2) == Some(&true);
        drop(waiting);
        if let Some(terminal) = &mut self.terminal {
            if may_show {
                terminal.show();
                terminal.pass();
            }
            if may_type {
                terminal.take();
            }
        }
        if ready[1] {
            self.signal()?;
        }
        if ready[0] { self.word() } else { Ok(None) }
    }

    fn word(&mut self) -> Result<Option<Ended>> {
        Ok(match self.link.hear()? {
            Some(Word::Exited(code)) => Some(Ended::Exited(u8::try_from(code).unwrap_or(u8::MAX))),
            Some(Word::Killed(signal)) => Some(Ended::Killed(signal)),
            Some(Word::Stopped(signal)) => {
                self.stop(signal)?;
                None
            }
            Some(_) => None,
            None => {
                let ended = waitpid(self.init, Some(WaitPidFlag::WNOWAIT | WaitPidFlag::WEXITED));
                let signal = match ended {
                    Ok(WaitStatus::Signaled(_, signal, _)) => signal,
                    _ => Signal::SIGKILL,
                };
                Some(Ended::Killed(signal as i32))
            }
        })
    }

    fn signal(&mut self) -> Result<()> {
        while let Some(info) = self.signals.read_signal().or_cannot("read", "signals")? {
            let number = info.ssi_signo.cast_signed();
            if number == Signal::SIGWINCH as i32 {
                self.terminal.iter().for_each(Terminal::resize);
            } else if PASSED.iter().any(|&passed| passed as i32 == number) {
                self.link.say(Word::Signal(number))?;
            }
        }
        Ok(())
    }

    /// Stops as the command stopped, and lets it go on when this process does. A command that was stopped because it wants the terminal gets
    /// it, if this process has it.
    fn stop(&mut self, signal: i32) -> Result<()> {
        let wants_terminal = signal == Signal::SIGTTIN as i32 || signal == Signal::SIGTTOU as i32;
        if let Some(terminal) = &mut self.terminal {
            if wants_terminal && !terminal.is_foreground() && terminal.may_be_foreground() {
                return self.go(true);
            }
            while terminal.show() {}
            terminal.set_foreground(false)?;
        }
        let signal = if signal == Signal::SIGTTIN as i32 { Signal::SIGTTIN } else { Signal::SIGTSTP };
        // The whole job stops, as it does when its terminal stops it.
        let one: SigSet = [signal].into_iter().collect();
        one.thread_unblock().or_cannot("wait for", "signals")?;
        let stopped = kill(Pid::from_raw(0), signal);
        one.thread_block().or_cannot("hold back", "signals")?;
        stopped.or_cannot("stop", "this process")?;
        let foreground = self.terminal.as_ref().is_some_and(Terminal::may_be_foreground);
        self.go(foreground)
    }
}
