//! Archives as other programs make them unpack as these programs unpack them.
//!
//! Pace: seconds

mod support;

use std::fs;
use std::path::Path;

use baserock_archive::Options;
use system::dir::Dir;
use tar_core::EntryType;
use tempfile::TempDir;

use support::{Archive, options, shell, unpack, unpack_bytes};

/// What a pipe of programs makes of an archive.
fn piped(archive: &[u8], script: &str) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("in"), archive).unwrap();
    shell(place.path(), &format!("({script}) < in > out"));
    fs::read(place.path().join("out")).unwrap()
}

fn unpacked(archive: &[u8]) -> TempDir {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    unpack_bytes(archive, place.path()).unwrap();
    place
}

fn refusal(archive: &[u8]) -> String {
    unpack_bytes(archive, tempfile::tempdir().unwrap().path()).unwrap_err().to_string()
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let body = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let digits = (body.len() + (body.len() + 4).to_string().len()).to_string();
    [digits.as_bytes(), &body].concat()
}

trait Extended {
    fn extended(self, records: &[u8]) -> Self;
}

impl Extended for Archive {
    fn extended(self, records: &[u8]) -> Self {
        self.member("pax", EntryType::XHeader, "", records)
    }
}

const SKIPPED: &str = r"printf '\x50\x2a\x4d\x18\x04\0\0\0abcd'";

#[test]
fn several_streams_padding_and_frames_to_skip_are_read() {
    let whole = Archive::default().dir("etc").file("etc/f", &"content ".repeat(300)).end();
    let halves = "head -c 1500 > h; tail -c +1501 > t";
    for program in ["gzip", "xz", "zstd", "bzip2", "lz4", "lzip"] {
        for tail in ["true", "head -c 10241 /dev/zero"] {
            let script =
                format!("tee w >/dev/null; {halves} < w; for p in h t; do {program} -c < $p; done; {tail}");
            let script = script.replace(
                "head -c 1500 > h; tail -c +1501 > t < w",
                "head -c 1500 w > h; tail -c +1501 w > t",
            );
            let place = unpacked(&piped(&whole, &script));
            assert_eq!(fs::metadata(place.path().join("etc/f")).unwrap().len(), 2400, "{program} {tail}");
        }
    }
    for program in ["zstd", "lz4"] {
        let place = unpacked(&piped(&whole, &format!("{SKIPPED}; {program} -c; {SKIPPED}; {SKIPPED}")));
        assert!(place.path().join("etc/f").exists(), "{program}");
    }
    for script in ["xz --format=lzma -c", "xz --format=lzma -6e -c", "xz --lzma2=dict=192MiB -c"] {
        assert!(unpacked(&piped(&whole, script)).path().join("etc/f").exists(), "{script}");
    }
}

#[test]
fn a_dictionary_above_the_bound_is_named() {
    let whole = Archive::default().file("f", "x").end();
    for script in ["xz --lzma2=dict=768MiB -c", "zstd --ultra --long=30 -c"] {
        let message = refusal(&piped(&whole, script));
        assert!(message.contains("more than 256 MiB") && !message.contains("damaged"), "{message}");
    }
}

#[test]
fn an_end_is_needed_only_where_nothing_else_tells_it() {
    let open = Archive::default().file("f", "x").cut();
    assert!(unpacked(&piped(&open, "gzip -c")).path().join("f").exists());
    assert!(refusal(&open).contains("cut short"));
    // What follows the stream could be the rest of it.
    assert!(refusal(&piped(&open, "gzip -c; echo junk")).contains("cut short"));
    let closed = Archive::default().file("f", "x").end();
    assert!(unpacked(&piped(&closed, "gzip -c; echo junk")).path().join("f").exists());
    let junk = [&closed[..], b"junk that is no member"].concat();
    assert!(unpacked(&junk).path().join("f").exists());
    let hidden = [&open[..], &[0; 512], &closed].concat();
    assert!(refusal(&hidden).contains("after 1 members come zeros, and then others"));
}

#[test]
fn only_files_have_content() {
    for (kind, link) in [(EntryType::Directory, ""), (EntryType::Symlink, "x"), (EntryType::Fifo, "")] {
        let mut archive = Archive::default().member("a", kind, link, b"").cut();
        archive[124..135].copy_from_slice(b"00000000777");
        archive[148..156].fill(b' ');
        let sum: u32 = archive[..512].iter().map(|&byte| u32::from(byte)).sum();
        archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let archive = [archive, Archive::default().file("kept", "x").end()].concat();
        assert!(unpacked(&archive).path().join("kept").exists(), "{kind:?}");
    }
    for kind in [EntryType::Regular, EntryType::Continuous] {
        let folder = Archive::default().member("a/", kind, "", b"").end();
        assert!(unpacked(&folder).path().join("a").is_dir(), "{kind:?}");
        let message = refusal(&Archive::default().member("a/", kind, "", b"content").end());
        assert!(message.contains("name of a folder"), "{message}");
    }
}

#[test]
fn what_only_its_maker_knows_is_skipped_and_named() {
    let archive = Archive::default()
        .member("f", EntryType::Other(b'A'), "", b"0777\0user::rwx")
        .file("f", "x")
        .member("g", EntryType::Other(b'8'), "", b"a file")
        .end();
    let place = unpacked(&archive);
    assert_eq!(fs::read(place.path().join("f")).unwrap(), b"x");
    assert_eq!(fs::read(place.path().join("g")).unwrap(), b"a file");
    let (events, place) = (Events::default(), tempfile::tempdir().unwrap());
    let heard = Options { observer: &events, ..options(Path::new("a.tar")) };
    unpack(&archive[..], place.path(), &heard).unwrap();
    let events = events.0.into_inner().unwrap().join("\n");
    assert!(events.contains("vendor's type 'A'") && events.contains("type '8'"), "{events}");
    for kind in *b"NMX" {
        let message = refusal(&Archive::default().member("f", EntryType::Other(kind), "", b"x").end());
        assert!(message.contains("not supported"), "{message}");
    }
}

#[derive(Default)]
struct Events(std::sync::Mutex<Vec<String>>);

impl system::observer::Observer for Events {
    fn event(&self, event: system::observer::Event) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

#[test]
fn attributes_of_libarchive_are_set() {
    let archive = Archive::default()
        .extended(
            &[record("LIBARCHIVE.xattr.user.a%25", b"AAEC"), record("LIBARCHIVE.xattr.user.b", b"aGk")]
                .concat(),
        )
        .file("f", "x")
        .end();
    let place = unpacked(&archive);
    let list = shell(place.path(), "getfattr -d -m - -e hex f");
    assert!(list.contains("user.a%=0x000102") && list.contains("user.b=0x6869"), "{list}");
}

#[test]
fn headers_for_all_members_do_not_say_what_belongs_to_one() {
    let global = |records: &[u8]| Archive::default().member("g", EntryType::XGlobalHeader, "", records);
    let place = unpacked(&global(&record("comment", b"made by hand")).file("f", "x").end());
    assert!(place.path().join("f").exists());
    assert!(refusal(&global(&record("path", b"other")).file("f", "x").end()).contains("the record path"));
    let parted = Archive::default()
        .extended(&record("path", b"long"))
        .member("g", EntryType::XGlobalHeader, "", &record("comment", b"x"))
        .file("f", "x")
        .end();
    assert!(refusal(&parted).contains("parts a member from its own"));
}

#[test]
fn what_is_kept_until_the_end_is_limited() {
    let records: Vec<u8> =
        (0..60).flat_map(|n| record(&format!("SCHILY.xattr.user.a{n}"), &vec![b'x'; 60_000])).collect();
    let mut archive = Archive::default();
    for n in 0..30 {
        archive = archive.extended(&records).dir(&format!("d{n}"));
    }
    assert!(refusal(&archive.end()).contains("more metadata than the 64 MiB"));
    let names: Vec<u8> = (0..9000).flat_map(|n| record(&format!("SCHILY.xattr.user.a{n}"), b"")).collect();
    assert!(refusal(&Archive::default().extended(&names).file("f", "x").end()).contains("more attributes"));
    let endless = [
        record("GNU.sparse.major", b"1"),
        record("GNU.sparse.minor", b"0"),
        record("GNU.sparse.realsize", b"9"),
    ];
    let endless = Archive::default().extended(&endless.concat()).file("f", &"1".repeat(40 << 20)).end();
    assert!(refusal(&endless).contains("longer headers"));
}

#[test]
fn first_folders_are_left_out_on_request() {
    let archive = Archive::default().dir("top").file("top/f", "x").hard_link("top/g", "top/f").end();
    let place = tempfile::tempdir().unwrap();
    unpack(&archive[..], place.path(), &Options { strip: 1, ..options(Path::new("a.tar")) }).unwrap();
    assert_eq!(shell(place.path(), "find . -type f -links 2 | sort"), "./f\n./g\n");
}

#[test]
fn folders_are_made_behind_links() {
    let place = unpacked(&Archive::default().dir("usr").symlink("lib", "usr").file("lib/a/b", "x").end());
    assert!(place.path().join("usr/a/b").exists());
}

fn lay(tree: &Path, layer: &[u8]) -> Result<(), system::Error> {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, layer).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let mut layers = baserock_archive::Layers::of(Path::new("layer"), layer.len() as u64);
    layers.lay(file, &Dir::open(tree)?, &system::observer::Silent)
}

#[test]
fn layers_lie_over_one_another() {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let tree = place.path();
    let lower = Archive::default()
        .dir("usr")
        .dir("tmp")
        .file("tmp/old", "x")
        .file("usr/a", "x")
        .symlink("lib", "usr");
    lay(tree, &lower.symlink("var", "/usr").file("gone", "x").dir("d").file("d/low", "x").end()).unwrap();
    shell(tree, "chmod 1777 tmp; touch -d @1000000 usr tmp");
    lay(tree, b"").unwrap();
    lay(tree, &[0; 1024]).unwrap();
    let upper = Archive::default()
        .file("lib/new", "x")
        .file("var/other", "x")
        .hard_link("usr/b", "usr/a")
        .file("tmp/.wh.old", "")
        .file("d/high", "x")
        .file("d/.wh..wh..opq", "")
        .file("gone", "again")
        .file(".wh.gone", "")
        .file(".wh..wh.plnk/1.2", "x")
        .file(".wh..wh.aufs", "");
    lay(tree, &upper.cut()).unwrap();
    let found = shell(tree, "find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort | tr '\n' ' '");
    assert_eq!(found, "d d/high gone lib tmp usr usr/a usr/b usr/new usr/other var ");
    assert_eq!(shell(tree, "stat -c '%a %Y' tmp usr; stat -c %h usr/a"), "1777 1000000\n755 1000000\n2\n");
    assert_eq!(fs::read(tree.join("gone")).unwrap(), b"again");
    lay(tree, &Archive::default().file("usr", "a file now").end()).unwrap();
    assert!(tree.join("usr").is_file());
    assert!(lay(tree, &Archive::default().file(".wh...", "").end()).is_err());
}
