//! Compressed archives, of one stream or several.

use std::io::{Read, Write};

use liblzma::read::XzEncoder;
use liblzma::stream::{LzmaOptions, Stream};

use crate::random::Random;

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Plain,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Lz4,
    Lzip,
    Lzma,
}

/// Compresses an archive, or not.
pub fn squeeze(archive: Vec<u8>, random: &mut Random) -> (Compression, Vec<u8>) {
    use Compression::{Bzip2, Gzip, Lz4, Lzip, Lzma, Plain, Xz, Zstd};
    let compression = match random.below(24) {
        0 => random.pick(&[Gzip, Xz, Zstd, Bzip2, Lz4, Lzip, Lzma]),
        1 => random.pick(&[Gzip, Zstd]),
        _ => return (Plain, archive),
    };
    let several = !archive.is_empty() && compression != Lzma && random.one_in(3);
    let at = if several {
        usize::try_from(random.below(archive.len() as u64)).expect("a length")
    } else {
        archive.len()
    };
    let mut packed = one(compression, &archive[..at]);
    let frames = matches!(compression, Zstd | Lz4);
    if frames && random.one_in(3) {
        packed.extend(b"\x50\x2a\x4d\x18\x04\0\0\0abcd");
    }
    if several {
        packed.extend(one(compression, &archive[at..]));
    }
    (compression, packed)
}

fn one(compression: Compression, content: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let encoded: std::io::Result<()> = match compression {
        Compression::Plain => packed.write_all(content),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
            encoder.write_all(content).and_then(|()| encoder.finish().map(drop))
        }
        Compression::Zstd => zstd::stream::copy_encode(content, &mut packed, 1),
        Compression::Bzip2 => bzip2::read::BzEncoder::new(content, bzip2::Compression::fast())
            .read_to_end(&mut packed)
            .map(drop),
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(&mut packed);
            encoder.write_all(content).map(|()| drop(encoder.finish()))
        }
        Compression::Xz => XzEncoder::new(content, 0).read_to_end(&mut packed).map(drop),
        Compression::Lzma => {
            packed = lzma(content);
            Ok(())
        }
        Compression::Lzip => {
            packed = lzip(content);
            Ok(())
        }
    };
    encoded.expect("content can be compressed");
    packed
}

fn lzma(content: &[u8]) -> Vec<u8> {
    let options = LzmaOptions::new_preset(0).expect("the options are known");
    let stream = Stream::new_lzma_encoder(&options).expect("an encoder");
    let mut packed = Vec::new();
    XzEncoder::new_stream(content, stream).read_to_end(&mut packed).expect("content can be compressed");
    packed
}

/// A member of lzip: a stream of lzma between a header and a trailer of its own.
fn lzip(content: &[u8]) -> Vec<u8> {
    const LZMA_HEADER: usize = 13;
    const AROUND: u64 = 6 + 20;
    /// 256 KiB, as the first level of lzma has it.
    const DICTIONARY: u8 = 18;
    let stream = &lzma(content)[LZMA_HEADER..];
    let mut packed = [b"LZIP\x01", &[DICTIONARY][..], stream].concat();
    let mut sum = flate2::Crc::new();
    sum.update(content);
    packed.extend(sum.sum().to_le_bytes());
    packed.extend((content.len() as u64).to_le_bytes());
    packed.extend((stream.len() as u64 + AROUND).to_le_bytes());
    packed
}
