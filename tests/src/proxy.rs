//! A way to a port of this machine that fails as networks do, at a byte that is given.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// What goes wrong with the one connection that a way is good for, or with each of a slow way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It breaks after so many bytes from who connects.
    CutSent(u64),
    /// It breaks after so many bytes to who connects.
    CutReceived(u64),
    /// After so many bytes from who connects, nothing goes on in either direction, and nothing is closed.
    Silence(u64),
    /// It carries only so many bytes in a second from who connects.
    Slow(u64),
}

/// The way. Its threads end with the connection.
pub struct Proxy {
    port: u16,
    link: Arc<Link>,
}

struct Link {
    fault: Fault,
    sent: AtomicU64,
    received: AtomicU64,
    silent: Mutex<bool>,
    changed: Condvar,
}

/// How long a test waits for a silence.
const PATIENCE: Duration = Duration::from_secs(60);

impl Proxy {
    /// A way to the port.
    pub fn new(port: u16, fault: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let own = listener.local_addr().expect("its number").port();
        let link = Arc::new(Link {
            fault,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            silent: Mutex::new(false),
            changed: Condvar::new(),
        });
        let both = Arc::clone(&link);
        thread::spawn(move || {
            if let Fault::Slow(_) = fault {
                loop {
                    carry(&listener, port, &both);
                }
            }
            carry(&listener, port, &both);
        });
        Proxy { port: own, link }
    }

    /// Its own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes from who connects, and to them, so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.link.sent.load(Ordering::Relaxed), self.link.received.load(Ordering::Relaxed))
    }

    /// Waits until nothing goes on any more.
    pub fn wait_until_silent(&self) {
        let silent = self.link.silent.lock().expect("the state");
        let waited = self.link.changed.wait_timeout_while(silent, PATIENCE, |silent| !*silent);
        assert!(*waited.expect("the state").0, "the connection ended before it could be silent");
    }

    /// Lets everything go on.
    pub fn go_on(&self) {
        *self.link.silent.lock().expect("the state") = false;
        self.link.changed.notify_all();
    }
}

/// Carries the next connection. If the listener ends with that, whoever tries again is refused.
fn carry(listener: &TcpListener, port: u16, link: &Arc<Link>) {
    let (near, _) = listener.accept().expect("a connection");
    let far = TcpStream::connect(("127.0.0.1", port)).expect("sshd");
    let back = (far.try_clone().expect("far"), near.try_clone().expect("near"), Arc::clone(link));
    thread::spawn(move || back.2.forward(&back.0, &back.1, &back.2.received));
    let there = Arc::clone(link);
    thread::spawn(move || there.forward(&near, &far, &there.sent));
}

impl Link {
    fn forward(&self, mut from: &TcpStream, mut to: &TcpStream, count: &AtomicU64) {
        let is_sent = std::ptr::eq(count, &raw const self.sent);
        let mut buffer = [0; 4096];
        loop {
            let most = self.most(is_sent, count.load(Ordering::Relaxed));
            let most = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
            let Ok(length @ 1..) = from.read(&mut buffer[..most]) else { break };
            self.wait();
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
            if let Fault::Slow(second) = self.fault
                && is_sent
            {
                thread::sleep(Duration::from_secs(length as u64) / u32::try_from(second).expect("a speed"));
            }
            let now = count.fetch_add(length as u64, Ordering::Relaxed) + length as u64;
            if is_sent && self.fault == Fault::Silence(now) {
                *self.silent.lock().expect("the state") = true;
                self.changed.notify_all();
            }
        }
        // An end is not heard through a silence either; what cannot be shut down any more is gone already.
        self.wait();
        let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    /// Bytes that may go on before something happens.
    fn most(&self, is_sent: bool, now: u64) -> u64 {
        match self.fault {
            Fault::CutSent(end) if is_sent => end.saturating_sub(now),
            Fault::CutReceived(end) if !is_sent => end.saturating_sub(now),
            Fault::Silence(end) if is_sent && now < end => end - now,
            _ => u64::MAX,
        }
    }

    fn wait(&self) {
        let silent = self.silent.lock().expect("the state");
        drop(self.changed.wait_while(silent, |silent| *silent));
    }
}
