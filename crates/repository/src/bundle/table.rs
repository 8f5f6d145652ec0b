//! The table of a bundle.

use std::io::{self, Read};
use std::ops::Range;

use delta::codec::{Reader, Writer, invalid};
use delta::hash::Hash;
use delta::segment::SEGMENT;
use delta::unit::MOST_OLD;

use super::names::{NameReader, NameWriter, Names, Side};

const MAGIC: [u8; 8] = *b"BRBUNDL\x01";
/// Bytes of a table, unpacked, at most.
const MOST_TABLE: usize = 64 << 20;
/// Bytes of an answer at most: the contents of a unit in their forms do not become longer by compression than this.
const MOST_ANSWER: u64 = 32 << 20;
/// zstd's level for the table.
const LEVEL: i32 = 19;

/// What a bundle has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Contents in units.
    pub units: Vec<BundledUnit>,
    /// Contents that pack files of the new tree.
    pub recipes: Vec<BundledRecipe>,
}

/// An answer in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its bytes.
    pub length: u64,
    /// Their hash.
    pub hash: Hash,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundledUnit {
    /// The answer.
    pub answer: Answered,
    /// Its pieces, in order.
    pub pieces: Vec<BundledPiece>,
}

/// A piece of a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundledPiece {
    /// The new content.
    pub content: Hash,
    /// The range of its bytes.
    pub new: Range<u64>,
    /// The old content with which it is compared, and the range of its bytes.
    pub old: Option<(Hash, Range<u64>)>,
}

/// A content that packs files of the new tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundledRecipe {
    /// The recipe.
    pub answer: Answered,
    /// The content that it makes.
    pub content: Hash,
    /// The old content with whose literals its own are compared.
    pub old: Option<Hash>,
    /// The files that it names.
    pub files: Vec<Hash>,
}

impl Table {
    /// All answers, in order: those with recipes come first, because it takes time to carry a recipe out.
    pub fn answers(&self) -> impl Iterator<Item = Answered> {
        let recipes = self.recipes.iter().map(|recipe| recipe.answer);
        recipes.chain(self.units.iter().map(|unit| unit.answer))
    }

    /// The head of the bundle.
    pub fn to_head(&self, names: Names<'_>) -> io::Result<Vec<u8>> {
        let table = zstd::bulk::compress(&self.to_bytes(&mut names.writer())?, LEVEL)?;
        let mut to = Writer(MAGIC.to_vec());
        to.bytes(&table);
        Ok(to.0)
    }

    fn to_bytes(&self, names: &mut NameWriter) -> io::Result<Vec<u8>> {
        let mut to = Writer::default();
        to.number(self.units.len() as u64);
        for unit in &self.units {
            put_answer(&mut to, unit.answer);
            to.number(unit.pieces.len() as u64);
            for piece in &unit.pieces {
                names.write(&mut to, Side::New, piece.content)?;
                put_range(&mut to, &piece.new);
                to.number(piece.old.is_some().into());
                if let Some((old, range)) = &piece.old {
                    names.write(&mut to, Side::Old, *old)?;
                    put_range(&mut to, range);
                }
            }
        }
        to.number(self.recipes.len() as u64);
        for recipe in &self.recipes {
            put_answer(&mut to, recipe.answer);
            names.write(&mut to, Side::New, recipe.content)?;
            to.number(recipe.old.is_some().into());
            if let Some(old) = recipe.old {
                names.write(&mut to, Side::Old, old)?;
            }
            to.number(recipe.files.len() as u64);
            for file in &recipe.files {
                names.write(&mut to, Side::New, *file)?;
            }
        }
        Ok(to.0)
    }

    /// Reads the head of a bundle. It is signed, and still not trusted to be well formed.
    pub fn read(head: &[u8], names: Names<'_>) -> io::Result<Self> {
        let mut from = Reader(head);
        if from.raw()? != MAGIC {
            return Err(invalid("this is no bundle, or one of a newer version"));
        }
        let packed = from.bytes(head.len())?;
        if !from.0.is_empty() {
            return Err(invalid("bytes after a table"));
        }
        let mut bytes = Vec::new();
        zstd::Decoder::new(&*packed)?.single_frame().take(MOST_TABLE as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MOST_TABLE {
            return Err(invalid("a table that is too long"));
        }
        let mut from = Reader(bytes.as_slice());
        let table = read_table(&mut from, &mut names.reader())?;
        if from.0.is_empty() { Ok(table) } else { Err(invalid("more in a table than announced")) }
    }
}

fn put_answer(to: &mut Writer, answer: Answered) {
    to.number(answer.length);
    to.raw(&answer.hash.0);
}

fn put_range(to: &mut Writer, range: &Range<u64>) {
    to.number(range.start);
    to.number(range.end - range.start);
}

fn read_table(from: &mut Reader<&[u8]>, names: &mut NameReader<'_>) -> io::Result<Table> {
    let mut table = Table::default();
    for _ in 0..from.count(from.0.len())? {
        let answer = answer(from)?;
        let mut pieces = Vec::new();
        let (mut new, mut old) = (0u64, 0u64);
        for _ in 0..from.count(from.0.len())? {
            let piece = piece(from, names)?;
            new = new.saturating_add(delta::unit::padded(&piece.new));
            old = old.saturating_add(piece.old.as_ref().map_or(0, |(_, range)| delta::unit::padded(range)));
            pieces.push(piece);
        }
        if new > SEGMENT || old > MOST_OLD {
            return Err(invalid("a unit that is too large"));
        }
        table.units.push(BundledUnit { answer, pieces });
    }
    for _ in 0..from.count(from.0.len())? {
        let answer = answer(from)?;
        let content = names.read(from, Side::New)?;
        let old = if flag(from)? { Some(names.read(from, Side::Old)?) } else { None };
        let mut files = Vec::new();
        for _ in 0..from.count(from.0.len())? {
            files.push(names.read(from, Side::New)?);
        }
        table.recipes.push(BundledRecipe { answer, content, old, files });
    }
    Ok(table)
}

fn piece(from: &mut Reader<&[u8]>, names: &mut NameReader<'_>) -> io::Result<BundledPiece> {
    let content = names.read(from, Side::New)?;
    let new = range(from, SEGMENT)?;
    let old = if flag(from)? { Some((names.read(from, Side::Old)?, range(from, MOST_OLD)?)) } else { None };
    Ok(BundledPiece { content, new, old })
}

fn answer(from: &mut Reader<&[u8]>) -> io::Result<Answered> {
    let length = from.number()?;
    if length > MOST_ANSWER {
        return Err(invalid("an answer that is too long"));
    }
    Ok(Answered { length, hash: Hash(from.raw()?) })
}

fn range(from: &mut Reader<&[u8]>, most: u64) -> io::Result<Range<u64>> {
    let (start, length) = (from.number()?, from.number()?);
    let end = start.checked_add(length).filter(|_| length <= most);
    end.map(|end| start..end).ok_or_else(|| invalid("a piece that is too long"))
}

fn flag(from: &mut Reader<&[u8]>) -> io::Result<bool> {
    match from.number()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid("an unknown mark in a table")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let hash = |text: &str| Hash::of(text.as_bytes());
        let answer = |length| Answered { length, hash: hash("answer") };
        Table {
            units: vec![BundledUnit {
                answer: answer(100),
                pieces: vec![
                    BundledPiece { content: hash("a"), new: 0..10, old: None },
                    BundledPiece { content: hash("b"), new: 5..10, old: Some((hash("c"), 0..7)) },
                ],
            }],
            recipes: vec![BundledRecipe {
                answer: answer(7),
                content: hash("d"),
                old: Some(hash("c")),
                files: vec![hash("a"), hash("b")],
            }],
        }
    }

    #[test]
    fn a_table_comes_back() {
        let table = table();
        let head = table.to_head(Names::Hashes).unwrap();
        assert_eq!(Table::read(&head, Names::Hashes).unwrap(), table);
        assert_eq!(table.answers().map(|answer| answer.length).collect::<Vec<_>>(), [7, 100]);
    }

    #[test]
    fn no_damaged_head_is_read() {
        let head = table().to_head(Names::Hashes).unwrap();
        for length in 0..head.len() {
            assert!(Table::read(&head[..length], Names::Hashes).is_err(), "{length} bytes");
        }
        for wrong in [&b"BRBUNDL\x02"[..], b"", b"BRBUNDL\x01\x05"] {
            assert!(Table::read(wrong, Names::Hashes).is_err());
        }
    }

    #[test]
    fn claims_are_bounded() {
        let mut large = table();
        large.units[0].pieces[0].new = 0..SEGMENT;
        let head = large.to_head(Names::Hashes).unwrap();
        assert!(Table::read(&head, Names::Hashes).is_err(), "a unit that is too large");
        let mut long = table();
        long.units[0].answer.length = MOST_ANSWER + 1;
        assert!(Table::read(&long.to_head(Names::Hashes).unwrap(), Names::Hashes).is_err());
    }
}
