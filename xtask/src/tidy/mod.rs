//! `cargo xtask tidy`: the rules of the code, checked instead of remembered.

mod circles;
mod house;
mod names;
mod words;

use anyhow::{Result, bail};

use crate::suites;
use house::House;

/// Checks everything.
pub fn run() -> Result<()> {
    let mut faults = words::check()?;
    let house = House::read()?;
    faults.extend(circles::check(&house));
    faults.extend(suites::all().err().map(|error| format!("{error:#}")));
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}\n{} places break the rules of the code", faults.join("\n"), faults.len())
}
