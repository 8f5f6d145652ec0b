//! Steps. Every single change of the disk is one call of [`change`], so that tests can make each one fail.
//!
//! The feature `fail-points` makes each step a fail point: `BASEROCK_FAIL=N:HOW` makes the Nth step of a process fail, and
//! `BASEROCK_STEPS=FILE` lists the steps. Only programs that are built for tests have this feature.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use crate::error::{OrCannot, Result};

#[cfg(feature = "fail-points")]
mod fail_point;

/// Makes one change to the disk. If it fails, the error names the action and the path: `create`, `/systems/devel/run`.
pub fn change<T, E: Into<io::Error>>(
    action: impl Into<Cow<'static, str>>,
    path: impl AsRef<Path>,
    call: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    let (action, path) = (action.into(), path.as_ref());
    here(&action, path).and_then(|()| call().map_err(Into::into)).or_cannot(action, path)
}

/// Marks a step that does not go through [`change`]: the caller reports its errors in another way, or another program takes it.
#[cfg(feature = "fail-points")]
pub fn here(action: &str, path: &Path) -> io::Result<()> {
    fail_point::pass(action, path)
}

/// Marks a step that does not go through [`change`]: the caller reports its errors in another way, or another program takes it.
#[cfg(not(feature = "fail-points"))]
#[inline]
pub fn here(_action: &str, _path: &Path) -> io::Result<()> {
    Ok(())
}
