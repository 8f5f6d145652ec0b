//! Which image of an archive becomes the system, and what is refused because nobody can tell.
//!
//! Pace: seconds

use std::fs;
use std::path::Path;
use std::process::Command;

use baserock::extension::Environment;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use system::observer::Silent;
use tempfile::TempDir;

struct Archive(TempDir);

impl Archive {
    fn new() -> Self {
        let archive = Archive(tempfile::tempdir_in("/var/tmp").unwrap());
        fs::create_dir_all(archive.0.path().join("in/blobs/sha256")).unwrap();
        archive
    }

    fn put(&self, name: &str, content: &[u8]) -> &Self {
        let path = self.0.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// A layer with one file.
    fn layer(&self, file: &str) -> Vec<u8> {
        let place = self.0.path().join("layer");
        fs::create_dir_all(place.join("etc")).unwrap();
        fs::write(place.join("etc").join(file), file).unwrap();
        let output = Command::new("tar").args(["-cC"]).arg(&place).arg(".").output().unwrap();
        fs::remove_dir_all(place).unwrap();
        output.stdout
    }

    fn blob(&self, content: &[u8]) -> Value {
        let sum =
            Sha256::digest(content).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        self.put(&format!("blobs/sha256/{sum}"), content);
        json!({"mediaType": "application/vnd.oci.image", "digest": format!("sha256:{sum}"), "size": content.len()})
    }

    /// The descriptor of an image with one file.
    fn image(&self, file: &str, name: &str, platform: &Value) -> Value {
        self.image_of("application/vnd.oci.image.layer.v1.tar", file, name, platform)
    }

    /// The same, with a layer of this type.
    fn image_of(&self, kind: &str, file: &str, name: &str, platform: &Value) -> Value {
        let config = self.blob(platform.to_string().as_bytes());
        let mut layer = self.blob(&self.layer(file));
        layer["mediaType"] = kind.into();
        let mut image = self.blob(json!({"config": config, "layers": [layer]}).to_string().as_bytes());
        image["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        image
    }

    fn index(&self, images: &[Value]) -> &Self {
        self.put("oci-layout", b"{}").put("index.json", json!({"manifests": images}).to_string().as_bytes())
    }

    /// Builds from it with these variables. Returns the names in `etc`, or the error.
    fn build(&self, variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let archive = self.0.path().join("a.tar");
        let mut made = Command::new("tar");
        made.arg("-cf").arg(&archive).arg("-C").arg(self.0.path().join("in")).arg(".");
        assert!(made.status().unwrap().success());
        let output = tempfile::tempdir_in("/var/tmp").unwrap();
        let tarball = [("TARBALL", archive.to_str().unwrap())];
        let environment: Environment = tarball.iter().chain(variables).copied().collect();
        tar_extension::build::build(output.path(), &environment, &Silent)
            .map_err(|error| error.to_string())?;
        let mut names: Vec<String> = fs::read_dir(output.path().join("etc"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        Ok(names)
    }
}

fn platform(os: &str, architecture: &str) -> Value {
    json!({"os": os, "architecture": architecture})
}

#[test]
fn an_image_is_chosen_by_name_and_platform() {
    let archive = Archive::new();
    let one = archive.image("one", "one", &platform("linux", "riscv64"));
    let two = archive.image("two", "two", &platform("linux", "s390x"));
    let windows = archive.image("windows", "two", &platform("windows", "s390x"));
    archive.index(&[one.clone(), one, two, windows]);
    assert_eq!(archive.build(&[("PLATFORM", "linux/riscv64")]).unwrap(), ["one"]);
    assert_eq!(archive.build(&[("PLATFORM", "linux/s390x"), ("IMAGE", "two")]).unwrap(), ["two"]);
    assert!(archive.build(&[]).unwrap_err().contains("has no image for linux/"));
    assert!(archive.build(&[("PLATFORM", "linux/s390x"), ("IMAGE", "one")]).is_err());
    assert!(archive.build(&[("PLATFORM", "linux")]).unwrap_err().contains("PLATFORM is \"linux\""));
}

#[test]
fn several_images_are_named() {
    let archive = Archive::new();
    let images = ["one", "two"].map(|name| archive.image(name, name, &platform("linux", "riscv64")));
    archive.index(&images);
    let message = archive.build(&[("PLATFORM", "linux/riscv64")]).unwrap_err();
    assert!(message.contains("one for linux/riscv64, two for linux/riscv64"), "{message}");
}

#[test]
fn layers_that_cannot_be_read_are_named() {
    for (kind, told) in [
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"),
        ("application/vnd.example.squashfs", "\"application/vnd.example.squashfs\""),
    ] {
        let archive = Archive::new();
        let image = archive.image_of(kind, "f", "one", &platform("linux", "amd64"));
        let message = archive.index(&[image]).build(&[]).unwrap_err();
        assert!(message.contains(told) && !message.contains('\n'), "{message}");
    }
    let archive = Archive::new();
    let image = archive.image_of("", "f", "one", &platform("linux", "amd64"));
    assert_eq!(archive.index(&[image]).build(&[]).unwrap(), ["f"]);
}

#[test]
fn what_docker_saves_is_an_image_too() {
    let archive = Archive::new();
    let layer = archive.layer("docker");
    let manifest =
        json!([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]);
    archive.put("c.json", b"{}").put("a/layer.tar", &layer).put("b/layer.tar", &archive.layer("above"));
    archive.put("manifest.json", manifest.to_string().as_bytes());
    assert_eq!(archive.build(&[("IMAGE", "x:1")]).unwrap(), ["above", "docker"]);
    assert!(archive.build(&[("IMAGE", "y:1")]).is_err());
    archive.put(
        "c.json",
        json!({"rootfs": {"diff_ids": vec![format!("sha256:{}", "0".repeat(64)); 2]}}).to_string().as_bytes(),
    );
    assert!(archive.build(&[]).unwrap_err().contains("is damaged"));
    let outside = Archive::new();
    fs::write(outside.0.path().join("secret"), "x").unwrap();
    outside.put("c.json", b"{}").put("manifest.json", manifest.to_string().as_bytes());
    fs::create_dir(outside.0.path().join("in/a")).unwrap();
    std::os::unix::fs::symlink("../../secret", outside.0.path().join("in/a/layer.tar")).unwrap();
    assert!(outside.build(&[]).is_err());
}

#[test]
fn what_is_half_an_image_is_no_system() {
    let archive = Archive::new();
    archive.put("oci-layout", b"{}");
    assert!(archive.build(&[]).unwrap_err().contains("without its index.json"));
    let old = Archive::new();
    old.put("repositories", b"{}").put("abc/layer.tar", b"");
    assert!(old.build(&[]).unwrap_err().contains("without the manifest.json"));
}

#[test]
fn a_folder_around_a_system_is_left_out_on_request() {
    let archive = Archive::new();
    fs::remove_dir_all(archive.0.path().join("in/blobs")).unwrap();
    archive.put("rootfs/etc/f", b"x");
    let message = archive.build(&[]).unwrap_err();
    assert!(message.contains("in the folder rootfs; STRIP_COMPONENTS=1"), "{message}");
    // The archive begins its names with a dot, which counts.
    assert_eq!(archive.build(&[("STRIP_COMPONENTS", "2")]).unwrap(), ["f"]);
    assert!(archive.build(&[("STRIP_COMPONENTS", "x")]).is_err());
    assert!(!Path::new(".oci-layout").exists());
}
