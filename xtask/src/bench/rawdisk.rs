//! Compares writing an image with the commands that people type.

use std::process::Command;

use anyhow::Result;
use baserock_tests::inputs::{self, Debian};

use super::measure::{Usage, measure, settle};
use crate::{build, packages, root};

/// Both are measured so often, in turn, and the fastest run counts.
const ROUNDS: usize = 3;

/// Measures `rawdisk.write` of a Debian tree. It may take as long as the commands, and 64 MiB.
pub fn run() -> Result<()> {
    packages::ensure(&[packages::RUNTIME, packages::INPUTS, packages::BUILD, &["time"]])?;
    let tree = inputs::debian(Debian::Release)?;
    let write = build::programs(build::Purpose::Use)?.join("rawdisk-write");
    let place = root::target().join("bench");
    std::fs::create_dir_all(&place)?;
    let (ours_image, peer_image) = (place.join("ours.img"), place.join("peer.img"));
    let script = format!(
        "set -e; truncate -s 4G {image}; mkfs.btrfs -q -f {image}; mkdir -p {place}/mnt; mount -o loop {image} {place}/mnt; \
         cp -a {tree}/. {place}/mnt/; sync -f {place}/mnt; umount {place}/mnt; sync {image}",
        image = peer_image.display(),
        place = place.display(),
        tree = tree.display()
    );
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for image in [&ours_image, &peer_image] {
            if image.exists() {
                std::fs::remove_file(image)?;
            }
        }
        settle()?;
        ours.push(measure(Command::new(&write).args([&tree, &ours_image]).env("DISK_SIZE", "4G"))?);
        settle()?;
        peer.push(measure(Command::new("sh").args(["-c", &script]))?);
    }
    let best = |taken: &[Usage]| taken.iter().min_by_key(|taken| taken.wall).copied();
    let (Some(ours), Some(peer)) = (best(&ours), best(&peer)) else { return Ok(()) };
    println!("| | seconds | of processors | peak MiB |\n|---|---|---|---|");
    for (name, taken) in [("rawdisk.write", ours), ("mkfs.btrfs, mount, cp -a, sync", peer)] {
        let (wall, processor) = (taken.wall.as_secs_f64(), taken.processor.as_secs_f64());
        println!("| {name} | {wall:.2} | {processor:.2} | {:.1} |", kib_to_mib(taken.peak));
    }
    println!("\ntime ratio: {:.2} (bar: 1.0)", ours.wall.as_secs_f64() / peer.wall.as_secs_f64());
    Ok(())
}

fn kib_to_mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}
