//! The connection is made by a thread while the trees are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use system::error::{Error, Result};

use crate::bootstrap::Agent;
use crate::connection::Connection;
use crate::destination::Destination;
use crate::ssh::Questions;

/// A connection that a thread is making. ssh may ask its user for a password meanwhile. Dropping this gives the connection up.
pub struct PendingConnection {
    thread: Option<JoinHandle<Result<Connection>>>,
    given_up: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
}

impl PendingConnection {
    /// Begins to connect.
    pub fn begin(destination: Destination, agents: Vec<Agent>) -> Self {
        let [given_up, failed] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (is_given_up, has_failed) = (given_up.clone(), failed.clone());
        let thread = thread::spawn(move || {
            let outcome = Connection::open(&destination, &agents, Questions::Allowed, &is_given_up);
            has_failed.store(outcome.is_err(), Ordering::Relaxed);
            outcome
        });
        PendingConnection { thread: Some(thread), given_up, failed }
    }

    /// Whether the connection is made, so that ssh asks nothing any more. Fails if connecting has failed; [`PendingConnection::end`] then
    /// returns the reason.
    pub fn is_done(&self) -> Result<bool> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::refused("there is no connection"));
        }
        Ok(self.thread.as_ref().is_none_or(JoinHandle::is_finished))
    }

    /// Waits for the connection, and returns it with the result of the work that was done meanwhile. If connecting has failed, its error is
    /// returned: that work was then ended because of it.
    pub fn end<T>(self, meanwhile: Result<T>) -> Result<(Connection, T)> {
        match self.is_done() {
            Ok(_) => meanwhile.and_then(|value| Ok((self.wait()?, value))),
            Err(_) => self.wait().and_then(|connection| Ok((connection, meanwhile?))),
        }
    }

    fn wait(mut self) -> Result<Connection> {
        let outcome = self.thread.take().map(JoinHandle::join);
        outcome
            .and_then(std::result::Result::ok)
            .unwrap_or_else(|| Err(Error::refused("connecting has failed")))
    }
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.given_up.store(true, Ordering::Relaxed);
        // The thread can only report that it was given up.
        let _given_up = thread.join();
    }
}
