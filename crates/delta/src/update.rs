//! Brings a tree on this machine's disks into a snapshot, block by block.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use system::dir::Dir;
use system::error::{OrCannot, Result};
use system::signal;
use system::step::change;

use crate::apply::{Apply, Stats, Tree};
use crate::blocks::{self, Base, Common, Written};
use crate::entry::{Entry, Kind};
use crate::hash::changed;
use crate::plan::{Plan, Wanted};
use crate::segment::{self, window};
use crate::unit::GRID;

/// The result of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// The numbers of changed names.
    pub names: Stats,
    /// Contents that the basis did not have as whole files.
    pub contents: Written,
}

/// Makes `into`, a writable snapshot of the basis, identical to the tree `from`. `report` is called with the bytes of content done so far.
pub fn update(from: Tree<'_>, basis: Tree<'_>, into: &Dir, report: &dyn Fn(u64)) -> Result<Updated> {
    let plan = Plan::new(basis.manifest, from.manifest);
    carry_out(Apply { plan: &plan, basis, new: from.manifest, into }, from.dir, report)
}

/// Carries out a plan with the contents of the tree `from`, for which it was made. The blocks of a changed file that its predecessor in the
/// basis has too, at any place nearby, stay shared with it. `report` is called with the bytes of content done so far.
pub fn carry_out(apply: Apply<'_>, from: &Dir, report: &dyn Fn(u64)) -> Result<Updated> {
    let (from, basis) = (Tree { dir: from, manifest: apply.new }, apply.basis);
    let mut contents =
        Local { from, basis, report, new: Vec::new(), base: Vec::new(), written: Written::default() };
    apply.prepare()?;
    let mut placer = apply.placer();
    for wanted in &apply.plan.wanted {
        placer.place(wanted, |dir, name| contents.copy(wanted, dir, name))?;
    }
    Ok(Updated { names: apply.finish()?, contents: contents.written })
}

struct Local<'a> {
    from: Tree<'a>,
    basis: Tree<'a>,
    report: &'a dyn Fn(u64),
    new: Vec<u8>,
    base: Vec<u8>,
    written: Written,
}

impl Local<'_> {
    fn copy(&mut self, wanted: &Wanted, dir: &Dir, name: &Path) -> Result<()> {
        let (target, shown) = (&dir.create(name, 0o600)?, &dir.shown(name));
        let path = wanted.entry.of(self.from.manifest).path();
        let (source, source_shown) = (self.from.dir.file(path)?, self.from.dir.shown(path));
        let like = wanted.like.map(|like| like.of(self.basis.manifest));
        let old = like.map(|entry| self.basis.dir.file(entry.path())).transpose()?;
        let old_shown = self.basis.dir.shown(like.map_or(Path::new(""), Entry::path));
        let old_size =
            like.map_or(0, |entry| if let Kind::File { size, .. } = entry.kind { size } else { 0 });
        change("set the length of", shown, || target.set_len(wanted.size))?;
        for part in segment::parts(wanted.size) {
            signal::check()?;
            read_range(&source, &source_shown, part.start, part.end - part.start, &mut self.new)?;
            let range = window(&part, old_size);
            let base = match &old {
                Some(file) if !range.is_empty() => {
                    read_range(file, &old_shown, range.start, range.end - range.start, &mut self.base)?;
                    Some(Base { file, start: range.start, common: Common::of(&self.new, &self.base) })
                }
                _ => None,
            };
            let outcome = blocks::write(target, shown, part.start, &self.new, base.as_ref())?;
            self.written.shared += outcome.shared;
            self.written.written += outcome.written;
            (self.report)(self.written.shared + self.written.written);
        }
        Ok(())
    }
}

/// Fills the buffer with so many bytes of the file. A file that has fewer was changed meanwhile.
fn read_range(file: &File, shown: &Path, start: u64, length: u64, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    append_range(file, shown, start, length, buffer)
}

/// Appends a piece of the file to the buffer, padded to the grid of units.
pub fn append_piece(file: &File, shown: &Path, range: &Range<u64>, buffer: &mut Vec<u8>) -> Result<()> {
    append_range(file, shown, range.start, range.end - range.start, buffer)?;
    buffer.resize(buffer.len().next_multiple_of(GRID), 0);
    Ok(())
}

fn append_range(file: &File, shown: &Path, start: u64, length: u64, buffer: &mut Vec<u8>) -> Result<()> {
    let length = usize::try_from(length).map_err(|_| changed(shown))?;
    let end = buffer.len();
    buffer.resize(end + length, 0);
    match file.read_exact_at(&mut buffer[end..], start) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(changed(shown)),
        outcome => outcome.or_cannot("read", shown),
    }
}
