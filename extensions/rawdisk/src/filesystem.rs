//! Makes filesystems, each with its own `mkfs`.

use std::path::Path;

use system::error::Result;
use system::process::Program;

use crate::identity::Identity;
use crate::layout::Placed;

/// The variable that tells the programs of ext filesystems a time instead of the clock's.
const FAKE_TIME: &str = "E2FSPROGS_FAKE_TIME";

/// Makes a btrfs on the device.
pub fn make_btrfs(device: &Path, identity: &Identity) -> Result<()> {
    let uuid = identity.uuid("volume")?.to_string();
    let make =
        Program::new("mkfs.btrfs").package("btrfs-progs").args(["--quiet", "--force", "--uuid", &uuid]);
    make.arg(device).run().map(drop)
}

/// Makes the partition's filesystem on its device; `sector` is the size of the disk's sectors, and `epoch` the time that `SOURCE_DATE_EPOCH`
/// gives.
pub fn make(
    device: &Path,
    placed: &Placed,
    sector: u64,
    identity: &Identity,
    epoch: Option<u64>,
) -> Result<()> {
    let Some(kind) = placed.partition.filesystem.as_deref() else { return Ok(()) };
    let purpose = format!("filesystem {}", placed.partition.number);
    let uuid = identity.uuid(&purpose)?.to_string();
    let program = match kind {
        "btrfs" => {
            Program::new("mkfs.btrfs").package("btrfs-progs").args(["--quiet", "--force", "--uuid", &uuid])
        }
        "ext2" | "ext3" | "ext4" => {
            let seed = format!("hash_seed={uuid},root_owner=0:0");
            let make = Program::new(format!("mkfs.{kind}"))
                .package("e2fsprogs")
                .args(["-q", "-F", "-U", &uuid, "-E", &seed]);
            // Boot loaders do not know these features.
            let make = if is_boot(placed) { make.args(["-O", "^64bit,^metadata_csum"]) } else { make };
            match epoch {
                Some(epoch) => make.env(FAKE_TIME, epoch.to_string()),
                None => make,
            }
        }
        "vfat" | "fat" | "msdos" => {
            let [a, b, c, d] = identity.serial(&purpose)?;
            let make = Program::new("mkfs.vfat").package("dosfstools");
            let make = if epoch.is_some() { make.arg("--invariant") } else { make };
            let make = if needs_fat32(placed, sector) { make.args(["-F", "32"]) } else { make };
            let serial = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
            // The boot loader in the partition must know the partition's offset on the disk.
            make.args(["-i", &serial, "-h", &(placed.bytes().start / sector).to_string()])
        }
        "swap" => Program::new("mkswap").package("util-linux").args(["--uuid", &uuid]),
        other => Program::new(format!("mkfs.{other}")),
    };
    program.arg(device).run().map(drop)
}

/// Some firmware knows no other FAT. A FAT32 has at least 65,525 clusters of a sector.
fn needs_fat32(placed: &Placed, sector: u64) -> bool {
    placed.partition.is_esp() && placed.size() >= 65_600 * sector
}

fn is_boot(placed: &Placed) -> bool {
    placed.partition.mountpoint.as_deref() == Some(Path::new("/boot"))
}
