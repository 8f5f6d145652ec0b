//! The build extensions that are installed: archives, OCI images, and Debian packages.
//!
//! Pace: minutes

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use baserock_tests::definitions::Definitions;

fn repository(build: &str) -> Definitions {
    let definitions = Definitions::with_extensions();
    definitions.write("systems/made.morph", &format!("name: made\nkind: system\nbuild: {build}\n"));
    definitions
}

fn tar(folder: &Path, archive: &Path, option: &str) {
    let status =
        Command::new("tar").arg(option).arg("-C").arg(folder).arg("-cf").arg(archive).arg(".").status();
    assert!(status.unwrap().success());
}

#[test]
fn an_archive_becomes_a_tree() {
    let definitions = repository("{type: extensions/tar, TARBALL: base.tar.zst}");
    definitions.write("tree/usr/bin/tool", "x");
    fs::set_permissions(definitions.path("tree/usr/bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
    std::os::unix::fs::chown(definitions.path("tree/usr"), Some(5), Some(6)).unwrap();
    tar(&definitions.path("tree"), &definitions.path("base.tar.zst"), "--zstd");
    definitions.done(&["build", "systems/made"]);
    let made = definitions.path("artifacts/made");
    assert_eq!(fs::metadata(made.join("usr/bin/tool")).unwrap().permissions().mode() & 0o7777, 0o4755);
    assert_eq!(fs::metadata(made.join("usr")).unwrap().gid(), 6);
    assert_eq!(definitions.morph(&["build", "systems/made"]).succeeded().stdout, "made: up to date\n");
    definitions.write("tree/new", "y");
    tar(&definitions.path("tree"), &definitions.path("base.tar.zst"), "--zstd");
    definitions.done(&["build", "systems/made"]);
    assert_eq!(definitions.read("artifacts/made/new"), "y");
}

#[test]
fn what_is_no_archive_is_refused() {
    let definitions = repository("{type: extensions/tar, TARBALL: base.tar}");
    definitions
        .morph(&["build", "systems/made"])
        .failed(&["cannot read base.tar: No such file or directory"]);
    definitions.write("base.tar", &"this is no archive ".repeat(1000));
    definitions.morph(&["build", "systems/made"]).failed(&["tar.build failed with exit code 1: base.tar: "]);
    definitions.write("systems/made.morph", "name: made\nkind: system\nbuild: {type: extensions/tar}\n");
    definitions.morph(&["build", "systems/made"]).failed(&["TARBALL is not set"]);
    assert!(!definitions.path("artifacts/made").exists());
}

/// An OCI layout under construction.
struct Layout<'a> {
    definitions: &'a Definitions,
    layers: Vec<serde_json::Value>,
}

impl Layout<'_> {
    fn blob(&self, content: &[u8], kind: &str) -> serde_json::Value {
        let path = self.definitions.path("oci/blobs/sha256/new");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let sum = Command::new("sha256sum").arg(&path).output().unwrap().stdout;
        let sum = String::from_utf8(sum[..64].to_vec()).unwrap();
        fs::rename(&path, path.with_file_name(&sum)).unwrap();
        let media_type = format!("application/vnd.oci.image.{kind}");
        serde_json::json!({"mediaType": media_type, "digest": format!("sha256:{sum}"), "size": content.len()})
    }

    fn layer(&mut self, folder: &str, option: &str) {
        let archive = self.definitions.path("layer.tar");
        tar(&self.definitions.path(folder), &archive, option);
        let layer = self.blob(&fs::read(archive).unwrap(), "layer.v1.tar+gzip");
        self.layers.push(layer);
    }

    fn write(&self) {
        let config = self.blob(b"{}", "config.v1+json");
        let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": self.layers});
        let manifest = self.blob(manifest.to_string().as_bytes(), "manifest.v1+json");
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]});
        self.definitions.write("oci/index.json", &index.to_string());
        self.definitions.write("oci/oci-layout", "{\"imageLayoutVersion\": \"1.0.0\"}");
        tar(&self.definitions.path("oci"), &self.definitions.path("image.tar"), "--no-auto-compress");
    }
}

#[test]
fn the_layers_of_an_image_are_laid_over_each_other() {
    let definitions = repository("{type: extensions/tar, TARBALL: image.tar}");
    for file in ["etc/kept", "etc/changed", "etc/gone", "opaque/below", "folder/x", "link/y"] {
        definitions.write(&format!("one/{file}"), "one");
    }
    for file in ["etc/changed", "etc/.wh.gone", "opaque/.wh..wh..opq", "opaque/above"] {
        definitions.write(&format!("two/{file}"), "two");
    }
    definitions.write("two/folder", "a file now");
    symlink("etc", definitions.path("two/link")).unwrap();
    fs::set_permissions(definitions.path("two/etc"), fs::Permissions::from_mode(0o711)).unwrap();
    let mut layout = Layout { definitions: &definitions, layers: Vec::new() };
    layout.layer("one", "-z");
    layout.layer("two", "--no-auto-compress");
    layout.write();
    definitions.done(&["build", "systems/made"]);
    let listed =
        Command::new("find").arg(".").current_dir(definitions.path("artifacts/made")).output().unwrap();
    let mut names: Vec<&str> = std::str::from_utf8(&listed.stdout).unwrap().lines().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [".", "./etc", "./etc/changed", "./etc/kept", "./folder", "./link", "./opaque", "./opaque/above"]
    );
    assert_eq!(definitions.read("artifacts/made/etc/changed"), "two");
    assert_eq!(
        fs::metadata(definitions.path("artifacts/made/etc")).unwrap().permissions().mode() & 0o777,
        0o711
    );
}

#[test]
fn a_damaged_image_is_refused() {
    let definitions = repository("{type: extensions/tar, TARBALL: image.tar}");
    definitions.write("one/etc/os-release", "ID=one\n");
    let mut layout = Layout { definitions: &definitions, layers: Vec::new() };
    layout.layer("one", "-z");
    let layer = layout.layers[0]["digest"].as_str().unwrap().replace("sha256:", "oci/blobs/sha256/");
    fs::write(definitions.path(&layer), "other").unwrap();
    layout.write();
    definitions.morph(&["build", "systems/made"]).failed(&["image.tar: the blob", "is damaged"]);
    assert!(!definitions.path("artifacts/made").exists());
}

#[test]
fn a_system_is_made_of_debian_packages() {
    let definitions = repository(
        "{type: extensions/mmdebstrap, SUITE: bookworm, VARIANT: essential, PACKAGES: netbase, OVERLAY: over, CUSTOMIZE: fix}",
    );
    definitions.write("over/etc/motd", "hello\n");
    std::os::unix::fs::chown(definitions.path("over/etc/motd"), Some(1000), Some(1000)).unwrap();
    definitions.script("fix", "echo fixed >\"$1/etc/fixed\"");
    definitions.done(&["build", "systems/made"]);
    let made = definitions.path("artifacts/made");
    for file in ["usr/bin/dpkg", "etc/protocols", "etc/fixed"] {
        assert!(made.join(file).exists(), "{file}");
    }
    assert_eq!(fs::metadata(made.join("etc/motd")).unwrap().uid(), 0);
}

#[test]
fn packages_need_a_release() {
    let definitions = repository("{type: extensions/mmdebstrap}");
    definitions.morph(&["build", "systems/made"]).failed(&["SUITE is not set; name a release"]);
    definitions.write(
        "systems/made.morph",
        "name: made\nkind: system\nbuild: {type: extensions/mmdebstrap, SUITE: bookworm, OVERLAY: none}\n",
    );
    definitions.morph(&["build", "systems/made"]).failed(&["OVERLAY is none, which is no folder"]);
    definitions.write(
        "systems/made.morph",
        "name: made\nkind: system\nbuild: {type: extensions/mmdebstrap, SUITE: bookworm, CUSTOMIZE: systems/made.morph}\n",
    );
    definitions
        .morph(&["build", "systems/made"])
        .failed(&["CUSTOMIZE is systems/made.morph, which is no executable file"]);
}
