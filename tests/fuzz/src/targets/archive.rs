//! Archives: nothing outside the tree is touched.

use std::path::Path;

use baserock_archive::{Options, Owners, unpack};
use system::observer::Silent;

use crate::fence::Fence;
use crate::parts::choice;

/// What an archive may unpack to, bytes.
const MOST: u64 = 4 << 20;
const BLOCK: usize = 512;

/// A choice: an archive as it comes; or members whose checksums are made right, so that they are looked at.
pub fn run(bytes: &[u8]) {
    match choice(bytes) {
        Some((b'M', members)) => fenced(&with_checksums(members)),
        Some(_) => fenced(bytes),
        None => {}
    }
}

fn fenced(archive: &[u8]) {
    let fence = Fence::new();
    let options = Options {
        source: Path::new("a.tar"),
        size: None,
        owners: Owners::AsArchived,
        devices: false,
        most: Some(MOST),
        strip: 0,
        whole: false,
        observer: &Silent,
    };
    match unpack(archive, &fence.inside("tree"), &options) {
        Ok(stats) => assert!(stats.bytes <= MOST, "{} bytes", stats.bytes),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
    fence.check();
}

/// The checksum of a header is the sum of its bytes, those of the checksum counted as spaces.
fn with_checksums(members: &[u8]) -> Vec<u8> {
    let mut archive = members.to_vec();
    archive.resize(members.len().next_multiple_of(BLOCK), 0);
    let mut at = 0;
    while at < archive.len() {
        let header = &mut archive[at..at + BLOCK];
        let size = std::str::from_utf8(&header[124..135]).ok().map(|text| text.trim_matches(['\0', ' ']));
        let size = size.and_then(|text| usize::from_str_radix(text, 8).ok()).unwrap_or(0);
        if header.iter().any(|&byte| byte != 0) {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        at = at.saturating_add(BLOCK).saturating_add(size.next_multiple_of(BLOCK)).min(archive.len());
    }
    archive.extend([0; 2 * BLOCK]);
    archive
}
