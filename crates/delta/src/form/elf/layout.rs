//! The order in which the parts of a file go through: string tables first, because symbols are described by their names, then symbol
//! tables, because relocations are described by their symbols, then the rest in the order of the file.

use std::ops::Range;

use super::headers::{HEAD, Section};
use super::keys::MOST_SYMBOLS;

/// A part of the file.
pub struct Part {
    /// Its bytes.
    pub range: Range<usize>,
    /// What they are.
    pub content: Content,
}

/// What the bytes of a part are.
pub enum Content {
    /// Something that goes through as it is.
    Bytes,
    /// A symbol table: its section, and the range of its names.
    Symbols { section: usize, names: Range<usize> },
    /// Relocations, and the section of their symbols.
    Relocations { symbols: usize },
    /// BTF.
    Types,
}

const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const RELA: u32 = 4;
const DYNSYM: u32 = 11;
/// Bytes of a symbol, and of a relocation.
const ENTRY: usize = 24;

/// The ranges of a file, which do not overlap.
pub struct Layout<'a> {
    sections: &'a [Section],
    /// All bytes but those of the file's header and the section headers, each range with its section. Bytes of no section are between them.
    ranges: Vec<(Range<usize>, Option<usize>)>,
    /// For each section, its bytes, unless another section has some of them too.
    own: Vec<Option<Range<usize>>>,
}

impl<'a> Layout<'a> {
    /// The ranges of a file of `size` bytes.
    pub fn new(sections: &'a [Section], table: &Range<usize>, size: usize) -> Self {
        let with_bytes = sections
            .iter()
            .enumerate()
            .filter_map(|(section, header)| Some((header.range(size)?, Some(section))));
        let mut found: Vec<_> = with_bytes.chain([(table.clone(), None)]).collect();
        found.sort_by_key(|(range, section)| (range.start, section.is_some(), range.end));
        let mut layout = Layout { sections, ranges: Vec::new(), own: vec![None; sections.len()] };
        let mut at = HEAD;
        for (range, section) in found {
            if range.start < at || (section.is_some() && range.start < table.end && table.start < range.end) {
                continue;
            }
            layout.between(at..range.start);
            at = range.end;
            if let Some(section) = section {
                layout.own[section] = Some(range.clone());
                layout.ranges.push((range, Some(section)));
            }
        }
        layout.between(at..size);
        layout
    }

    fn between(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.ranges.push((range, None));
        }
    }

    /// The range of a string table, if the section is one.
    pub fn strings(&self, section: usize) -> Option<Range<usize>> {
        self.of_kind(section, STRTAB)
    }

    fn of_kind(&self, section: usize, kind: u32) -> Option<Range<usize>> {
        self.own.get(section)?.clone().filter(|_| self.sections[section].kind() == kind)
    }

    /// The symbol table of the kind: the first one that has names.
    fn symbols(&self, kind: u32) -> Option<(usize, Content)> {
        (0..self.sections.len()).find_map(|section| {
            self.of_kind(section, kind).filter(|range| self.is_table(section, range))?;
            let names = self.strings(self.sections[section].link())?;
            Some((section, Content::Symbols { section, names }))
        })
    }

    fn is_table(&self, section: usize, range: &Range<usize>) -> bool {
        self.sections[section].entry() == ENTRY as u64 && range.len().is_multiple_of(ENTRY)
    }

    /// The parts of the file in their order; `types` is the section with BTF.
    pub fn parts(&self, types: Option<usize>) -> Vec<Part> {
        let mut known: Vec<(usize, Content)> =
            [SYMTAB, DYNSYM].into_iter().filter_map(|kind| self.symbols(kind)).collect();
        let tables: Vec<usize> = known.iter().map(|(section, _)| *section).collect();
        let mut parts: Vec<(u8, Part)> = Vec::new();
        for (range, section) in &self.ranges {
            let (rank, content) = match section {
                Some(section) if self.strings(*section).is_some() => (0, Content::Bytes),
                Some(section) if tables.contains(section) => {
                    let place = known.iter().position(|(other, _)| other == section);
                    (1, place.map_or(Content::Bytes, |place| known.swap_remove(place).1))
                }
                Some(section) if self.relocates(*section, range, &tables) => {
                    (2, Content::Relocations { symbols: self.sections[*section].link() })
                }
                Some(section) if Some(*section) == types => (2, Content::Types),
                _ => (2, Content::Bytes),
            };
            parts.push((rank, Part { range: range.clone(), content }));
        }
        parts.sort_by_key(|(rank, _)| *rank);
        parts.into_iter().map(|(_, part)| part).collect()
    }

    /// Whether the section has relocations of one of the symbol tables, which must not be too long.
    fn relocates(&self, section: usize, range: &Range<usize>, tables: &[usize]) -> bool {
        let header = &self.sections[section];
        header.kind() == RELA
            && self.is_table(section, range)
            && tables.contains(&header.link())
            && self.own[header.link()].as_ref().is_some_and(|table| table.len() / ENTRY <= MOST_SYMBOLS)
    }
}
