//! Processes that go on with this program, and what they give up.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, Pid};

use super::{Plain, ioctl};

/// Splits this process in two. Returns the number of the new one; in that, `None`. It is an error to call this with more than one thread.
pub fn fork() -> io::Result<Option<Pid>> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!("this process has {threads} threads")));
    }
    // SAFETY: there is no other thread that could hold a lock.
    Ok(match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Some(child),
        ForkResult::Child => None,
    })
}

/// Lets the program begin with this umask. New programs only: it holds for the process that is made.
pub fn begin_with_umask(command: &mut Command, mask: Mode) {
    // SAFETY: between fork and exec there is one call of the kernel, which takes a number.
    unsafe {
        command.pre_exec(move || {
            umask(mask);
            Ok(())
        });
    }
}

/// Lets the program begin with this descriptor, under this number. No other descriptor of this process may have the number.
pub fn begin_with_descriptor(command: &mut Command, descriptor: &OwnedFd, number: RawFd) {
    let own = descriptor.as_raw_fd();
    // SAFETY: between fork and exec there is one call of the kernel, which takes numbers. The descriptor is open as long as its owner.
    unsafe {
        command.pre_exec(move || match libc::dup2(own, number) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
}

/// Ends this process at once. Nothing is dropped: what there is to clean up belongs to the process that was there before.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: it takes no pointer and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Ends this process by the signal, as if it had not been caught, blocked or ignored. Returns if the signal does not end processes.
pub fn die_of(signal: Signal) -> io::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action is no code of this program.
    unsafe { sigaction(signal, &default) }?;
    let mut set = SigSet::empty();
    set.add(signal);
    set.thread_unblock()?;
    Ok(raise(signal)?)
}

/// Lets all descriptors above standard error end with the next program.
pub fn close_on_exec() -> io::Result<()> {
    const FLAG: libc::c_uint = 1 << 2;
    // SAFETY: close_range takes numbers.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, FLAG) } == 0 {
        return Ok(());
    }
    // Kernels before 5.11 have no such call.
    let open = std::fs::read_dir("/proc/self/fd")?.collect::<io::Result<Vec<_>>>()?;
    for fd in open.iter().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        // SAFETY: F_SETFD takes a number. The descriptor may be closed, which is an error without effect.
        if fd > 2 && unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            tracing::debug!("descriptor {fd} is closed already");
        }
    }
    Ok(())
}

// SAFETY: a repr(C) structure of integers and a union of such.
unsafe impl Plain for libc::ifreq {}

/// Turns on the loopback interface of this network namespace.
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: socket takes numbers.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let mut request = libc::ifreq::zeroed();
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq.
    unsafe { ioctl(socket.as_fd(), libc::SIOCSIFFLAGS as u32, &mut request) }.map(drop)
}
