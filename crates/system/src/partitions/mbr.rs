//! Reads the MBR partition table: four entries, one of which may be extended and hold a chain of further tables.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{MBR_ESP, Partition};
use crate::error::{OrCannot, Result};

/// The most tables of a chain that are read, because a chain may be a circle. The kernel has a limit, too.
const MOST_TABLES: u32 = 100;
/// The number of the first partition inside an extended one.
const FIRST_LOGICAL: u32 = 5;

/// One entry.
struct Entry {
    kind: u8,
    start: u64,
    sectors: u64,
}

/// The partitions of the disk. `sector` is the beginning of its first sector, and `size` the size of its sectors.
pub(super) fn read(disk: &File, sector: &[u8; 512], size: u64, shown: &Path) -> Result<Vec<Partition>> {
    let signature = u32::from_le_bytes([sector[440], sector[441], sector[442], sector[443]]);
    let partition = |number: u32, entry: &Entry, from: u64| Partition {
        number,
        start: (from + entry.start) * size,
        size: entry.sectors * size,
        part_uuid: format!("{signature:08x}-{number:02x}"),
        label: String::new(),
        is_esp: entry.kind == MBR_ESP,
    };
    let primary = entries(sector);
    let used = (1..).zip(&primary).filter(|(_, entry)| entry.is_used());
    let mut found: Vec<_> = used.map(|(number, entry)| partition(number, entry, 0)).collect();
    let Some(extended) = primary.iter().find(|entry| entry.is_extended()) else { return Ok(found) };
    let (mut number, mut inside) = (FIRST_LOGICAL, 0);
    for _ in 0..MOST_TABLES {
        let at = extended.start + inside;
        let Some(table) = table(disk, at * size, shown)? else { break };
        let [entry, next, ..] = entries(&table);
        if entry.is_used() {
            found.push(partition(number, &entry, at));
            number += 1;
        }
        // Each table is behind the one before. A link backwards ends the chain.
        if !next.is_extended() || next.start <= inside {
            break;
        }
        inside = next.start;
    }
    Ok(found)
}

/// The table at this byte, if there is one: it has a signature.
fn table(disk: &File, at: u64, shown: &Path) -> Result<Option<[u8; 512]>> {
    let mut bytes = [0; 512];
    match disk.read_exact_at(&mut bytes, at) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome.or_cannot("read", shown)?,
    }
    Ok((bytes[510..] == [0x55, 0xaa]).then_some(bytes))
}

fn entries(sector: &[u8; 512]) -> [Entry; 4] {
    std::array::from_fn(|index| {
        let at = 446 + 16 * index;
        let number = |at: usize| {
            u64::from(u32::from_le_bytes([sector[at], sector[at + 1], sector[at + 2], sector[at + 3]]))
        };
        Entry { kind: sector[at + 4], start: number(at + 8), sectors: number(at + 12) }
    })
}

impl Entry {
    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    fn is_used(&self) -> bool {
        self.kind != 0 && !self.is_extended()
    }
}
