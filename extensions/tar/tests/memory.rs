//! Archives of images that want much memory, or much work for their size, do not get it.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::process::Command;

use baserock::extension::Environment;
use serde_json::json;
use sha2::{Digest, Sha256};
use system::observer::Silent;

/// What a reader may take, in KiB, and the buffers of an archive, the largest file of JSON, and the test itself.
const MOST: u64 = (64 + 16) << 10;

/// The largest file of JSON that is read, less a little.
const LARGEST: usize = (4 << 20) - 4096;

/// So many of the items.
fn times(count: usize, item: &str) -> String {
    let mut items = format!("{item},").repeat(count);
    items.pop();
    items
}

/// As many of the items as fit into the largest file of JSON.
fn many(begin: &str, item: &str, end: &str) -> String {
    [begin, &times((LARGEST - begin.len() - end.len()) / (item.len() + 1), item), end].concat()
}

fn shell(place: &Path, script: &str) {
    assert!(Command::new("bash").args(["-euc", script]).current_dir(place).status().unwrap().success());
}

/// Builds from an archive with these files and those that a script makes, in the order of their names. Returns the message, if it is refused.
fn build(files: &[(&str, &str)], script: &str) -> String {
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let inside = place.path().join("in");
    for (name, content) in files {
        let path = inside.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    shell(&inside, script);
    shell(place.path(), "mkdir tree; tar -cf a.tar --sort=name -C in .");
    let archive = place.path().join("a.tar");
    let variables = [("TARBALL", archive.to_str().unwrap()), ("PLATFORM", "linux/amd64")];
    let environment: Environment = variables.into_iter().collect();
    let tree = place.path().join("tree");
    let built = tar_extension::build::build(&tree, &environment, &Silent);
    assert!(built.is_err() || tree.join("f").exists(), "a system without its files");
    built.map_or_else(|error| error.to_string(), |()| String::new())
}

/// The most memory that this process had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What `docker save` writes: the layers are in the order of their sums, and the manifest that tells their order is the last file.
fn large_layers() {
    let manifest = json!([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["b.tar", "d.tar", "a.tar"]}]);
    let layer = "l() { mkdir l; truncate -s 200M l/f; echo $1 >>l/f; tar -cf $1.tar -C l .; rm -r l; }";
    let told = build(
        &[("c.json", "{}"), ("manifest.json", &manifest.to_string())],
        &format!("{layer}; for name in a b d; do l $name; done"),
    );
    assert_eq!(told, "");
}

/// Tries manifests of `docker save`, with the configuration that each names. One after the other is made, so that memory does not hold all.
fn manifests(mut each: impl FnMut(String, &str)) {
    let entry = |layers: &str| format!(r#"{{"Config":"c.json","Layers":[{layers}]}}"#);
    let one = format!("[{}]", entry(""));
    let long = format!("{:?}", "x".repeat(1000));
    let platform = format!(r#""os":"linux","architecture":"amd64","variant":{long}"#);
    let sums = format!(r#"{{{platform},"rootfs":{{"diff_ids":[{}]}}}}"#, times(40, &long));
    each(many("[", r#"{"Config":"","Layers":[]}"#, "]"), "{}");
    each(many(r#"[{"Layers":[],"Config":"","a":["#, r#"{"":0}"#, "]}]"), "{}");
    each(many(r#"[{"Config":"c.json","Layers":["#, r#""""#, "]}]"), "{}");
    each(many("[", &entry(&times(40, r#""""#)), "]"), &sums);
    each(format!("[{}]", times(256, &entry(&times(40, r#""""#)))), &sums);
    each(one.clone(), &many("[", "0", "]"));
    each(one.clone(), &many(r#"{"rootfs":{"diff_ids":["#, r#""""#, "]}}"));
    each(one, &format!(r#"{{"variant":{:?}}}"#, "x".repeat(LARGEST - 100)));
}

/// A blob of an OCI layout: its digest and its file.
fn blob(content: &str) -> (String, String) {
    let sum = Sha256::digest(content).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    (format!("sha256:{sum}"), format!("blobs/sha256/{sum}"))
}

/// Tries indexes of OCI layouts, with the manifest that each may name.
fn indexes(mut each: impl FnMut(String, &str)) {
    let digest = format!("sha256:{}", "0".repeat(64));
    let layers = times(500, &format!(r#"{{"digest":"{digest}"}}"#));
    let manifest = format!(r#"{{"config":{{"digest":"{digest}","mediaType":"image"}},"layers":[{layers}]}}"#);
    let named = |digest: &str, name: &str| {
        format!(
            r#"{{"digest":"{digest}","annotations":{{"org.opencontainers.image.ref.name":{name:?}}},"platform":{{"architecture":"amd64"}}}}"#
        )
    };
    let index = |images: &str| format!(r#"{{"manifests":[{images}]}}"#);
    let of_manifest = blob(&manifest).0;
    let many_layers = many(r#"{"layers":["#, r#"{"digest":""}"#, "]}");
    each(many(r#"{"manifests":["#, r#"{"digest":"","annotations":{"":""}}"#, "]}"), &manifest);
    each(index(&times(256, &named(&of_manifest, &"x".repeat(1000)))), &manifest);
    each(index(&named(&of_manifest, &"x".repeat(LARGEST - 1000))), &manifest);
    each(index(&named(&blob(&many_layers).0, "x")), &many_layers);
}

#[test]
fn memory_and_work_are_bounded() {
    large_layers();
    let check = |text: &str, told: &str| {
        let what = text.get(..90).unwrap_or(text);
        eprintln!("{} KiB after {what}: {told:.100}", peak());
        assert!(!told.is_empty() && told.len() < 20_000, "{what}: {told}");
        assert!(peak() < MOST, "{what}: {} KiB", peak());
    };
    manifests(|manifest, config| {
        let told = build(&[("c.json", config), ("manifest.json", &manifest)], "true");
        check(&manifest, &told);
    });
    indexes(|index, manifest| {
        let file = blob(manifest).1;
        let told = build(&[("oci-layout", "{}"), ("index.json", &index), (&file, manifest)], "true");
        check(&index, &told);
    });
    let twice = r#"[{"Config":"c.json","Layers":["l","l"]}]"#;
    let told = build(
        &[("c.json", "{}"), ("manifest.json", twice)],
        "mkdir t; truncate -s 600M t/.wh.x; touch t/f; tar -c --sort=name -C t . | zstd -q >l; rm -r t",
    );
    assert!(told.contains("times its own size"), "{told}");
}
