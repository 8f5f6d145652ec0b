//! One input as several.

/// The parts between zero bytes; those that are missing are empty, the last has what is left.
pub fn parts<const N: usize>(bytes: &[u8]) -> [&[u8]; N] {
    let mut rest = bytes.splitn(N, |&byte| byte == 0);
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// The first byte, which chooses, and the rest.
pub fn choice(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(&first, rest)| (first, rest))
}
