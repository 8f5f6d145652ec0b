//! Makes contents again from their recipes, while others arrive.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::Receiver;

use delta::entry::Kind;
use delta::plan::Wanted;
use delta::recipe::{self, Recipe};
use delta::{NewIndex, Tree};
use system::error::Result;
use system::signal;

use crate::progress::Progress;
use crate::store::Store;

/// Bytes that are written at a time.
const PORTION: usize = 1 << 20;

/// Makes contents again.
pub struct Recreate<'a> {
    new: Tree<'a>,
    arriving: HashSet<NewIndex>,
    progress: &'a Progress,
    store: Store<'a>,
}

impl<'a> Recreate<'a> {
    /// Takes files of the new tree for that, and waits for those that are wanted.
    pub fn new(new: Tree<'a>, wanted: &[Wanted], progress: &'a Progress, store: Store<'a>) -> Self {
        let arriving = wanted.iter().map(|wanted| wanted.entry).collect();
        Recreate { new, arriving, progress, store }
    }

    /// Makes the contents of these recipes. Returns those that did not come out right.
    pub fn all(mut self, recipes: &Receiver<(Wanted, Recipe)>) -> Result<Vec<Wanted>> {
        let mut wrong = Vec::new();
        while let Ok((wanted, recipe)) = recipes.recv() {
            self.progress.wait_until_prepared()?;
            if !self.one(&wanted, &recipe)? {
                wrong.push(wanted);
            }
        }
        Ok(wrong)
    }

    fn one(&mut self, wanted: &Wanted, recipe: &Recipe) -> Result<bool> {
        let mut outcome = Ok(true);
        let Recreate { new, arriving, progress, store } = self;
        let mut open = |file| {
            if arriving.contains(&file) && !progress.wait_until_placed(file) {
                return Err(io::ErrorKind::NotFound.into());
            }
            open(*new, file)
        };
        let content = Content { wanted, store, position: 0, outcome: &mut outcome };
        let mut content = BufWriter::with_capacity(PORTION, content);
        let made = recipe::recreate(recipe, wanted.size, &mut open, &mut content);
        let made = made.and_then(|()| content.flush());
        // What is left in the buffer after a failure is not written.
        let _unwanted = content.into_parts();
        signal::check()?;
        match (outcome, made) {
            (Err(error), _) => Err(error),
            (Ok(is_right), Ok(())) => Ok(is_right),
            (Ok(_), Err(error)) => {
                tracing::warn!("a recipe does not serve: {error}");
                Ok(false)
            }
        }
    }
}

/// Opens a file that a recipe names, which is not trusted.
fn open(new: Tree<'_>, file: NewIndex) -> io::Result<File> {
    signal::check().map_err(io::Error::other)?;
    let entry = new.manifest.entries().get(file.0);
    let entry = entry.filter(|entry| matches!(entry.kind, Kind::File { .. }));
    let entry = entry.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    new.dir.file(entry.path()).map_err(io::Error::other)
}

/// A content that is being written.
struct Content<'a, 's> {
    wanted: &'a Wanted,
    store: &'a mut Store<'s>,
    position: u64,
    /// Whether what has been written is right, as far as that is known; or the error of the store.
    outcome: &'a mut Result<bool>,
}

impl Write for Content<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match signal::check().and_then(|()| self.store.write(self.wanted, self.position, bytes, None)) {
            Ok(is_right) => *self.outcome = Ok(is_right),
            Err(error) => {
                let shown = io::Error::other(error.to_string());
                *self.outcome = Err(error);
                return Err(shown);
            }
        }
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
