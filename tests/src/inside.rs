//! A command in a version that "runs" in a namespace of its own, which ends with the command. [`crate::running`] keeps one for many.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use system::partitions;

use crate::image::volume_offset;
use crate::programs;

/// Mounts the version with the shared state below a folder of the namespace, and becomes the program there. Steps are listed outside. The
/// machine that runs the tests cannot be restarted from it.
const SCRIPT: &str = r#"
disk=$1 label=$2 volume=$3 boot=$4 program=$5 top=/mnt
shift 5
mount -t btrfs -o "loop,offset=$volume,subvol=systems/$label/run" "$disk" $top
device=$(findmnt --noheadings --output SOURCE $top | sed 's/\[.*//')
for name in home opt root srv var; do mount -t btrfs -o subvol=state/$name "$device" $top/$name; done
[ -z "$boot" ] || mount -t ext4 -o "loop,$boot" "$disk" $top/boot
mount -t proc proc $top/proc
mount --bind /dev $top/dev
mount -t tmpfs run $top/run
mount -t tmpfs tmp $top/tmp
cp "$program" $top/tmp/system-version-manager
[ -z "${BASEROCK_STEPS:-}" ] || { exec 9>>"$BASEROCK_STEPS"; export BASEROCK_STEPS=/dev/fd/9; }
exec setpriv --bounding-set=-sys_boot chroot $top /tmp/system-version-manager "$@"
"#;

/// `system-version-manager` in the version of the disk.
pub fn manage(disk: &Path, label: &str, arguments: &[&str]) -> Command {
    let file = File::open(disk).expect("the disk");
    let boot = partitions::read(&file, disk).expect("a table").into_iter().next();
    let boot = boot.map(|boot| format!("offset={},sizelimit={}", boot.start, boot.size));
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", SCRIPT, "inside"]).arg(disk).arg(label);
    command.arg(volume_offset(disk).to_string()).arg(boot.unwrap_or_default());
    command.arg(programs::path("system-version-manager")).args(arguments);
    command
}
