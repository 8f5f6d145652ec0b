//! Fields of records in the tables, little-endian. The offset is a constant inside the record.

/// The number of 16 bits at this offset.
pub fn u16_at<const SIZE: usize>(record: &[u8; SIZE], at: usize) -> u16 {
    u16::from_le_bytes([record[at], record[at + 1]])
}

/// The number of 32 bits at this offset.
pub fn u32_at<const SIZE: usize>(record: &[u8; SIZE], at: usize) -> u32 {
    u32::from(u16_at(record, at)) | u32::from(u16_at(record, at + 2)) << 16
}

/// The number of 64 bits at this offset.
pub fn u64_at<const SIZE: usize>(record: &[u8; SIZE], at: usize) -> u64 {
    u64::from(u32_at(record, at)) | u64::from(u32_at(record, at + 4)) << 32
}
