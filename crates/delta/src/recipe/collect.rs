//! Collects what an initramfs consists of.

use std::io::{self, Read};

use super::source::{Source, unknown};
use super::{Packing, Recipe, Section};
use crate::index::NewIndex;

/// Literals of one recipe at most.
pub const MOST_LITERALS: usize = 16 << 20;
/// Shorter members are literals: naming a file is not much shorter.
const SHORTEST: usize = 256;

/// Finds the file of a tree that a member is, if it is one. An error ends the collecting.
pub type Find<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<Option<NewIndex>>;

/// Collects a recipe.
pub struct Collect<'a> {
    find: Find<'a>,
    recipe: Recipe,
    section: Section,
    buffer: Vec<u8>,
}

impl<'a> Collect<'a> {
    /// Members that `find` finds are named; all else are literals.
    pub fn new(find: Find<'a>) -> Self {
        Collect { find, recipe: Recipe::default(), section: Section::default(), buffer: Vec::new() }
    }

    /// Takes so many bytes as literals.
    pub fn literal<R: Read>(&mut self, from: &mut Source<R>, length: usize) -> io::Result<()> {
        if self.recipe.literals.len() + length > MOST_LITERALS {
            return Err(unknown());
        }
        from.take(length, &mut self.recipe.literals)?;
        self.section.rest += length as u64;
        Ok(())
    }

    /// Takes the rest of the stream as literals.
    pub fn rest<R: Read>(&mut self, from: &mut Source<R>) -> io::Result<()> {
        loop {
            let length = from.peek(1)?.len();
            if length == 0 {
                return Ok(());
            }
            self.literal(from, length)?;
        }
    }

    /// Takes a member of so many bytes.
    pub fn member<R: Read>(&mut self, from: &mut Source<R>, size: usize) -> io::Result<()> {
        if size < SHORTEST {
            return self.literal(from, size);
        }
        self.buffer.clear();
        from.take(size, &mut self.buffer)?;
        if let Some(file) = (self.find)(&self.buffer)? {
            let literals = std::mem::take(&mut self.section.rest);
            self.section.files.push((literals, file));
            return Ok(());
        }
        if self.recipe.literals.len() + size > MOST_LITERALS {
            return Err(unknown());
        }
        self.recipe.literals.extend_from_slice(&self.buffer);
        self.section.rest += size as u64;
        Ok(())
    }

    /// Ends a section.
    pub fn end(&mut self, packing: Option<Packing>) {
        let section = Section { packing, ..std::mem::take(&mut self.section) };
        if section != Section::default() {
            self.recipe.sections.push(section);
        }
    }

    /// What was collected.
    pub fn finish(self) -> Recipe {
        self.recipe
    }
}
