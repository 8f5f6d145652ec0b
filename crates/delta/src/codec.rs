//! The encoding of numbers and bytes in manifests and messages: LEB128 numbers, and byte strings with their length in front.

use std::io::{self, Read};

/// Appends values to a buffer.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A number: seven bits a byte, the lowest first, the top bit set on all bytes but the last.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// A number that may be negative ([`zigzag`]).
    pub fn signed(&mut self, value: i64) {
        self.number(zigzag(value));
    }

    /// A byte string, its length in front.
    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// Bytes as they are.
    pub fn raw(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }
}

/// Reads values from a stream that is not trusted. Bytes that do not fit the format are [`io::ErrorKind::InvalidData`].
pub struct Reader<R>(pub R);

impl<R: Read> Reader<R> {
    /// A number of at most 64 bits.
    pub fn number(&mut self) -> io::Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.raw()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(invalid("a number of more than 64 bits"))
    }

    /// A number that may be negative.
    pub fn signed(&mut self) -> io::Result<i64> {
        self.number().map(unzigzag)
    }

    /// A number of at most 32 bits.
    pub fn small(&mut self) -> io::Result<u32> {
        u32::try_from(self.number()?).map_err(|_| invalid("a number of more than 32 bits"))
    }

    /// A number that is at most `most`, as a size in memory.
    pub fn count(&mut self, most: usize) -> io::Result<usize> {
        let value = self.number()?;
        usize::try_from(value)
            .ok()
            .filter(|&count| count <= most)
            .ok_or_else(|| invalid(&format!("a length of {value}, where {most} is the most")))
    }

    /// A byte string of at most `most` bytes.
    pub fn bytes(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let length = self.count(most)?;
        let mut value = Vec::new();
        // No memory is reserved for the length, because it is only a claim.
        (&mut self.0).take(length as u64).read_to_end(&mut value)?;
        if value.len() == length { Ok(value) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// `N` bytes.
    pub fn raw<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut value = [0; N];
        self.0.read_exact(&mut value)?;
        Ok(value)
    }
}

impl<'a> Reader<&'a [u8]> {
    /// So many bytes, where they are.
    pub fn slice(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (slice, rest) = self.0.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(slice)
    }

    /// A reader of the next `count` numbers.
    pub fn numbers(&mut self, count: usize) -> io::Result<Self> {
        let mut ends = self.0.iter().enumerate().filter(|(_, byte)| **byte < 0x80).map(|(at, _)| at + 1);
        let end = if count == 0 { Some(0) } else { ends.nth(count - 1) };
        self.slice(end.ok_or(io::ErrorKind::UnexpectedEof)?).map(Reader)
    }
}

/// A number without a sign: the sign is moved to the lowest bit.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The number that has this one without a sign.
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// An error in the data, not in the reading.
pub fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, u64::MAX, 1 << 63] {
            let mut writer = Writer::default();
            writer.number(value);
            writer.signed(value.cast_signed());
            let mut reader = Reader(writer.0.as_slice());
            assert_eq!(reader.number().unwrap(), value);
            assert_eq!(reader.signed().unwrap(), value.cast_signed());
        }
    }

    #[test]
    fn claims_are_bounded() {
        assert!(Reader(&[0xff; 10][..]).number().is_err());
        assert!(Reader(&[0x80][..]).number().is_err());
        assert!(Reader(&[5, 1, 2][..]).bytes(10).is_err());
        assert!(Reader(&[11][..]).bytes(10).is_err());
    }
}
