//! Steps: every single thing that is done to the disk is one call of [`change`], so that tests can make each of them fail.
//!
//! The feature `fail-points`, which only programs that are built for tests have, makes each step a fail point: `BASEROCK_FAIL=N:HOW`
//! lets the Nth step of a process fail, `BASEROCK_STEPS=FILE` lists them.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use crate::error::{OrCannot, Result};

#[cfg(feature = "fail-points")]
mod fail_point;

/// Does one thing to the disk. Where it fails, the error says what was being done to which path: `create`, `/systems/devel/run`.
pub fn change<T, E: Into<io::Error>>(
    action: impl Into<Cow<'static, str>>,
    path: impl AsRef<Path>,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    let (action, path) = (action.into(), path.as_ref());
    here(&action, path).and_then(|()| call().map_err(Into::into)).or_cannot(action, path)
}

/// Marks a step whose errors are told otherwise, or that another program takes.
#[cfg(feature = "fail-points")]
pub fn here(action: &str, path: &Path) -> io::Result<()> {
    fail_point::pass(action, path)
}

/// Marks a step whose errors are told otherwise, or that another program takes.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub fn here(_action: &str, _path: &Path) -> io::Result<()> {
    Ok(())
}
