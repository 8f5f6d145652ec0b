//! Writes the partition table, and the boot code before it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use gptman::{GPT, GPTPartitionEntry};
use mbrman::{MBR, MBRPartitionEntry};
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::resolve::Links;
use system::step::{self, change};

use crate::identity::Identity;
use crate::layout::{Layout, Placed};
use crate::partition_file::Table;

/// The attribute of a GPT partition that syslinux' boot code looks for: legacy BIOS bootable.
const LEGACY_BOOT: u64 = 1 << 2;
/// Most bytes of boot code. The disk's signature follows it.
const MOST_CODE: usize = 440;
/// The folders in which distributions have the boot code of syslinux, relative to `/`.
const PLACES: [&str; 4] =
    ["usr/lib/EXTLINUX", "usr/lib/syslinux/mbr", "usr/share/syslinux", "usr/lib/syslinux/bios"];

/// Writes the table. `bootable` is the number of the partition that the boot code starts.
pub fn write(
    disk: &mut File,
    shown: &Path,
    layout: &Layout,
    bootable: Option<u32>,
    identity: &Identity,
) -> Result<()> {
    step::here("write the partition table of", shown).or_cannot("write the partition table of", shown)?;
    let entries = || layout.partitions.iter().filter(|placed| placed.partition.kind.is_some());
    match layout.table {
        Table::Mbr => mbr(disk, layout.sector, entries(), bootable, identity.serial("disk")?, shown),
        Table::Gpt => gpt(disk, layout.sector, entries(), bootable, identity, shown),
    }
}

/// Writes the boot code of syslinux for this kind of table, from the root filesystem or else from this machine.
pub fn write_boot_code(disk: &File, shown: &Path, table: Table, tree: &Dir) -> Result<()> {
    let code = boot_code(table, tree)?;
    change("write the boot code to", shown, || disk.write_all_at(&code, 0))
}

/// The boot code of syslinux for this kind of table.
pub fn boot_code(table: Table, tree: &Dir) -> Result<Vec<u8>> {
    let name = if table == Table::Gpt { "gptmbr.bin" } else { "mbr.bin" };
    for root in [tree, &Dir::open("/")?] {
        for place in PLACES {
            let Some(file) =
                system::error::if_exists(root.file_with(Path::new(place).join(name), Links::InRoot))?
            else {
                continue;
            };
            let mut code = vec![0; MOST_CODE];
            let size = file.read_at(&mut code, 0).or_cannot("read", root.shown(place).join(name))?;
            code.truncate(size);
            return Ok(code);
        }
    }
    Err(Error::refused(format!(
        "{name} is neither in the root filesystem nor on this machine; install the Debian package extlinux \
         (apt-get install extlinux), or set BOOTLOADER_INSTALL=none"
    )))
}

fn mbr<'p>(
    disk: &mut File,
    size: u64,
    entries: impl Iterator<Item = &'p Placed>,
    bootable: Option<u32>,
    signature: [u8; 4],
    shown: &Path,
) -> Result<()> {
    let broken = |error: mbrman::Error| {
        Error::refused(format!("cannot make a partition table for {}: {error}", shown.display()))
    };
    let mut table = MBR::new_from(disk, sector(size)?, signature).map_err(broken)?;
    for placed in entries {
        let number = placed.partition.number;
        let slot = table.get_mut(number as usize).ok_or_else(|| no_slot(number))?;
        *slot = MBRPartitionEntry {
            boot: if bootable == Some(number) { mbrman::BOOT_ACTIVE } else { mbrman::BOOT_INACTIVE },
            sys: placed.partition.kind.unwrap_or_default(),
            starting_lba: sector(placed.bytes().start / size)?,
            sectors: sector(placed.size() / size)?,
            ..MBRPartitionEntry::empty()
        };
    }
    table.write_into(disk).map_err(broken)
}

fn sector(number: u64) -> Result<u32> {
    u32::try_from(number).map_err(|_| {
        Error::refused("an MBR reaches no further than 2^32 sectors; use partition_table_format: gpt")
    })
}

fn no_slot(number: u32) -> Error {
    Error::refused(format!("the partition table has no place for partition {number}"))
}

fn gpt<'p>(
    disk: &mut File,
    size: u64,
    entries: impl Iterator<Item = &'p Placed>,
    bootable: Option<u32>,
    identity: &Identity,
    shown: &Path,
) -> Result<()> {
    let broken = |error: gptman::Error| {
        Error::refused(format!("cannot make a partition table for {}: {error}", shown.display()))
    };
    let mut table = GPT::new_from(disk, size, identity.uuid("disk")?.0).map_err(broken)?;
    for placed in entries {
        let number = placed.partition.number;
        if number > table.header.number_of_partition_entries {
            return Err(no_slot(number));
        }
        let name = placed.partition.description.as_deref().unwrap_or_default();
        table[number] = GPTPartitionEntry {
            partition_type_guid: guid(type_of(placed.partition.kind.unwrap_or_default())),
            unique_partition_guid: identity.uuid(&format!("partition {number}"))?.0,
            starting_lba: placed.bytes().start / size,
            ending_lba: placed.bytes().end / size - 1,
            attribute_bits: if bootable == Some(number) { LEGACY_BOOT } else { 0 },
            partition_name: name.into(),
        };
    }
    GPT::write_protective_mbr_into(disk, size).map_err(broken)?;
    table.write_into(disk).map(drop).map_err(broken)
}

/// The type in a GPT for a type in an MBR (Discoverable Partitions and UEFI specifications).
fn type_of(kind: u8) -> u128 {
    match kind {
        0x82 => 0x0657_fd6d_a4ab_43c4_84e5_0933_c84b_4f4f,
        0xef => 0xc12a_7328_f81f_11d2_ba4b_00a0_c93e_c93b,
        0x01 | 0x04 | 0x06 | 0x07 | 0x0b | 0x0c | 0x0e => 0xebd0_a0a2_b9e5_4433_87c0_68b6_b726_99c7,
        0x8e => 0xe6d6_d379_f507_44c2_a23c_238f_2a3d_f928,
        0xfd => 0xa19d_880f_05fc_4d3b_a006_743f_0f84_911e,
        _ => 0x0fc6_3daf_8483_4772_8e79_3d69_d847_7de4,
    }
}

/// A GUID in the byte order of the table: its first three fields are little-endian.
fn guid(number: u128) -> [u8; 16] {
    let mut bytes = number.to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}
