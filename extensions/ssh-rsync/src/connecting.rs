//! A connection that is being made while the trees are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use system::error::{Error, Result};

use crate::bootstrap::Agent;
use crate::connection::{Connection, Questions};

/// A connection that a thread of its own makes; ssh may ask its user something meanwhile. Dropped, it is given up.
pub struct Connecting {
    thread: Option<JoinHandle<Result<Connection>>>,
    given_up: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
}

impl Connecting {
    /// Begins to connect.
    pub fn begin(destination: String, agents: Vec<Agent>) -> Self {
        let [given_up, failed] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (is_given_up, has_failed) = (given_up.clone(), failed.clone());
        let thread = thread::spawn(move || {
            let outcome = Connection::open(&destination, &agents, Questions::Allowed, &is_given_up);
            has_failed.store(outcome.is_err(), Ordering::Relaxed);
            outcome
        });
        Connecting { thread: Some(thread), given_up, failed }
    }

    /// Whether it stands, and nothing will be asked any more. Fails where there will be none; why, [`Connecting::end`] says.
    pub fn stands(&self) -> Result<bool> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::refused("there is no connection"));
        }
        Ok(self.thread.as_ref().is_none_or(JoinHandle::is_finished))
    }

    /// The connection, once it stands, and what came of what was done meanwhile. Why there is no connection says more than that the other
    /// was ended for it.
    pub fn end<T>(self, meanwhile: Result<T>) -> Result<(Connection, T)> {
        match self.stands() {
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

impl Drop for Connecting {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.given_up.store(true, Ordering::Relaxed);
        // What it says of its being given up is no news.
        let _known = thread.join();
    }
}
