//! The log of a disk: its writes and flushes in order, as QEMU's `blklogwrites` records them (the kernel's dm-log-writes has the format).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What begins a log.
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
/// The log counts in sectors of this size, bytes.
const SECTOR: u64 = 512;

/// Everything that happened to a disk.
pub struct Log {
    file: File,
    /// The epochs: what was written between two flushes. What is in all but the last is certain to be on the disk at its end.
    pub epochs: Vec<Vec<Write>>,
}

/// One write, or one discard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where on the disk, bytes.
    pub offset: u64,
    /// How much, bytes.
    pub size: u64,
    /// Where in the log its data is; `None` for a discard.
    data: Option<u64>,
}

impl Log {
    /// Reads a log that is complete.
    pub fn open(path: &Path) -> Log {
        let file = File::open(path).expect("the log");
        let [magic, version, count, size] = numbers(&file, 0);
        assert_eq!((magic, version, size & 0xffff_ffff), (MAGIC, 1, SECTOR), "a log of QEMU's");
        let (mut at, mut epochs) = (SECTOR, vec![Vec::new()]);
        for _ in 0..count {
            let [sector, sectors, flags, _] = numbers(&file, at);
            at += SECTOR;
            if flags & FLUSH != 0 {
                epochs.push(Vec::new());
            }
            if sectors == 0 {
                continue;
            }
            let is_discard = flags & DISCARD != 0;
            let write =
                Write { offset: sector * SECTOR, size: sectors * SECTOR, data: (!is_discard).then_some(at) };
            if !is_discard {
                at += write.size;
            }
            epochs.last_mut().expect("an epoch").push(write);
        }
        // Flushes with nothing between them are one.
        let last = epochs.pop().expect("an epoch");
        epochs.retain(|epoch| !epoch.is_empty());
        epochs.push(last);
        Log { file, epochs }
    }

    /// How many writes there are.
    pub fn writes(&self) -> usize {
        self.epochs.iter().map(Vec::len).sum()
    }

    /// How many flushes had something to flush.
    pub fn flushes(&self) -> usize {
        self.epochs.len() - 1
    }

    /// Does to the disk what the write did, as far as `from..to`, bytes of the write.
    pub fn apply(&self, write: &Write, part: std::ops::Range<u64>, disk: &File) {
        let mut bytes = vec![0; usize::try_from(part.end - part.start).expect("a size")];
        if let Some(data) = write.data {
            self.file.read_exact_at(&mut bytes, data + part.start).expect("the log");
        }
        disk.write_all_at(&bytes, write.offset + part.start).expect("the disk");
    }
}

/// Four numbers, as the log has them at its beginning and before each entry.
fn numbers(file: &File, at: u64) -> [u64; 4] {
    let mut bytes = [0; 32];
    file.read_exact_at(&mut bytes, at).expect("the log");
    let number =
        |n: usize| u64::from_le_bytes(*bytes[n * 8..].first_chunk().expect("eight bytes of thirty-two"));
    [number(0), number(1), number(2), number(3)]
}
