//! Large files are worked on in segments, so that the memory needed does not depend on their size.

use std::ops::Range;

/// Bytes of a new content that are worked on at a time: 8 MiB.
pub const SEGMENT: u64 = 8 << 20;
/// Bytes of the old file that are searched before and after the place of the segment: 2 MiB each.
pub const MARGIN: u64 = 2 << 20;

/// The segments of a content of this size.
pub fn parts(size: u64) -> impl Iterator<Item = Range<u64>> {
    (0..size.div_ceil(SEGMENT)).map(move |number| {
        let start = number * SEGMENT;
        start..(start + SEGMENT).min(size)
    })
}

/// The part of an old file of this size in which the blocks of a segment of the new file are searched for.
pub fn window(segment: &Range<u64>, old_size: u64) -> Range<u64> {
    let start = segment.start.saturating_sub(MARGIN).min(old_size);
    // The start has to be the beginning of a block.
    let start = start - start % crate::blocks::BLOCK as u64;
    // The end does not depend on that of the segment: a small new file may come from a much larger old one.
    start..(segment.start + SEGMENT + MARGIN).min(old_size)
}
