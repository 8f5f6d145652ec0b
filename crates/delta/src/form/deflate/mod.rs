//! Deflate as GNU gzip and zlib do it, byte for byte.
//!
//! Who has the plain text of a gzip file and the level of its making has the file. For that, every choice of GNU gzip (from 1.2.4 on) or zlib
//! has to be met: which match it finds, where a block ends, which of many optimal codes it uses, when its window moves. The algorithm is that
//! of Jean-loup Gailly and Mark Adler in both programs, which differ in details ([`Program`]); the standard is RFC 1951. This is no general
//! compressor: what it writes never changes.

mod block;
mod symbol;
mod tree;

use block::{Bits, Block};
use symbol::{SHORTEST, Symbol};

/// The longest distance that is possible.
const REACH: usize = 1 << 15;
/// Bytes of the window: it moves by half of them.
const WINDOW: usize = 2 * REACH;
const LONGEST: usize = 258;
/// With fewer bytes ahead, the window is filled.
const LEAST_AHEAD: usize = LONGEST + SHORTEST + 1;
/// The longest distance that is used.
const FARTHEST: usize = REACH - LEAST_AHEAD;
/// A match of three bytes is not used from farther.
const TOO_FAR: usize = 4096;
/// No place: the first byte of the window is never matched.
const NONE: u16 = 0;
/// Room behind the window, because strings are compared beyond the end of the bytes.
const SPARE: usize = 512;
const MASK: usize = REACH - 1;

/// A program that compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// GNU gzip. It ends a block early where that seems to be better, and looks for no matches near the end of the window.
    Gzip,
    /// zlib with its usual memory, which Java and Python have. Its blocks are shorter.
    Zlib,
}

impl Program {
    /// Symbols of a block at most, without its end.
    fn most_symbols(self) -> usize {
        match self {
            Program::Gzip => (1 << 15) - 1,
            Program::Zlib => (1 << 14) - 1,
        }
    }
}

/// The effort at a level of gzip.
struct Effort {
    /// From this length on, only a quarter of the chain is searched for a better match.
    good: usize,
    /// From this length on, no better match is looked for at the next byte. Up to level 3: longer matches are not entered into the chains.
    lazy: usize,
    /// From this length on, a match is good enough.
    nice: usize,
    /// Places of a chain that are looked at.
    chain: usize,
}

/// The levels of gzip, 1 to 9.
const EFFORTS: [Effort; 9] = [
    Effort { good: 4, lazy: 4, nice: 8, chain: 4 },
    Effort { good: 4, lazy: 5, nice: 16, chain: 8 },
    Effort { good: 4, lazy: 6, nice: 32, chain: 32 },
    Effort { good: 4, lazy: 4, nice: 16, chain: 16 },
    Effort { good: 8, lazy: 16, nice: 32, chain: 32 },
    Effort { good: 8, lazy: 16, nice: 128, chain: 128 },
    Effort { good: 8, lazy: 32, nice: 128, chain: 256 },
    Effort { good: 32, lazy: 128, nice: 258, chain: 1024 },
    Effort { good: 32, lazy: 258, nice: 258, chain: 4096 },
];
/// The last level that takes each match at once.
const LAST_EAGER: u8 = 3;

/// Compresses a stream.
pub struct Encoder {
    program: Program,
    effort: &'static Effort,
    is_eager: bool,
    window: Box<[u8; WINDOW + SPARE]>,
    /// The last place of each hash, and for each place the one before it with the same hash.
    heads: Box<[u16; REACH]>,
    chain: Box<[u16; REACH]>,
    /// The place that is looked at, and bytes from there on.
    at: usize,
    ahead: usize,
    /// Bytes that have arrived behind those, and bytes that may still arrive, until they count. gzip reads so much at a time.
    arrived: usize,
    room: usize,
    has_ended: bool,
    block: Block,
    /// Bytes that have left the window, and bytes before the block.
    left: usize,
    begun: usize,
    /// The match at the byte before.
    found: Match,
    /// Whether it is still open what the byte before becomes.
    is_open: bool,
    bits: Bits,
}

impl Encoder {
    /// Compresses like the program at this level, 1 to 9; `None` for other levels.
    pub fn new(program: Program, level: u8) -> Option<Self> {
        let effort = EFFORTS.get(usize::from(level).checked_sub(1)?)?;
        let block = Block::new(program.most_symbols(), program == Program::Gzip && level > 2);
        Some(Encoder {
            program,
            effort,
            is_eager: level <= LAST_EAGER,
            window: boxed(),
            heads: boxed(),
            chain: boxed(),
            at: 0,
            ahead: 0,
            arrived: 0,
            room: WINDOW,
            has_ended: false,
            block,
            left: 0,
            begun: 0,
            found: NO_MATCH,
            is_open: false,
            bits: Bits::default(),
        })
    }

    /// Takes in the next plain bytes, and returns what is compressed by now and was not returned before.
    pub fn push(&mut self, mut plain: &[u8]) -> Vec<u8> {
        while !plain.is_empty() {
            let (now, later) = plain.split_at(plain.len().min(self.room));
            let place = self.at + self.ahead + self.arrived;
            self.window[place..place + now.len()].copy_from_slice(now);
            self.arrived += now.len();
            self.room -= now.len();
            plain = later;
            if self.room == 0 {
                self.take_in();
            }
        }
        std::mem::take(&mut self.bits.bytes)
    }

    /// Ends the stream, and returns the last compressed bytes.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.has_ended {
            self.take_in();
        }
        if self.is_open {
            self.add(Symbol::Literal(self.window[self.at - 1]));
        }
        self.end_block(true);
        self.bits.align();
        self.bits.bytes
    }

    /// Makes the arrived bytes count, works until too few are ahead, and makes room for the next.
    fn take_in(&mut self) {
        if self.arrived == 0 {
            self.has_ended = true;
            let end = self.at + self.ahead;
            self.window[end..end + SHORTEST - 1].fill(0);
        }
        self.ahead += std::mem::take(&mut self.arrived);
        self.room = 0;
        while self.ahead >= LEAST_AHEAD || (self.has_ended && self.ahead > 0) {
            // gzip does not move the window any more when all has been read.
            if self.has_ended && self.program == Program::Zlib {
                self.make_room();
            }
            if self.is_eager { self.eager() } else { self.lazy() }
        }
        if !self.has_ended {
            self.make_room();
        }
    }

    fn make_room(&mut self) {
        self.room = WINDOW - self.ahead - self.at;
        if self.at < REACH + FARTHEST {
            return;
        }
        self.window.copy_within(REACH..WINDOW, 0);
        self.at -= REACH;
        self.left += REACH;
        for place in self.heads.iter_mut().chain(self.chain.iter_mut()) {
            *place = place.saturating_sub(1 << 15);
        }
        self.room += REACH;
    }

    /// Enters the string at this place into its chain, and returns the last place with the same hash.
    fn enter(&mut self, at: usize) -> u16 {
        let [a, b, c] = [0, 1, 2].map(|byte| usize::from(self.window[at + byte]));
        let head = &mut self.heads[(a << 10 ^ b << 5 ^ c) & MASK];
        let before = *head;
        self.chain[at & MASK] = before;
        *head = u16::try_from(at).unwrap_or(NONE);
        before
    }

    /// Takes a match where there is one.
    fn eager(&mut self) {
        let before = self.enter(self.at);
        let found = if self.is_in_reach(before) { self.longest(before, SHORTEST - 1) } else { NO_MATCH };
        let ends = if found.length < SHORTEST {
            let ends = self.add(Symbol::Literal(self.window[self.at]));
            self.at += 1;
            self.ahead -= 1;
            ends
        } else {
            let ends = self.add(found.symbol());
            if found.length <= self.effort.lazy {
                for at in self.at + 1..self.at + found.length {
                    self.enter(at);
                }
            }
            self.at += found.length;
            self.ahead -= found.length;
            ends
        };
        if ends {
            self.end_block(false);
        }
    }

    /// Takes the match of the byte before, unless there is a better one here.
    fn lazy(&mut self) {
        let before = self.enter(self.at);
        let earlier = std::mem::replace(&mut self.found, NO_MATCH);
        if earlier.length < self.effort.lazy && self.is_in_reach(before) {
            let found = self.longest(before, earlier.length);
            if found.length != SHORTEST || found.distance <= TOO_FAR {
                self.found = found;
            }
        }
        if earlier.length >= SHORTEST && self.found.length <= earlier.length {
            let ends = self.add(earlier.symbol());
            let end = self.at - 1 + earlier.length;
            for at in self.at + 1..end {
                self.enter(at);
            }
            self.at = end;
            self.ahead -= earlier.length - 1;
            self.is_open = false;
            self.found = NO_MATCH;
            if ends {
                self.end_block(false);
            }
            return;
        }
        if self.is_open && self.add(Symbol::Literal(self.window[self.at - 1])) {
            self.end_block(false);
        }
        self.is_open = true;
        self.at += 1;
        self.ahead -= 1;
    }

    fn is_in_reach(&self, place: u16) -> bool {
        let looks = self.program == Program::Zlib || self.at <= WINDOW - LEAST_AHEAD;
        place != NONE && self.at - usize::from(place) <= FARTHEST && looks
    }

    /// The longest match in a chain. It is longer than `least`, or none.
    fn longest(&self, mut place: u16, least: usize) -> Match {
        let limit = self.at.saturating_sub(FARTHEST);
        let here = &self.window[self.at..self.at + LONGEST];
        let mut best = Match { length: least, distance: 0 };
        // zlib takes what lasts to the end of the stream, gzip looks on.
        let nice = match self.program {
            Program::Gzip => self.effort.nice,
            Program::Zlib => self.effort.nice.min(self.ahead),
        };
        let mut chain = if least >= self.effort.good { self.effort.chain >> 2 } else { self.effort.chain };
        loop {
            let start = usize::from(place);
            let there = &self.window[start..start + LONGEST];
            // `best.length` is less than 258: with that, the search ends.
            if there[best.length] == here[best.length] && there[best.length - 1] == here[best.length - 1] {
                let length = common(there, here);
                if length > best.length {
                    best = Match { length, distance: self.at - start };
                    if length >= nice {
                        break;
                    }
                }
            }
            place = self.chain[start & MASK];
            chain -= 1;
            if usize::from(place) <= limit || chain == 0 {
                break;
            }
        }
        Match { length: best.length.min(self.ahead), ..best }
    }

    fn add(&mut self, symbol: Symbol) -> bool {
        self.block.add(symbol, self.left + self.at - self.begun)
    }

    fn end_block(&mut self, is_last: bool) {
        let end = self.left + self.at;
        let plain = self.begun.checked_sub(self.left).map(|begun| &self.window[begun..self.at]);
        self.block.end(plain, end - self.begun, is_last, &mut self.bits);
        self.begun = end;
    }
}

/// A match.
#[derive(Clone, Copy)]
struct Match {
    length: usize,
    distance: usize,
}

/// A match that is too short.
const NO_MATCH: Match = Match { length: SHORTEST - 1, distance: 0 };

impl Match {
    fn symbol(self) -> Symbol {
        let length = u8::try_from(self.length - SHORTEST).unwrap_or(u8::MAX);
        Symbol::Match { length, distance: u16::try_from(self.distance).unwrap_or(u16::MAX) }
    }
}

/// The number of bytes that two strings have in common at their beginning.
fn common(a: &[u8], b: &[u8]) -> usize {
    let (words, _) = a.as_chunks::<8>();
    let (others, _) = b.as_chunks::<8>();
    let mut length = 0;
    for (a, b) in words.iter().zip(others) {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return length + differ.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = a[length..].iter().zip(&b[length..]);
    length + rest.take_while(|(a, b)| a == b).count()
}

/// An array of zeros, made on the heap.
fn boxed<T: Copy + Default + std::fmt::Debug, const N: usize>() -> Box<[T; N]> {
    let zeros: Box<[T]> = vec![T::default(); N].into();
    zeros.try_into().unwrap_or_else(|_| Box::new([T::default(); N]))
}
