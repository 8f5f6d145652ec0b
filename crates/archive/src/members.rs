//! Reads an archive member by member.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use system::error::{Error, Result};
use system::signal;
use tar_core::parse::{Limits, ParseError, ParseEvent, Parser};
use tar_core::{EntryType, Header, HeaderError};

use crate::Options;
use crate::compression::{Ends, NAMES, TooMuchMemory};
use crate::member::{Entry, Member, Reading};
use crate::name::shown;
use crate::pax;
use crate::stream::Stream;

/// Blocks of an archive, in bytes.
const BLOCK: u64 = 512;

/// Most bytes of the headers of one member. The kernel allows 64 KiB for an attribute, and a file has few.
const MOST_METADATA: u32 = 4 << 20;

/// Most parts of a file with holes: more than any real file has.
const MOST_PARTS: usize = 1 << 18;

/// Most bytes of the records that apply to all members. Each member is given them.
const MOST_GLOBAL: usize = 64 << 10;

/// Most bytes of a member's headers and its map of holes together.
const MOST_HEADERS: usize = 16 << 20;

/// Most different things that are named because they were left out. More are only counted.
const MOST_LEFT_OUT: usize = 64;

/// The reader of an archive.
pub struct Members<'a> {
    stream: Stream<'a>,
    parser: Parser,
    source: PathBuf,
    ends: &'a Ends,
    taken: &'a AtomicU64,
    /// The archive is known to be whole, so it needs no end of its own, and may be empty.
    whole: bool,
    /// First components of names that are left out.
    strip: usize,
    /// Records that apply to all following members.
    global: BTreeMap<String, Vec<u8>>,
    /// What was left out, with the number of members.
    left_out: BTreeMap<String, u64>,
    /// The last member is a hard link with a size: older programs write content after it, most do not.
    doubtful: bool,
    /// Bytes between the end of the current member's content and the next header.
    padding: u64,
    seen: u64,
}

/// The next thing in the archive.
enum Found {
    Entry(Entry, bool),
    More(usize),
    Global(Vec<u8>),
    End,
}

impl<'a> Members<'a> {
    /// Starts with the first member.
    pub fn new(stream: Stream<'a>, options: &Options<'_>, ends: &'a Ends, taken: &'a AtomicU64) -> Self {
        let mut parser = Parser::new(Limits {
            max_metadata_size: MOST_METADATA,
            max_path_len: None,
            max_pending_entries: 16,
            max_sparse_entries: MOST_PARTS,
        });
        // The parser would refuse negative times. The records are parsed strictly in `pax`.
        parser.set_ignore_pax_errors(true);
        Members {
            stream,
            parser,
            source: options.source.to_owned(),
            ends,
            taken,
            whole: options.whole,
            strip: options.strip,
            global: BTreeMap::new(),
            left_out: BTreeMap::new(),
            doubtful: false,
            padding: 0,
            seen: 0,
        }
    }

    /// The next member. Its content must be read or skipped before the following member. `None` at the end.
    pub fn next(&mut self) -> Result<Option<Member>> {
        let padding = std::mem::take(&mut self.padding);
        if !self.skip(padding)? {
            return Err(self.cut_short());
        }
        let mut wanted = usize::try_from(BLOCK).unwrap_or(512);
        loop {
            signal::check()?;
            match self.parse(wanted)? {
                Found::Entry(Entry::Member(member), doubtful) => {
                    self.seen += 1;
                    self.doubtful = doubtful;
                    self.padding = padding_of(member.stored);
                    return Ok(Some(*member));
                }
                Found::Entry(Entry::Skipped { stored, what }, _) => {
                    self.seen += 1;
                    if let Some(what) = what {
                        self.leave_out(what);
                    }
                    if !(self.skip(stored)? && self.skip(padding_of(stored))?) {
                        return Err(self.cut_short());
                    }
                    wanted = usize::try_from(BLOCK).unwrap_or(512);
                }
                Found::More(bytes) if bytes > MOST_HEADERS || wanted == MOST_HEADERS => {
                    return Err(self.malformed("a member has longer headers than any file needs; refused"));
                }
                // At least twice as much as before, so that a long map is not parsed again for each of its blocks.
                Found::More(bytes) => wanted = bytes.max(wanted.saturating_mul(2)).min(MOST_HEADERS),
                Found::Global(records) => {
                    self.add_global(&records)?;
                    wanted = usize::try_from(BLOCK).unwrap_or(512);
                }
                Found::End => return Ok(None),
            }
        }
    }

    /// What was left out, with the number of members.
    pub fn left_out(&self) -> &BTreeMap<String, u64> {
        &self.left_out
    }

    /// Bytes of the (compressed) archive that were read so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn leave_out(&mut self, what: String) {
        note(&mut self.left_out, what);
    }

    /// Records that apply to all members may not say what belongs to one.
    fn add_global(&mut self, records: &[u8]) -> Result<()> {
        for (key, value) in pax::records(records).map_err(|reason| self.malformed(reason))? {
            if ["path", "linkpath", "size"].contains(&key) || key.starts_with("GNU.sparse") {
                return Err(self.malformed(format!("a header for all members has the record {key}; refused")));
            }
            self.global.insert(key.to_owned(), value.to_vec());
        }
        if self.global.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MOST_GLOBAL {
            return Err(
                self.malformed(format!("headers for all members have over {MOST_GLOBAL} bytes; refused"))
            );
        }
        Ok(())
    }

    /// The next piece of a member's content, of at most `most` bytes. It is empty only if the archive is cut short.
    pub fn content(&mut self, most: u64) -> Result<&[u8]> {
        let source = &self.source;
        let piece = self.stream.some().map_err(|error| unreadable(source, error))?;
        Ok(&piece[..usize::try_from(most).unwrap_or(usize::MAX).min(piece.len())])
    }

    /// Moves past `count` bytes that [`Members::content`] returned.
    pub fn consume(&mut self, count: usize) {
        self.stream.consume(count);
    }

    /// Moves past the content of a member. Returns false if the archive is cut short.
    pub fn skip(&mut self, count: u64) -> Result<bool> {
        self.stream.skip(count).map_err(|error| unreadable(&self.source, error))
    }

    /// Reads the rest of the stream after the end of the archive, so that a checksum covers all of it. Returns whether something that is
    /// no part of the archive follows its compressed streams.
    pub fn drain(&mut self) -> Result<bool> {
        let zeros = self.stream.drain().map_err(|error| unreadable(&self.source, error))?;
        if self.doubtful && !zeros {
            return Err(self.malformed("its last member is a hard link, and something follows it; refused"));
        }
        Ok(self.ends.junk.load(Ordering::Relaxed))
    }

    /// The error for something impossible in the archive.
    pub fn malformed(&self, reason: impl Into<String>) -> Error {
        Error::malformed(&self.source, reason)
    }

    /// The error for an archive that ends too early.
    pub fn cut_short(&self) -> Error {
        self.malformed(format!("the archive is cut short after {} members; get it again", self.seen))
    }

    fn parse(&mut self, wanted: usize) -> Result<Found> {
        let source = &self.source;
        let bytes = self.stream.at_least(wanted).map_err(|error| unreadable(source, error))?;
        if bytes.len() >= 512 && bytes[..512].iter().all(|&byte| byte == 0) {
            return self.at_zeros();
        }
        let length = bytes.len();
        let ended = length < wanted;
        let reading = Reading { strip: self.strip, global: &self.global };
        let left_out = &mut self.left_out;
        let mut unknown = |what| note(left_out, what);
        let (consumed, found, linked) = match self.parser.parse(bytes) {
            Ok(ParseEvent::Entry { consumed, entry }) => {
                let linked = entry.entry_type == EntryType::Link && entry.size > 0;
                (consumed, Entry::of(&entry, None, &reading, &mut unknown), linked)
            }
            Ok(ParseEvent::SparseEntry { consumed, entry, sparse_map, real_size }) => {
                (consumed, Entry::of(&entry, Some((sparse_map, real_size)), &reading, &mut unknown), false)
            }
            Ok(ParseEvent::NeedData { .. }) if ended => return self.at_end(length),
            Ok(ParseEvent::NeedData { min_bytes }) => return Ok(Found::More(min_bytes)),
            Ok(ParseEvent::GlobalExtensions { consumed, pax_data }) => {
                let records = pax_data.to_vec();
                // The parser would forget what came before.
                if consumed != 512 + records.len().next_multiple_of(512) {
                    return Err(
                        self.malformed("a header for all members parts a member from its own; refused")
                    );
                }
                self.stream.consume(consumed);
                return Ok(Found::Global(records));
            }
            Ok(ParseEvent::End { .. }) => return self.ended(),
            Err(error) => {
                let sound = is_header(bytes);
                return Err(self.refused(&error, sound));
            }
        };
        let found = found.map_err(|reason| Error::malformed(&self.source, reason))?;
        self.stream.consume(consumed);
        Ok(Found::Entry(found, linked))
    }

    /// A block of zeros comes next, which ends the archive. If a member follows it, programs do not agree.
    fn at_zeros(&mut self) -> Result<Found> {
        let source = &self.source;
        let bytes = self.stream.at_least(1024).map_err(|error| unreadable(source, error))?;
        if bytes.get(512..).is_some_and(is_header) {
            return Err(
                self.malformed(format!("after {} members come zeros, and then others; refused", self.seen))
            );
        }
        self.ended()
    }

    /// The stream has ended. An archive that is known to be whole needs no end of its own.
    fn at_end(&self, length: usize) -> Result<Found> {
        let compressed = self.ends.own.load(Ordering::Relaxed) && !self.ends.junk.load(Ordering::Relaxed);
        match length {
            0 if self.whole || (compressed && self.seen > 0) => Ok(Found::End),
            0 if self.seen == 0 => Err(self.malformed("the file is empty, not an archive")),
            _ if self.seen == 0 => Err(self.not_an_archive()),
            _ => Err(self.cut_short()),
        }
    }

    fn ended(&self) -> Result<Found> {
        if self.seen == 0 && !self.whole {
            return Err(self.malformed("the archive is empty"));
        }
        Ok(Found::End)
    }

    /// The error of the parser in words. `sound` tells whether a header is there.
    fn refused(&self, error: &ParseError, sound: bool) -> Error {
        let reason = match error {
            ParseError::Header(_) if self.seen == 0 && !sound => return self.not_an_archive(),
            ParseError::Header(HeaderError::InvalidOctal(field)) => {
                let text = field.split(|&byte| byte == 0).next().unwrap_or(field);
                format!("a header has {:?} in the place of an octal number", shown(text))
            }
            error => error.to_string(),
        };
        self.malformed(format!("the archive is damaged after {} members: {reason}", self.seen))
    }

    fn not_an_archive(&self) -> Error {
        self.malformed(format!("this is not a tar archive (plain, or compressed with {NAMES})"))
    }
}

/// Whether the bytes begin with a header whose checksum is right.
fn is_header(bytes: &[u8]) -> bool {
    bytes.first_chunk::<512>().is_some_and(|block| {
        block.iter().any(|&byte| byte != 0) && Header::from_bytes(block).verify_checksum().is_ok()
    })
}

fn padding_of(stored: u64) -> u64 {
    (BLOCK - stored % BLOCK) % BLOCK
}

fn note(left_out: &mut BTreeMap<String, u64>, what: String) {
    let full = left_out.len() >= MOST_LEFT_OUT && !left_out.contains_key(&what);
    let what = if full { "more of the kind".into() } else { what };
    *left_out.entry(what).or_default() += 1;
}

/// The error of reading: that of the source, that of a decompressor, or an end that came too early.
fn unreadable(source: &Path, error: io::Error) -> Error {
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>) {
        return Error::of_reader(source, error);
    }
    if let Some(TooMuchMemory) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return Error::malformed(source, TooMuchMemory.to_string());
    }
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::UnexpectedEof, _) => {
            Error::malformed(source, "the compressed archive is cut short; get it again")
        }
        (_, None) => {
            Error::malformed(source, format!("the compressed archive is damaged ({error}); get it again"))
        }
        _ => Error::of_reader(source, error),
    }
}
