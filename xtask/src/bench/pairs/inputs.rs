//! Pairs of trees, an old one and a new one, each made once and kept in the folder of the tests' inputs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use baserock_tests::inputs::{self, Debian};
use system::error::Error;

use crate::root;

/// A pair of trees.
pub struct Pair {
    /// Its name in the table.
    pub name: &'static str,
    /// The folder of the old tree.
    pub old: PathBuf,
    /// The folder of the new tree.
    pub new: PathBuf,
}

/// A pair that a shell script makes.
struct Recipe {
    name: &'static str,
    /// The folder below the inputs.
    folder: &'static str,
    /// Makes `$1/old` and `$1/new`. `$2` and `$3` are the Debian release and its updates. [`FUNCTIONS`] come before it.
    script: &'static str,
}

/// What the scripts share. `debian OUT SUITES ARCHITECTURE VARIANT PACKAGES` makes a tree of packages of these suites. `likewise` copies the two
/// Debians.
const FUNCTIONS: &str = r#"
    set -e
    out=$1 release=$2 updated=$3
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
    security=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian-Security' | head -n 1)
    debian() {
        mkdir -p "$out"
        for suite in $2; do
            case $suite in
                *-security) echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security $suite main" ;;
                *) echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" ;;
            esac
        done | mmdebstrap --quiet --mode=root --format=directory --architectures="$3" --variant="$4" --include="$5" "${2%% *}" "$1" -
        rm -rf "$1"/var/cache "$1"/var/lib/apt
    }
    likewise() {
        mkdir -p "$out/old" "$out/new"
        cp -a "$release/." "$out/old"
        cp -a "$updated/." "$out/new"
    }
    machine=systemd-sysv,openssh-server,rsync,btrfs-progs,dbus
"#;

const RECIPES: [Recipe; 7] = [
    Recipe {
        name: "Debian 13 and its updates",
        folder: "pair-debian-13",
        script: r#"
            packages=linux-image-amd64,initramfs-tools,$machine
            debian "$out/old" trixie amd64 important "$packages"
            debian "$out/new" "trixie trixie-updates trixie-security" amd64 important "$packages"
        "#,
    },
    Recipe {
        name: "Debian 12 and its updates, but for the kernel",
        folder: "pair-no-kernel",
        script: r#"
            likewise
            rm -rf "$out"/*/boot "$out"/*/usr/lib/modules "$out"/*/initrd.img* "$out"/*/vmlinuz*
        "#,
    },
    Recipe {
        name: "Debian 12 for ARM64 and its updates, without an initramfs",
        folder: "pair-arm64",
        script: r#"
            packages=linux-image-arm64,$machine
            debian "$out/old" bookworm arm64 extract "$packages"
            debian "$out/new" "bookworm bookworm-updates bookworm-security" arm64 extract "$packages"
        "#,
    },
    Recipe {
        name: "Debian 12 and its updates, the initramfs packed by zstd",
        folder: "pair-zstd",
        script: r#"
            likewise
            for image in "$out"/*/boot/initrd.img-*; do
                gzip -dc "$image" | zstd -q -9 > "$image.new"
                mv "$image.new" "$image"
            done
        "#,
    },
    Recipe {
        name: "only programs, libraries and modules of the same, stripped",
        folder: "pair-stripped",
        script: r#"
            for tree in old new; do
                [ $tree = old ] && from=$release || from=$updated
                mkdir -p "$out/$tree/usr"
                cp -a "$from/usr/bin" "$from/usr/sbin" "$from/usr/lib" "$out/$tree/usr"
                find "$out/$tree" -name '*.ko' -exec strip --strip-unneeded {} +
                find "$out/$tree" -type f ! -name '*.ko' -exec strip --strip-all --remove-section=.comment --remove-section=.note {} + 2>"$out/skipped" || :
            done
        "#,
    },
    Recipe {
        name: "jars of Debian 12 and 13",
        folder: "pair-jars",
        script: r#"
            packages=libcommons-io-java,libcommons-lang3-java,libcommons-compress-java,libcommons-collections4-java,libguava-java,libbcprov-java,libjackson2-databind-java,libhttpclient-java,libnetty-java,liblucene4.10-java
            for tree in old new; do
                [ $tree = old ] && suite=bookworm || suite=trixie
                debian "$out/$tree.whole" $suite amd64 extract "$packages"
                mkdir -p "$out/$tree/usr/share"
                cp -a "$out/$tree.whole/usr/share/java" "$out/$tree/usr/share"
                rm -rf "$out/$tree.whole"
            done
        "#,
    },
    Recipe {
        name: "wheels of two releases of some packages",
        folder: "pair-wheels",
        script: r#"
            wheels() {
                mkdir -p "$out/$1/wheels"
                pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 --dest "$out/$1/wheels" $2
            }
            wheels old "lxml==5.3.0 pillow==11.0.0 sqlalchemy==2.0.36 sympy==1.13.2 setuptools==75.5.0"
            wheels new "lxml==5.3.1 pillow==11.1.0 sqlalchemy==2.0.37 sympy==1.13.3 setuptools==75.6.0"
        "#,
    },
];

/// All pairs whose folder has this in its name.
pub fn pairs(wanted: &str) -> Result<Vec<Pair>> {
    let (old, new) = (inputs::debian(Debian::Release)?, inputs::debian(Debian::Updated)?);
    let mut pairs = Vec::new();
    if "pair-debian-12".contains(wanted) {
        pairs.push(Pair { name: "Debian 12 and its updates", old: old.clone(), new: new.clone() });
    }
    for Recipe { name, folder, script } in RECIPES.into_iter().filter(|recipe| recipe.folder.contains(wanted))
    {
        println!("making the trees: {name}");
        let script = format!("{FUNCTIONS}{script}");
        let place = inputs::cached(folder, &script, |place| {
            make(&script, place, [&old, &new]).map_err(|error| Error::refused(format!("{error:#}")))
        })?;
        pairs.push(Pair { name, old: place.join("old"), new: place.join("new") });
    }
    ensure!(!pairs.is_empty(), "there is no pair with {wanted:?} in its name");
    Ok(pairs)
}

fn make(script: &str, place: &Path, debians: [&PathBuf; 2]) -> Result<()> {
    root::run(Command::new("sh").arg("-ec").arg(script).arg("sh").arg(place).args(debians))
}
