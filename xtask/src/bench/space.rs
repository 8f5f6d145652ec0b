//! Compares the space that a version takes after many upgrades with that of a new image of the same tree.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, ensure};
use baserock_tests::image::Image;
use baserock_tests::inputs::{self, Debian};
use baserock_tests::ssh::Target;
use baserock_tests::version;
use system::btrfs;
use system::dir::Dir;
use system::extents;

use super::with_programs;

const MEGABYTES: u64 = 8192;

/// How often the machine is upgraded.
#[derive(clap::Args)]
pub struct Options {
    /// Upgrades, in turn to the updates and back to the release
    #[arg(long, default_value_t = 20)]
    upgrades: usize,
}

/// Pushes a Debian release and its updates in turn, and removes each version once the next one runs.
pub fn run(options: &Options) -> Result<()> {
    with_programs(|| {
        let trees = [inputs::debian(Debian::Updated)?, inputs::debian(Debian::Release)?];
        let image = image(&trees[1]);
        let mut running = "factory".to_owned();
        println!("| upgrades | MiB taken | MiB unused |\n|---|---|---|");
        for number in 1..=options.upgrades {
            let label = format!("v{number}");
            let tree = &trees[(number - 1) % 2];
            let target = Target::start(&image, &running);
            let pushed = target.push(tree, &label).stdout(Stdio::null()).status()?;
            ensure!(pushed.success(), "the push failed");
            target.system.manage(&["set-default", &label]).ok();
            drop(target);
            // The machine boots the new version.
            let target = Target::start(&image, &label);
            target.system.manage(&["remove", "--force", &running]).ok();
            let amount = taken(&target.system.top_level().dir(), &label)?;
            println!("| {number} | {} | {} |", amount.stored >> 20, amount.unused >> 20);
            if number == options.upgrades {
                let fresh = taken(&self::image(tree).mount("subvolid=5").dir(), "factory")?;
                let thousandths = amount.stored * 1000 / fresh.stored.max(1);
                println!("\nspace ratio: {}.{:03} (bar: 1.1)", thousandths / 1000, thousandths % 1000);
            }
            running = label;
        }
        Ok(())
    })
}

fn image(tree: &Path) -> Image {
    let image = Image::to_be();
    version::write(tree, &image.path(), MEGABYTES).ok();
    image
}

/// What the version's `run` takes, and keeps from being used.
fn taken(top: &Dir, label: &str) -> Result<extents::Amount> {
    btrfs::commit(top)?;
    Ok(extents::usage(&[top.dir(Path::new("systems").join(label).join("run"))?])?.amount())
}
