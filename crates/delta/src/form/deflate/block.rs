//! Blocks of a deflate stream, in the kind that gzip and zlib choose.

use super::symbol::{
    Coded, DISTANCE_EXTRA, DISTANCES, END, LENGTH_EXTRA, LITERALS, Symbol, distance_code, length_code,
};
use super::tree::{Alphabet, Tree, codes};

/// So often the block is looked at: it ends early where it compresses well by literals.
const LOOK: usize = 0x1000;

const STORED: u64 = 0;
const FIXED: u64 = 1;
const DYNAMIC: u64 = 2;

const LITERAL_ALPHABET: Alphabet =
    Alphabet { extra: &LENGTH_EXTRA, first: END + 1, longest: 15, fixed: fixed_literal };
const DISTANCE_ALPHABET: Alphabet = Alphabet { extra: &DISTANCE_EXTRA, first: 0, longest: 15, fixed: |_| 5 };
const LENGTH_ALPHABET: Alphabet = Alphabet { extra: &[2, 3, 7], first: REPEAT, longest: 7, fixed: |_| 0 };

/// The code that repeats the last length; the next two are for few and for many zeros.
const REPEAT: usize = 16;
const FEW_ZEROS: usize = 17;
const MANY_ZEROS: usize = 18;
/// The order in which the lengths of the codes of lengths are written.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The length of a literal's or length's fixed code.
fn fixed_literal(symbol: usize) -> u8 {
    match symbol {
        144..=255 => 9,
        256..=279 => 7,
        _ => 8,
    }
}

/// Writes bits, the lowest first.
#[derive(Default)]
pub struct Bits {
    /// Whole bytes.
    pub bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits {
    /// Appends the lowest `count` bits, at most 32.
    fn put(&mut self, value: u64, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&self.held.to_le_bytes()[..4]);
            self.held >>= 32;
            self.count -= 32;
        }
    }

    /// Fills the last byte with zeros.
    pub fn align(&mut self) {
        let bytes = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.held.to_le_bytes()[..bytes]);
        (self.held, self.count) = (0, 0);
    }
}

/// The symbols of the block that is being collected.
pub struct Block {
    symbols: Vec<Symbol>,
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    matches: usize,
    most: usize,
    may_end_early: bool,
}

impl Block {
    /// An empty block of at most so many symbols, without its end.
    pub fn new(most: usize, may_end_early: bool) -> Self {
        let (literals, distances) = ([0; LITERALS], [0; DISTANCES]);
        Block { symbols: Vec::new(), literals, distances, matches: 0, most, may_end_early }
    }

    /// Adds a symbol. `covered` is the number of bytes of the block before the place that is looked at. Returns whether the block is to
    /// end here.
    pub fn add(&mut self, symbol: Symbol, covered: usize) -> bool {
        self.symbols.push(symbol);
        match symbol {
            Symbol::Literal(byte) => self.literals[usize::from(byte)] += 1,
            Symbol::Match { length, distance } => {
                self.literals[END + 1 + length_code(length).code] += 1;
                self.distances[distance_code(distance).code] += 1;
                self.matches += 1;
            }
        }
        if self.may_end_early && self.symbols.len().is_multiple_of(LOOK) {
            let bits = self.distances.iter().zip(DISTANCE_EXTRA);
            let bits: usize = bits.map(|(&count, extra)| count as usize * (5 + usize::from(extra))).sum();
            let written = (self.symbols.len() * 8 + bits) / 8;
            if self.matches < self.symbols.len() / 2 && written < covered / 2 {
                return true;
            }
        }
        self.symbols.len() == self.most
    }

    /// Writes the block and begins the next. `plain` are its bytes, unless the window has lost them.
    pub fn end(&mut self, plain: Option<&[u8]>, size: usize, is_last: bool, to: &mut Bits) {
        self.literals[END] = 1;
        let literals = Tree::new(&self.literals, &LITERAL_ALPHABET);
        let distances = Tree::new(&self.distances, &DISTANCE_ALPHABET);
        let lengths = Lengths::of(&literals, &distances);
        let bytes = |bits: u64| (bits + 3).div_ceil(8);
        let dynamic = bytes(literals.bits + distances.bits + lengths.bits());
        let fixed = bytes(literals.fixed_bits + distances.fixed_bits);
        let last = u64::from(is_last);
        match plain {
            Some(plain) if size as u64 + 4 <= dynamic.min(fixed) => {
                to.put(STORED << 1 | last, 3);
                to.align();
                let size = u16::try_from(size).unwrap_or(u16::MAX);
                to.bytes.extend_from_slice(&size.to_le_bytes());
                to.bytes.extend_from_slice(&(!size).to_le_bytes());
                to.bytes.extend_from_slice(plain);
            }
            _ if fixed <= dynamic => {
                to.put(FIXED << 1 | last, 3);
                let lengths: Vec<u8> = (0..LITERALS + 2).map(fixed_literal).collect();
                let literals = Codes { codes: codes(&lengths), lengths: &lengths };
                self.write(&literals, &Codes { codes: codes(&[5; DISTANCES]), lengths: &[5; DISTANCES] }, to);
            }
            _ => {
                to.put(DYNAMIC << 1 | last, 3);
                to.put(literals.last as u64 - 256, 5);
                to.put(distances.last as u64, 5);
                lengths.write(to);
                self.write(&Codes::of(&literals), &Codes::of(&distances), to);
            }
        }
        self.symbols.clear();
        self.matches = 0;
        (self.literals, self.distances) = ([0; LITERALS], [0; DISTANCES]);
    }

    fn write(&self, literals: &Codes<'_>, distances: &Codes<'_>, to: &mut Bits) {
        for symbol in &self.symbols {
            match *symbol {
                Symbol::Literal(byte) => literals.put(usize::from(byte), to),
                Symbol::Match { length, distance } => {
                    let Coded { code, bits, extra } = length_code(length);
                    literals.put(END + 1 + code, to);
                    to.put(u64::from(extra), u32::from(bits));
                    let Coded { code, bits, extra } = distance_code(distance);
                    distances.put(code, to);
                    to.put(u64::from(extra), u32::from(bits));
                }
            }
        }
        literals.put(END, to);
    }
}

/// Codes to write with.
struct Codes<'a> {
    codes: Vec<u16>,
    lengths: &'a [u8],
}

impl<'a> Codes<'a> {
    fn of(tree: &'a Tree) -> Self {
        Codes { codes: codes(&tree.lengths), lengths: &tree.lengths }
    }

    fn put(&self, symbol: usize, to: &mut Bits) {
        to.put(u64::from(self.codes[symbol]), u32::from(self.lengths[symbol]));
    }
}

/// The lengths of the codes of a block, as they are written: by a code of their own.
struct Lengths {
    /// Code, extra bits, their value.
    runs: Vec<(usize, u32, u64)>,
    tree: Tree,
    /// Lengths of the tree that are written.
    count: usize,
}

impl Lengths {
    fn of(literals: &Tree, distances: &Tree) -> Self {
        let mut runs = Vec::new();
        append_runs(&literals.lengths[..=literals.last], &mut runs);
        append_runs(&distances.lengths[..=distances.last], &mut runs);
        let mut frequencies = [0; ORDER.len()];
        for (code, ..) in &runs {
            frequencies[*code] += 1;
        }
        let tree = Tree::new(&frequencies, &LENGTH_ALPHABET);
        let used = ORDER.iter().rposition(|&code| tree.lengths[code] != 0);
        Lengths { runs, tree, count: used.unwrap_or(0).max(3) + 1 }
    }

    fn bits(&self) -> u64 {
        self.tree.bits + 3 * self.count as u64 + 5 + 5 + 4
    }

    fn write(&self, to: &mut Bits) {
        to.put(self.count as u64 - 4, 4);
        for &code in &ORDER[..self.count] {
            to.put(u64::from(self.tree.lengths[code]), 3);
        }
        let codes = Codes::of(&self.tree);
        for &(code, bits, extra) in &self.runs {
            codes.put(code, to);
            to.put(extra, bits);
        }
    }
}

/// Lengths as runs. zlib cuts runs in its own way: the first of equal lengths is no part of the repetition, but the first of zeros is.
fn append_runs(lengths: &[u8], runs: &mut Vec<(usize, u32, u64)>) {
    let mut previous = None;
    for run in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (run[0], run.len());
        while left > 0 {
            let (most, least) = match length {
                0 => (138, 3),
                _ if previous == Some(length) => (6, 3),
                _ => (7, 4),
            };
            let count = left.min(most);
            left -= count;
            if count < least {
                runs.extend(std::iter::repeat_n((usize::from(length), 0, 0), count));
            } else if length != 0 {
                let repeated = if previous == Some(length) {
                    count
                } else {
                    runs.push((usize::from(length), 0, 0));
                    count - 1
                };
                runs.push((REPEAT, 2, repeated as u64 - 3));
            } else if count <= 10 {
                runs.push((FEW_ZEROS, 3, count as u64 - 3));
            } else {
                runs.push((MANY_ZEROS, 7, count as u64 - 11));
            }
            previous = Some(length);
        }
    }
}
