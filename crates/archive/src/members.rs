//! Reads an archive member by member.

use std::io;
use std::path::{Path, PathBuf};

use system::error::{Error, Result};
use tar_core::parse::{Limits, ParseError, ParseEvent, Parser};

use crate::member::Member;
use crate::stream::Stream;

/// Blocks of an archive, in bytes.
const BLOCK: u64 = 512;

/// Most bytes of the headers of one member. The kernel allows 64 KiB for an attribute, and a file has few.
const MOST_METADATA: u32 = 4 << 20;

/// Most parts of a file with holes: more than any real file has.
const MOST_PARTS: usize = 1 << 18;

/// The reader of an archive.
pub struct Members {
    stream: Stream,
    parser: Parser,
    source: PathBuf,
    /// Records that apply to all following members.
    global: Vec<u8>,
    /// Bytes between the end of the current member's content and the next header.
    padding: u64,
    seen: u64,
}

/// The next thing in the archive.
enum Found {
    Member(Option<Box<Member>>),
    More(usize),
    Global(Vec<u8>),
    End,
}

impl Members {
    /// Starts with the first member. `source` is the archive's name for messages.
    pub fn new(stream: Stream, source: &Path) -> Self {
        let mut parser = Parser::new(Limits {
            max_metadata_size: MOST_METADATA,
            max_path_len: None,
            max_pending_entries: 16,
            max_sparse_entries: MOST_PARTS,
        });
        // The parser would refuse negative times. The records are parsed strictly in `pax`.
        parser.set_ignore_pax_errors(true);
        Members { stream, parser, source: source.to_owned(), global: Vec::new(), padding: 0, seen: 0 }
    }

    /// The next member. Its content must be read or skipped before the following member. `None` at the end.
    pub fn next(&mut self) -> Result<Option<Member>> {
        let padding = std::mem::take(&mut self.padding);
        if !self.skip(padding)? {
            return Err(self.cut_short());
        }
        let mut wanted = usize::try_from(BLOCK).unwrap_or(512);
        loop {
            match self.parse(wanted)? {
                Found::Member(Some(member)) => {
                    self.seen += 1;
                    self.padding = member.stored.next_multiple_of(BLOCK) - member.stored;
                    return Ok(Some(*member));
                }
                Found::Member(None) => {}
                // At least twice as much as before, so that a long map is not parsed again for each of its blocks.
                Found::More(bytes) => wanted = bytes.max(wanted.saturating_mul(2)),
                Found::Global(records) => self.global.extend(records),
                Found::End => return Ok(None),
            }
        }
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

    /// Reads the rest of the stream after the end of the archive, so that a checksum covers all of it.
    pub fn drain(&mut self) -> Result<()> {
        self.stream.drain().map_err(|error| unreadable(&self.source, error))
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
        let (length, zero) = (bytes.len(), bytes_are_zero(bytes));
        let ended = length < wanted;
        let parsed = self.parser.parse(bytes);
        let (consumed, found) = match parsed {
            Ok(ParseEvent::Entry { consumed, entry }) => {
                (consumed, Member::from_entry(&entry, None, &self.global))
            }
            Ok(ParseEvent::SparseEntry { consumed, entry, sparse_map, real_size }) => {
                (consumed, Member::from_entry(&entry, Some((sparse_map, real_size)), &self.global))
            }
            Ok(ParseEvent::NeedData { .. }) if ended => {
                return self.at_end(zero, length);
            }
            Ok(ParseEvent::NeedData { min_bytes }) => return Ok(Found::More(min_bytes)),
            Ok(ParseEvent::GlobalExtensions { consumed, pax_data }) => {
                let records = pax_data.to_vec();
                self.stream.consume(consumed);
                return Ok(Found::Global(records));
            }
            Ok(ParseEvent::End { .. }) => return self.ended(),
            Err(error) => return Err(self.refused(&error)),
        };
        let member = found.map_err(|reason| Error::malformed(&self.source, reason))?;
        self.stream.consume(consumed);
        if member.is_none() {
            // A volume label has no content.
            return Ok(Found::Member(None));
        }
        Ok(Found::Member(member.map(Box::new)))
    }

    /// The stream has ended. A single block of zeros ends an archive too; with less than a block, it is cut short.
    fn at_end(&self, zero: bool, length: usize) -> Result<Found> {
        match length {
            0 if self.seen == 0 => Err(self.malformed("the file is empty, not an archive")),
            512.. if zero => self.ended(),
            _ if self.seen == 0 => Err(self.not_an_archive()),
            _ => Err(self.cut_short()),
        }
    }

    fn ended(&self) -> Result<Found> {
        if self.seen == 0 {
            return Err(self.malformed("the archive is empty"));
        }
        Ok(Found::End)
    }

    fn refused(&self, error: &ParseError) -> Error {
        if self.seen == 0 && matches!(error, ParseError::Header(_)) {
            return self.not_an_archive();
        }
        self.malformed(format!("the archive is damaged after {} members: {error}", self.seen))
    }

    fn not_an_archive(&self) -> Error {
        self.malformed("this is not a tar archive (plain, or compressed with gzip, xz, zstd or bzip2)")
    }
}

/// Whether the rest is only one block of zeros. Some programs end archives so.
fn bytes_are_zero(bytes: &[u8]) -> bool {
    bytes.len() < 2 * 512 && bytes.iter().all(|&b| b == 0)
}

/// The error of reading: that of the source, that of a decompressor, or an end that came too early.
fn unreadable(source: &Path, error: io::Error) -> Error {
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<Error>().ok());
        return inner.map_or_else(|| Error::malformed(source, "cannot be read"), |inner| *inner);
    }
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::UnexpectedEof, _) => {
            Error::malformed(source, "the compressed archive is cut short; get it again")
        }
        (_, None) => {
            Error::malformed(source, format!("the compressed archive is damaged ({error}); get it again"))
        }
        _ => Error::Io { action: "read".into(), path: source.to_owned(), cause: error },
    }
}
