//! The compression of an archive. Its first bytes decide, never its name.

use std::io::{self, BufRead, BufReader, Read};

use bzip2::read::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

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
}

/// Most memory for an xz dictionary, in bytes: more than `xz -9` needs.
const XZ_MEMORY: u64 = 128 << 20;

/// The largest window of a zstd stream, as a power of two: the default limit of `zstd -d`.
const ZSTD_WINDOW: u32 = 27;

/// The longest of the magic numbers, in bytes.
const LONGEST_MAGIC: usize = 6;

const INPUT_BUFFER: usize = 256 << 10;

impl Compression {
    /// The compression of a file with these first bytes.
    pub fn of(start: &[u8]) -> Self {
        const MAGIC: [(&[u8], Compression); 4] = [
            (&[0x1f, 0x8b], Compression::Gz),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zst),
            (b"BZh", Compression::Bz2),
        ];
        let known = MAGIC.into_iter().find(|(magic, _)| start.starts_with(magic));
        known.map_or(Compression::Plain, |(_, compression)| compression)
    }
}

/// A reader of the decompressed bytes of a stream, which may be plain too. Several compressed members may follow one another, as the
/// formats allow.
pub fn decompressed<'a>(reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut input = BufReader::with_capacity(INPUT_BUFFER, Start::of(reader)?);
    Ok(match Compression::of(input.fill_buf()?) {
        Compression::Plain => Box::new(input),
        Compression::Gz => Box::new(MultiGzDecoder::new(input)),
        Compression::Bz2 => Box::new(MultiBzDecoder::new(input)),
        Compression::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            Box::new(XzDecoder::new_stream(input, stream))
        }
        Compression::Zst => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
    })
}

/// A reader whose first read gives the whole magic number, even if a network gives fewer bytes at first.
struct Start<R> {
    first: [u8; LONGEST_MAGIC],
    length: usize,
    taken: bool,
    rest: R,
}

impl<R: Read> Start<R> {
    fn of(mut rest: R) -> io::Result<Self> {
        let mut first = [0; LONGEST_MAGIC];
        let mut length = 0;
        while length < first.len() {
            match rest.read(&mut first[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Start { first, length, taken: false, rest })
    }
}

impl<R: Read> Read for Start<R> {
    /// The buffer is at least as large as a magic number, because only the `BufReader` above reads from here.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken {
            return self.rest.read(buffer);
        }
        self.taken = true;
        let count = self.length.min(buffer.len());
        buffer[..count].copy_from_slice(&self.first[..count]);
        Ok(count)
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
    fn every_format_is_known_by_its_content() {
        let content = b"some content, some content".repeat(1000);
        for program in ["cat", "gzip", "xz", "zstd", "bzip2"] {
            let packed =
                if program == "cat" { content.clone() } else { compressed(program, &content).repeat(2) };
            let expected = if program == "cat" { content.clone() } else { content.repeat(2) };
            let mut unpacked = Vec::new();
            decompressed(Trickle(&packed[..])).unwrap().read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == expected, "{program}: {} bytes", unpacked.len());
        }
    }

    #[test]
    fn a_damaged_stream_is_an_error() {
        for program in ["gzip", "xz", "zstd", "bzip2"] {
            let packed = compressed(program, &b"some content".repeat(1000));
            let cut = &packed[..packed.len() - 3];
            let read = decompressed(cut).unwrap().read_to_end(&mut Vec::new());
            assert!(read.is_err(), "{program}");
        }
    }

    #[test]
    fn nothing_is_plain() {
        let mut nothing = Vec::new();
        assert_eq!(decompressed(io::empty()).unwrap().read_to_end(&mut nothing).unwrap(), 0);
    }
}
