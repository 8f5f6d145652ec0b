//! The file as YAML, and the parsing of its values.

use std::path::{Component, Path, PathBuf};

use baserock::extension::{parse_boolean, parse_size};
use baserock::yaml;
use serde::Deserialize;
use system::error::{Error, Result};

use super::{DEFAULT_KIND, DEFAULT_START, Partition, PartitionFile, RawFile, Size, Table};

/// Bytes of a sector, even on disks with larger physical sectors.
const SECTOR: u64 = 512;

// All scalars are taken as text, so that YAML does not turn 0x83 into a number or yes into a boolean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disk {
    start_offset: Option<String>,
    partition_table_format: Option<String>,
    partitions: Vec<Entry>,
    #[serde(default)]
    raw_files: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    size: String,
    fdisk_type: Option<String>,
    filesystem: String,
    description: Option<String>,
    number: Option<u32>,
    boot: Option<String>,
    mountpoint: Option<String>,
    #[serde(default)]
    raw_files: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    file: String,
    offset_sectors: Option<String>,
    offset_bytes: Option<String>,
    skip_bytes: Option<String>,
    count_bytes: Option<String>,
}

type Checked<T> = Result<T, String>;

/// Parses the text and each value by itself.
pub fn parse(text: &str, shown: &Path) -> Result<PartitionFile> {
    yaml::check(text).map_err(|why| Error::malformed(shown, why))?;
    let disk: Disk =
        serde_yaml::from_str(text).map_err(|error| Error::malformed(shown, error.to_string()))?;
    disk.values().map_err(|reason| Error::malformed(shown, reason))
}

impl Disk {
    fn values(self) -> Checked<PartitionFile> {
        let numbers = numbers(&self.partitions);
        let partitions = self.partitions.into_iter().zip(numbers).map(|(entry, number)| entry.values(number));
        Ok(PartitionFile {
            start: self.start_offset.map_or(Ok(DEFAULT_START), |text| number(&text, "start_offset"))?,
            table: self.partition_table_format.map_or(Ok(Table::Gpt), |text| table(&text))?,
            partitions: partitions.collect::<Checked<_>>()?,
            raw_files: files(self.raw_files)?,
        })
    }
}

/// Partitions without a number get the lowest free numbers.
fn numbers(entries: &[Entry]) -> Vec<u32> {
    let taken: Vec<u32> = entries.iter().filter_map(|entry| entry.number).collect();
    let mut free = (1..).filter(|number| !taken.contains(number));
    entries.iter().map(|entry| entry.number.or_else(|| free.next()).unwrap_or_default()).collect()
}

impl Entry {
    fn values(self, number: u32) -> Checked<Partition> {
        Ok(Partition {
            number,
            size: size(&self.size)?,
            kind: self.fdisk_type.map_or(Ok(Some(DEFAULT_KIND)), |text| kind(&text))?,
            filesystem: filesystem(&self.filesystem)?,
            description: self.description,
            boot: self.boot.map_or(Ok(false), |text| boolean(&text, "boot"))?,
            mountpoint: self.mountpoint.map(|text| mountpoint(&text)).transpose()?,
            raw_files: files(self.raw_files)?,
        })
    }
}

fn files(files: Vec<Raw>) -> Checked<Vec<RawFile>> {
    files.into_iter().map(Raw::values).collect()
}

impl Raw {
    fn values(self) -> Checked<RawFile> {
        let bytes = |text: Option<String>, name: &str| text.map(|text| amount(&text, name)).transpose();
        let sectors = bytes(self.offset_sectors, "offset_sectors")?;
        let offset = match (sectors, bytes(self.offset_bytes, "offset_bytes")?) {
            (Some(_), Some(_)) => {
                return Err(format!("raw file {} has offset_sectors and offset_bytes; give one", self.file));
            }
            (Some(sectors), None) => Some(
                sectors
                    .checked_mul(SECTOR)
                    .ok_or_else(|| format!("offset_sectors {sectors} is too large"))?,
            ),
            (None, offset) => offset,
        };
        Ok(RawFile {
            file: in_tree(&self.file)?,
            offset,
            skip: bytes(self.skip_bytes, "skip_bytes")?.unwrap_or(0),
            count: bytes(self.count_bytes, "count_bytes")?,
        })
    }
}

fn number(text: &str, name: &str) -> Checked<u64> {
    text.parse().map_err(|_| format!("{name} is {text:?}; use a whole number"))
}

fn amount(text: &str, name: &str) -> Checked<u64> {
    parse_size(text).ok_or_else(|| format!("{name} is {text:?}; use a number, or one with K, M, G or T"))
}

fn boolean(text: &str, name: &str) -> Checked<bool> {
    parse_boolean(text).ok_or_else(|| format!("{name} is {text:?}; use yes or no"))
}

fn size(text: &str) -> Checked<Size> {
    if text.eq_ignore_ascii_case("fill") {
        return Ok(Size::Fill);
    }
    match parse_size(text) {
        Some(0) | None => {
            Err(format!("size is {text:?}; use fill, or a number of bytes, or one with K, M, G or T: 4G"))
        }
        Some(bytes) => Ok(Size::Bytes(bytes)),
    }
}

fn table(text: &str) -> Checked<Table> {
    match text.to_ascii_lowercase().as_str() {
        "gpt" => Ok(Table::Gpt),
        "mbr" | "dos" => Ok(Table::Mbr),
        _ => Err(format!("partition_table_format is {text:?}; use gpt or mbr")),
    }
}

fn kind(text: &str) -> Checked<Option<u8>> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    match u8::from_str_radix(digits, 16) {
        Ok(kind @ 1..) => Ok(Some(kind)),
        _ => Err(format!("fdisk_type is {text:?}; use a hexadecimal number from 0x01 to 0xff, or none")),
    }
}

fn filesystem(text: &str) -> Checked<Option<String>> {
    let name = text.to_ascii_lowercase();
    let sound = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match name.as_str() {
        "none" => Ok(None),
        _ if sound => Ok(Some(name)),
        _ => {
            Err(format!("filesystem is {text:?}; use one that has a mkfs (btrfs, ext4, vfat), swap or none"))
        }
    }
}

fn mountpoint(text: &str) -> Checked<PathBuf> {
    let path: PathBuf = Path::new(text).components().collect();
    let sound = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && sound && !text.contains(char::is_whitespace) {
        return Ok(path);
    }
    Err(format!("mountpoint is {text:?}; use an absolute path without .. and without spaces"))
}

/// A path in the root filesystem, relative.
fn in_tree(text: &str) -> Checked<PathBuf> {
    let path = Path::new(text);
    let parts = path.components().filter(|part| !matches!(part, Component::RootDir | Component::CurDir));
    let relative: PathBuf = parts.collect();
    if relative.components().any(|part| part == Component::ParentDir) || relative.as_os_str().is_empty() {
        return Err(format!(
            "raw file {text:?} is outside the root filesystem; use a path in it, without .."
        ));
    }
    Ok(relative)
}
