//! Trees compared and brought into snapshots, on a real filesystem, checked by rsync.
//!
//! Pace: seconds

use std::path::Path;

use baserock::operations::manifest;
use baserock_tests::image::{Image, Mounted};
use delta::scan::{ReadAll, scan};
use delta::update::{Updated, update};
use delta::{Manifest, Tree};
use system::btrfs::{self, Access};
use system::copy::Copier;
use system::dir::Dir;
use system::process::Program;

/// Two trees that differ in everything in which trees can differ; each line makes one difference.
const OLD: &str = r"
    mkdir -p lib/modules/6.1.0-50/kernel etc usr/bin gone/deep turns-file empty
    head -c 3000000 /dev/urandom > lib/modules/6.1.0-50/kernel/ext4.ko
    head -c 20000000 /dev/urandom > usr/bin/large
    head -c 9000 /dev/urandom > usr/bin/moves
    echo a > usr/bin/one; ln usr/bin/one usr/bin/two; ln usr/bin/one usr/bin/three
    echo b > usr/bin/joins; echo c > usr/bin/splits; ln usr/bin/splits usr/bin/splits-too
    echo same > etc/mode; echo same > etc/owner; echo same > etc/time; echo same > etc/attribute; echo same > etc/acl
    echo x > gone/deep/file; echo y > turns-file/inner; echo z > turns-dir
    ln -s one usr/bin/link; ln -s target etc/becomes-file; mknod etc/null c 1 3; mkfifo etc/fifo
    setfattr -n user.old -v 1 etc/attribute; setfacl -m u:7:r etc/acl; cp /bin/true usr/bin/capable
    setcap cap_net_raw+ep usr/bin/capable; chmod 1777 empty; setfacl -d -m u:7:rwx etc
";
const NEW: &str = r"
    mkdir lib/modules/6.1.0-56; mv lib/modules/6.1.0-50/kernel lib/modules/6.1.0-56; rmdir lib/modules/6.1.0-50
    printf changed | dd of=lib/modules/6.1.0-56/kernel/ext4.ko bs=1 seek=1000000 conv=notrunc status=none
    printf changed | dd of=usr/bin/large bs=1 seek=15000000 conv=notrunc status=none; echo more >> usr/bin/large
    mv usr/bin/moves usr/bin/moved; rm usr/bin/two; ln -f usr/bin/one usr/bin/joins
    cp usr/bin/splits s; mv s usr/bin/splits-too; cp -p usr/bin/moved usr/bin/copied
    chmod 4711 etc/mode; chown 7:8 etc/owner; touch -d 2001-01-01 etc/time; chown 9 usr/bin/capable
    setfattr -x user.old etc/attribute; setfattr -n user.new -v 2 etc/attribute; setfacl -m u:8:rw etc/acl
    rm -r gone turns-file turns-dir; echo f > turns-file; mkdir turns-dir; echo g > turns-dir/inner
    ln -sfn two usr/bin/link; chown -h 5 usr/bin/link; rm etc/becomes-file; echo h > etc/becomes-file
    rm etc/null; mknod etc/null c 1 5; rm etc/fifo; setcap cap_net_raw+ep usr/bin/capable; truncate -s 50M usr/bin/sparse
    cp usr/bin/large twice-1; cp usr/bin/large twice-2; setfacl -b -k etc; chmod 700 .
";

struct Trees {
    mounted: Mounted,
    image: Image,
}

impl Trees {
    fn new() -> Self {
        let image = Image::btrfs(1024);
        let mounted = image.mount("");
        let trees = Trees { mounted, image };
        for name in ["old", "new"] {
            std::fs::create_dir(trees.source(name)).unwrap();
        }
        let shell = |script: &str, dir: &str| {
            Program::new("sh").args(["-ec", script]).current_dir(trees.source(dir)).run().unwrap();
        };
        shell(OLD, "old");
        shell("cp -a ../old/. .", "new");
        shell(NEW, "new");
        let top = trees.top();
        btrfs::create(&top, "basis").unwrap();
        let basis = top.dir("basis").unwrap();
        Copier::new(&basis).contents(&trees.dir("old"), Path::new("")).unwrap();
        btrfs::commit(&top).unwrap();
        trees
    }

    fn source(&self, name: &str) -> std::path::PathBuf {
        self.image.place().join(name)
    }

    fn dir(&self, name: &str) -> Dir {
        Dir::open(self.source(name)).unwrap()
    }

    fn top(&self) -> Dir {
        self.mounted.dir()
    }

    /// Brings the tree `from` into a snapshot of the basis, and has rsync look for differences.
    fn update(&self, from: &str) -> Updated {
        let (top, source) = (self.top(), self.dir(from));
        btrfs::snapshot(&top.dir("basis").unwrap(), &top, "next", Access::Writable).unwrap();
        let (basis, into) = (top.dir("basis").unwrap(), top.dir("next").unwrap());
        let (old, new) = (scanned(&basis), scanned(&source));
        let basis = Tree { dir: &basis, manifest: &old };
        let updated = update(Tree { dir: &source, manifest: &new }, basis, &into, &|_| {}).unwrap();
        assert_eq!(scanned(&into), new);
        let found = Program::new("rsync")
            .args(["-aHAXn", "--checksum", "--delete", "--itemize-changes", "--numeric-ids"])
            .args([self.source(from).join(""), self.mounted.path().join("next/")])
            .run()
            .unwrap();
        assert_eq!(String::from_utf8(found.stdout).unwrap(), "");
        updated
    }
}

fn scanned(tree: &Dir) -> Manifest {
    scan(tree, &mut ReadAll, &|_| Ok(())).unwrap()
}

#[test]
fn a_snapshot_becomes_the_new_tree_and_shares_what_did_not_change() {
    let trees = Trees::new();
    let updated = trees.update("new");
    // The two large files: one block of each, and the longer end of one.
    assert!(updated.contents.written < 100_000, "{updated:?}");
    assert!(updated.contents.shared > 22_000_000, "{updated:?}");
}

#[test]
fn the_same_tree_is_no_work() {
    assert_eq!(Trees::new().update("old"), Updated::default());
}

#[test]
fn a_manifest_beside_a_tree_is_trusted_until_the_tree_changes() {
    let trees = Trees::new();
    let (top, basis) = (trees.top(), trees.top().dir("basis").unwrap());
    assert_eq!(manifest::load(&top, &basis).unwrap(), None);
    let made = scanned(&basis);
    manifest::store(&top, &basis, &made).unwrap();
    assert_eq!(manifest::load(&top, &basis).unwrap(), Some(made));
    basis.write_new("intruder", 0o644, b"").unwrap();
    btrfs::commit(&top).unwrap();
    assert_eq!(manifest::load(&top, &basis).unwrap(), None);
}
