//! The table of floors in docs/architecture.md: which files stand on which floor, and what they may use.

use anyhow::{Context, Result, bail, ensure};

/// The document that has the table.
pub const DOCUMENT: &str = "docs/architecture.md";

/// What the table's first line begins with.
const HEAD: &str = "| floor |";

/// One floor: a row of the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Its name.
    pub name: String,
    /// Files, and folders with a `/` at the end.
    pub places: Vec<String>,
    /// The names of other floors, and the beginnings of names in others: `system::error`.
    pub may_use: Vec<String>,
    /// The beginnings of names outside the workspace that it does not use: `std::fs`.
    pub avoids: Vec<String>,
}

impl Floor {
    /// How exactly the floor names this file: the longest of its places counts.
    pub fn fit(&self, file: &str) -> usize {
        let fits = self.places.iter().filter(|place| match place.strip_suffix('/') {
            Some(_) => file.starts_with(*place),
            None => file == *place,
        });
        fits.map(String::len).max().unwrap_or_default()
    }
}

/// Reads the table.
pub fn read(document: &str) -> Result<Vec<Floor>> {
    let mut lines = document.lines().skip_while(|line| !line.starts_with(HEAD));
    ensure!(lines.next().is_some(), "{DOCUMENT} has no table that begins with `{HEAD}`");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
    let floors = rows.map(row).collect::<Result<Vec<_>>>()?;
    for floor in &floors {
        let unknown =
            |used: &&String| !used.contains("::") && floors.iter().all(|other| other.name != **used);
        if let Some(unknown) = floor.may_use.iter().find(unknown) {
            bail!("{DOCUMENT}: the floor {} may use {unknown}, which is no floor", floor.name);
        }
    }
    Ok(floors)
}

fn row(line: &str) -> Result<Floor> {
    let mut cells = line.trim_matches('|').split('|').map(words);
    let mut next = || cells.next().with_context(|| format!("{DOCUMENT}: a row has too few columns: {line}"));
    let (name, places, may_use, avoids) = (next()?, next()?, next()?, next()?);
    Ok(Floor { name: name.concat(), places, may_use, avoids })
}

/// The words of a cell, without commas and backticks.
fn words(cell: &str) -> Vec<String> {
    let words = cell.split([' ', ',', '`']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "text\n\n| floor | files | may use | avoids |\n|---|---|---|---|\n\
                         | ground | `crates/a/` | | |\n\
                         | values | `crates/b/src/x.rs`, `crates/b/src/y/` | `ground::error` | `std::fs` |\n\n| other |\n";

    #[test]
    fn rows_are_floors() {
        let floors = read(TABLE).unwrap();
        assert_eq!(floors.len(), 2);
        assert_eq!(floors[1].name, "values");
        assert_eq!(floors[1].places, ["crates/b/src/x.rs", "crates/b/src/y/"]);
        assert_eq!(floors[1].may_use, ["ground::error"]);
        assert_eq!(floors[1].avoids, ["std::fs"]);
        assert_eq!((floors[1].fit("crates/b/src/x.rs"), floors[1].fit("crates/b/src/x.rs2")), (17, 0));
    }

    #[test]
    fn a_floor_that_is_not_there() {
        let error = read(&TABLE.replace("`ground::error`", "cellar")).unwrap_err().to_string();
        assert!(error.ends_with("the floor values may use cellar, which is no floor"), "{error}");
    }

    #[test]
    fn no_table() {
        assert!(read("# Architecture").is_err());
    }
}
