//! Symbols of deflate (RFC 1951, 3.2.5): literals, lengths and distances as codes with extra bits.

/// The code that ends a block.
pub const END: usize = 256;
/// Codes of literals and lengths.
pub const LITERALS: usize = 286;
/// Codes of distances.
pub const DISTANCES: usize = 30;
/// The shortest match.
pub const SHORTEST: usize = 3;

/// Extra bits of the codes of lengths, from code 257.
pub const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
/// Extra bits of the codes of distances.
pub const DISTANCE_EXTRA: [u8; DISTANCES] =
    [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

/// A literal, or a match of an earlier place.
#[derive(Clone, Copy)]
pub enum Symbol {
    /// A byte.
    Literal(u8),
    /// So many bytes (3 to 258, less 3) from so far back (1 to 32768).
    Match {
        /// The length, less 3.
        length: u8,
        /// The distance.
        distance: u16,
    },
}

/// A code, and the value of its extra bits.
pub struct Coded {
    /// The code.
    pub code: usize,
    /// The number of extra bits.
    pub bits: u8,
    /// Their value.
    pub extra: u16,
}

/// The code of a length, less 3. The first length code is 0 here.
pub fn length_code(length: u8) -> Coded {
    if length == u8::MAX {
        return Coded { code: 28, bits: 0, extra: 0 };
    }
    split(u16::from(length), 4)
}

/// The code of a distance.
pub fn distance_code(distance: u16) -> Coded {
    split(distance - 1, 2)
}

/// Codes come in groups of `group`; each group after the second has one extra bit more than the one before.
fn split(value: u16, group: u16) -> Coded {
    if value < 2 * group {
        return Coded { code: usize::from(value), bits: 0, extra: 0 };
    }
    let [bits, ..] = (value.ilog2() - group.ilog2()).to_le_bytes();
    let code = group * u16::from(bits) + (value >> bits);
    Coded { code: usize::from(code), bits, extra: value & ((1 << bits) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        let length = |length: u16| {
            let code = length_code(u8::try_from(length - 3).unwrap());
            (code.code + 257, code.bits, code.extra)
        };
        assert_eq!([3, 10, 11, 12].map(length), [(257, 0, 0), (264, 0, 0), (265, 1, 0), (265, 1, 1)]);
        assert_eq!([131, 257, 258].map(length), [(281, 5, 0), (284, 5, 30), (285, 0, 0)]);
        let distance = |distance| {
            let code = distance_code(distance);
            (code.code, code.bits, code.extra)
        };
        assert_eq!([1, 4, 5, 6, 7].map(distance), [(0, 0, 0), (3, 0, 0), (4, 1, 0), (4, 1, 1), (5, 1, 0)]);
        assert_eq!([24577, 32768].map(distance), [(29, 13, 0), (29, 13, 8191)]);
        for value in 0..=254 {
            let Coded { code, bits, .. } = length_code(value);
            assert_eq!(LENGTH_EXTRA[code], bits);
        }
        for value in 1..=32768 {
            let Coded { code, bits, .. } = distance_code(value);
            assert_eq!(DISTANCE_EXTRA[code], bits);
        }
    }
}
