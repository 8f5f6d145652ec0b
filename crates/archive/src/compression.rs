//! The compression of an archive. Its first bytes decide, never its name.
//!
//! An archive may consist of several compressed streams, with zeros between and after them, and frames to skip. Anything else after a
//! stream is not part of the archive.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use bzip2::bufread::BzDecoder;
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{self as lzma, Stream};
use lz4_flex::frame::FrameDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::input::Input;

/// The compression of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not compressed.
    Plain,
    /// gzip.
    Gz,
    /// xz.
    Xz,
    /// Zstandard.
    Zst,
    /// bzip2.
    Bz2,
    /// lz4, in frames.
    Lz4,
    /// lzip.
    Lzip,
    /// lzma, the form before xz.
    Lzma,
}

/// The names of the compressions, for messages.
pub const NAMES: &str = "gzip, xz, zstd, bzip2, lz4, lzip or lzma";

/// The largest dictionary or window, as a power of two. It is four times that of `xz -9`.
const DICTIONARY: u32 = 28;

/// Most memory of a decompressor from the family of lzma: the dictionary, and a little.
const MEMORY: u64 = (1 << DICTIONARY) + (4 << 20);

/// Bytes of the longest beginning that tells a compression.
const START: usize = 13;

/// What is known about the end of an archive once it was read.
#[derive(Default)]
pub struct Ends {
    /// The compressed streams ended as they should, which a plain archive cannot tell.
    pub own: AtomicBool,
    /// Something that is no stream came after them.
    pub junk: AtomicBool,
}

/// The error for a stream that needs a larger dictionary than [`DICTIONARY`].
#[derive(Debug, thiserror::Error)]
#[error(
    "it has a dictionary of more than {} MiB, the most that is decompressed; compress it anew with a smaller one",
    (1 << DICTIONARY) >> 20
)]
pub struct TooMuchMemory;

impl Compression {
    /// The compression of a file with these first bytes.
    pub fn of(start: &[u8]) -> Self {
        const MAGIC: [(&[u8], Compression); 6] = [
            (&[0x1f, 0x8b], Compression::Gz),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zst),
            (b"BZh", Compression::Bz2),
            (&[0x04, 0x22, 0x4d, 0x18], Compression::Lz4),
            (b"LZIP", Compression::Lzip),
        ];
        let known = MAGIC.into_iter().find(|(magic, _)| start.starts_with(magic));
        match known {
            Some((_, compression)) => compression,
            None if is_lzma(start) => Compression::Lzma,
            None => Compression::Plain,
        }
    }
}

/// lzma has no magic number: properties, the size of the dictionary, and a size that is unknown or not absurd.
fn is_lzma(start: &[u8]) -> bool {
    const MOST: u64 = 1 << 38;
    let (Some(&[properties, a, b, c, d]), Some(size)) =
        (start.first_chunk::<5>(), start.get(5..).and_then(|rest| rest.first_chunk()))
    else {
        return false;
    };
    let (dictionary, size) = (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(*size));
    let rest = dictionary & dictionary.wrapping_sub(1);
    let usual = dictionary >= 4096 && (rest == 0 || rest == dictionary / 3 * 2 || dictionary == u32::MAX);
    properties < 225 && usual && (size == u64::MAX || size < MOST)
}

/// A reader of the decompressed bytes of a stream, which may be plain too.
pub fn decompressed<'a>(
    reader: impl Read + Send + 'a,
    ends: &'a Ends,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut input = Input::new(reader);
    let skipped = skip_frames(&mut input)?;
    let format = Compression::of(input.peek(START)?);
    match format {
        Compression::Plain if skipped && input.peek(1)?.is_empty() => Ok(Box::new(input)),
        Compression::Plain if skipped => Err(io::Error::other("after its first frames comes no other one")),
        Compression::Plain => Ok(Box::new(input)),
        _ => Ok(Box::new(Streams { format, current: Some(decoder(format, input)?), ends })),
    }
}

/// Moves past the frames of zstd and lz4 that are to be skipped. Returns whether there were any.
fn skip_frames(input: &mut Input<'_>) -> io::Result<bool> {
    let mut skipped = false;
    while let Some(&[low, 0x2a, 0x4d, 0x18, a, b, c, d]) = input.peek(8)?.first_chunk::<8>()
        && low & 0xf0 == 0x50
    {
        input.skip(8 + u64::from(u32::from_le_bytes([a, b, c, d])))?;
        skipped = true;
    }
    Ok(skipped)
}

/// The streams of an archive, one after the other.
struct Streams<'a> {
    format: Compression,
    /// The decoder of this stream; `None` at the end.
    current: Option<Box<dyn Decoder<'a> + 'a>>,
    ends: &'a Ends,
}

impl Read for Streams<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(stream) = &mut self.current {
            let count = stream.read(buffer).map_err(explain)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.current = match self.current.take() {
                Some(ended) => self.next(ended.input()?)?,
                None => None,
            };
        }
        Ok(0)
    }
}

impl<'a> Streams<'a> {
    /// The stream that follows.
    fn next(&self, mut input: Input<'a>) -> io::Result<Option<Box<dyn Decoder<'a> + 'a>>> {
        loop {
            if !input.skip_zeros()? {
                self.ends.own.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            let frames = matches!(self.format, Compression::Zst | Compression::Lz4);
            if !frames || !skip_frames(&mut input)? {
                break;
            }
        }
        let follows = Compression::of(input.peek(START)?) == self.format;
        if follows && self.format != Compression::Lzma {
            return decoder(self.format, input).map(Some);
        }
        self.ends.junk.store(true, Ordering::Relaxed);
        // A checksum of the whole archive covers the junk too.
        input.drain()?;
        Ok(None)
    }
}

/// A decoder of one stream. It reads nothing after that.
trait Decoder<'a>: Read + Send {
    /// The input after the stream.
    fn input(self: Box<Self>) -> io::Result<Input<'a>>;
}

impl<'a> Decoder<'a> for GzDecoder<Input<'a>> {
    fn input(self: Box<Self>) -> io::Result<Input<'a>> {
        Ok(self.into_inner())
    }
}

impl<'a> Decoder<'a> for BzDecoder<Input<'a>> {
    fn input(self: Box<Self>) -> io::Result<Input<'a>> {
        Ok(self.into_inner())
    }
}

impl<'a> Decoder<'a> for XzDecoder<Input<'a>> {
    fn input(self: Box<Self>) -> io::Result<Input<'a>> {
        Ok(self.into_inner())
    }
}

impl<'a> Decoder<'a> for ZstdDecoder<'static, Input<'a>> {
    fn input(self: Box<Self>) -> io::Result<Input<'a>> {
        Ok(self.finish())
    }
}

impl<'a> Decoder<'a> for FrameDecoder<Input<'a>> {
    fn input(self: Box<Self>) -> io::Result<Input<'a>> {
        Ok(self.into_inner())
    }
}

fn decoder<'a>(format: Compression, input: Input<'a>) -> io::Result<Box<dyn Decoder<'a> + 'a>> {
    Ok(match format {
        Compression::Plain => return Err(io::Error::other("it is not compressed")),
        Compression::Gz => Box::new(GzDecoder::new(input)),
        Compression::Bz2 => Box::new(BzDecoder::new(input)),
        Compression::Lz4 => Box::new(FrameDecoder::new(input)),
        Compression::Xz => Box::new(XzDecoder::new_stream(input, Stream::new_stream_decoder(MEMORY, 0)?)),
        Compression::Lzip => Box::new(XzDecoder::new_stream(input, Stream::new_lzip_decoder(MEMORY, 0)?)),
        Compression::Lzma => Box::new(XzDecoder::new_stream(input, Stream::new_lzma_decoder(MEMORY)?)),
        Compression::Zst => {
            let mut input = input;
            if window(input.peek(FRAME_HEADER)?).is_some_and(|window| window > 1 << DICTIONARY) {
                return Err(io::Error::other(TooMuchMemory));
            }
            let mut decoder = ZstdDecoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(DICTIONARY)?;
            Box::new(decoder)
        }
    })
}

/// Bytes of the longest header of a frame of zstd.
const FRAME_HEADER: usize = 18;

/// The bytes that the frame of zstd with this beginning refers back to, as RFC 8878 has them. The decoder itself does not tell why it refuses one.
/// `None` if the header is cut short.
fn window(frame: &[u8]) -> Option<u64> {
    const MAGIC: usize = 4;
    let descriptor = *frame.get(MAGIC)?;
    if descriptor & 0x20 == 0 {
        let window = *frame.get(MAGIC + 1)?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The frame is its own window, so its size counts. It comes after the number of a dictionary.
    let at = MAGIC + 1 + [0, 1, 2, 4][usize::from(descriptor & 3)];
    let (length, more) = [(1, 0), (2, 256), (4, 0), (8, 0)][usize::from(descriptor >> 6)];
    let mut size = [0; 8];
    size[..length].copy_from_slice(frame.get(at..at + length)?);
    Some(u64::from_le_bytes(size).saturating_add(more))
}

/// Tells a stream of the family of lzma that needs too much memory from a damaged one.
fn explain(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(lzma::Error::MemLimit) => io::Error::other(TooMuchMemory),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use system::process::Program;

    use super::*;

    /// Hands out one byte at a time, as a slow network does.
    struct Trickle<R>(R);

    impl<R: Read> Read for Trickle<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let end = buffer.len().min(1);
            self.0.read(&mut buffer[..end])
        }
    }

    fn compressed(program: &str, content: &[u8]) -> Vec<u8> {
        Program::new(program).args(["-c"]).input(content).run().unwrap().stdout
    }

    #[test]
    fn the_window_of_a_frame_is_read() {
        let frame = |rest: &[u8]| [&[0x28, 0xb5, 0x2f, 0xfd][..], rest].concat();
        for (rest, found) in [
            (&[0x00, 0x00][..], Some(1 << 10)),
            (&[0x00, 0xa9], Some((1 << 31) + (1 << 28))),
            (&[0x20, 77], Some(77)),
            (&[0x61, 0, 1, 0], Some(257)),
            (&[0xe3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], Some(1 << 32)),
            (&[0xe0, 0], None),
            (&[], None),
        ] {
            assert_eq!(window(&frame(rest)), found, "{rest:x?}");
        }
    }

    #[test]
    fn every_format_is_known_by_its_content() {
        let content = b"some content, some content".repeat(1000);
        for program in ["cat", "gzip", "xz", "zstd", "bzip2"] {
            let packed =
                if program == "cat" { content.clone() } else { compressed(program, &content).repeat(2) };
            let expected = if program == "cat" { content.clone() } else { content.repeat(2) };
            let mut unpacked = Vec::new();
            decompressed(Trickle(&packed[..]), &Ends::default()).unwrap().read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == expected, "{program}: {} bytes", unpacked.len());
        }
    }

    #[test]
    fn a_damaged_stream_is_an_error() {
        for program in ["gzip", "xz", "zstd", "bzip2"] {
            let packed = compressed(program, &b"some content".repeat(1000));
            let cut = &packed[..packed.len() - 3];
            let ends = Ends::default();
            let read = decompressed(cut, &ends).and_then(|mut reader| reader.read_to_end(&mut Vec::new()));
            assert!(read.is_err(), "{program}");
        }
    }

    #[test]
    fn nothing_is_plain() {
        let mut nothing = Vec::new();
        assert_eq!(
            decompressed(io::empty(), &Ends::default()).unwrap().read_to_end(&mut nothing).unwrap(),
            0
        );
    }
}
