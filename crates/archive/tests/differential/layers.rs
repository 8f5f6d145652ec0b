//! Images of several layers, unpacked here and with umoci.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use baserock_archive::Layers;
use sha2::{Digest, Sha256};
use system::dir::Dir;
use system::observer::Silent;

use crate::header::{BLOCK, Form, Header, padded};
use crate::random::Random;
use crate::tree::{NOW, Tree, describe};
use crate::unpacked::{Difference, Outcome};

/// An image.
pub struct Image {
    layers: Vec<Vec<Member>>,
}

/// A member of a layer.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name, with the marks of names that are removed.
    pub name: String,
    /// Its kind, as in headers.
    pub kind: u8,
    /// The target of a link.
    pub link: String,
    mode: i64,
    number: u64,
    attribute: bool,
}

const FOLDERS: [&str; 6] = ["", "a/", "b/", "a/c/", "l/", "l/c/"];
const NAMES: [&str; 5] = ["a", "b", "c", "l", "f"];
const MODES: [i64; 8] = [0o644, 0o755, 0o4755, 0o2711, 0o1777, 0o600, 0o700, 0];
const TARGETS: [&str; 6] = ["a", "/a", "../a", "../../b", "nowhere", "c"];

/// The image of this seed.
pub fn image(seed: u64) -> Image {
    let mut random = Random::new(seed);
    let mut known = Vec::new();
    let count = 2 + random.below(3);
    let layers = (0..count).map(|_| layer(&mut random, &mut known)).collect();
    Image { layers }
}

fn layer(random: &mut Random, known: &mut Vec<String>) -> Vec<Member> {
    let count = if random.one_in(8) { 0 } else { 1 + random.below(7) };
    (0..count).map(|_| member(random, known)).collect()
}

fn member(random: &mut Random, known: &mut Vec<String>) -> Member {
    let kind = random.pick(b"00000555555221136ww.o");
    let path = format!("{}{}", random.pick(&FOLDERS), random.pick(&NAMES));
    let (folder, last) = path.rsplit_once('/').map_or(("", &*path), |(folder, last)| (folder, last));
    let slash = if folder.is_empty() { "" } else { "/" };
    let (name, kind) = match kind {
        b'w' => (format!("{folder}{slash}.wh.{last}"), b'0'),
        b'o' => (format!("{folder}{slash}.wh..wh..opq"), b'0'),
        b'.' => ("./".to_owned(), b'5'),
        kind => (path.clone(), kind),
    };
    let link = match kind {
        b'2' => random.pick(&TARGETS).to_owned(),
        b'1' if known.is_empty() => "a".to_owned(),
        b'1' => random.pick(known),
        _ => String::new(),
    };
    if matches!(kind, b'0' | b'2') && !name.contains(".wh.") {
        known.push(name.clone());
    }
    let mode = random.pick(&MODES);
    Member { name, kind, link, mode, number: random.below(1 << 20), attribute: random.one_in(3) }
}

impl Member {
    /// The name that it removes; that of its folder, if it removes everything there.
    fn removes(&self) -> Option<String> {
        let (folder, last) = self.name.rsplit_once('/').unwrap_or(("", &self.name));
        let slash = if folder.is_empty() { "" } else { "/" };
        match last.strip_prefix(".wh.")? {
            ".wh..opq" => Some(folder.to_owned()),
            gone => Some(format!("{folder}{slash}{gone}")),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut header = Header::new(Form::Pax, self.kind, self.name.as_bytes());
        let number = i64::try_from(self.number).expect("a small number");
        header.link = self.link.clone().into_bytes();
        header.mode = self.mode;
        (header.uid, header.gid) = (number % 3, number % 5);
        header.mtime = 1_000_000_000 + number;
        if self.kind == b'3' {
            header.device = (1, 3);
        }
        let mut content = Vec::new();
        if self.kind == b'0' && !self.name.contains(".wh.") {
            content = self.number.to_string().into_bytes();
        }
        header.size = content.len() as u64;
        let mut records = Vec::new();
        if self.number % 2 == 1 {
            records.push(("mtime".to_owned(), format!("{}.{:09}", header.mtime, self.number).into_bytes()));
        }
        if self.attribute && matches!(self.kind, b'0' | b'5') {
            records.push(("SCHILY.xattr.user.x".to_owned(), self.number.to_string().into_bytes()));
        }
        [header.bytes(&records, &mut Random::plain()), padded(&content)].concat()
    }
}

impl Image {
    /// All members, the lowest layer first, with the number of their layer.
    pub fn members(&self) -> impl Iterator<Item = (usize, &Member)> {
        self.layers.iter().enumerate().flat_map(|(index, layer)| layer.iter().map(move |one| (index, one)))
    }

    /// Whether a layer removes names after members that lie there, link there, or lead there. Here a layer always removes first.
    fn removes_late(&self) -> bool {
        self.layers.iter().any(|layer| {
            layer.iter().enumerate().any(|(index, one)| {
                let Some(gone) = one.removes() else { return false };
                let below =
                    |name: &str| name == gone || gone.is_empty() || name.starts_with(&format!("{gone}/"));
                layer[..index].iter().any(|other| {
                    other.removes().is_none()
                        && (below(&other.name)
                            || (other.kind == b'1' && below(&other.link))
                            || (matches!(other.kind, b'1' | b'2')
                                && one.name.starts_with(&format!("{}/", other.name))))
                })
            })
        })
    }

    /// Whether a layer may describe this folder by another name too, which goes through a link.
    fn has_two_names(&self, path: &str) -> bool {
        let last = |name: &str| name.rsplit('/').next().map(ToOwned::to_owned);
        self.members().any(|(_, one)| one.kind == b'2')
            && self.layers.iter().any(|layer| {
                let folders = layer.iter().filter(|one| one.kind == b'5');
                let names: BTreeSet<&String> =
                    folders.map(|one| &one.name).filter(|name| last(name) == last(path)).collect();
                names.len() > 1
            })
    }

    /// The name of the reason why a difference is right.
    pub fn reason(&self, difference: &Difference) -> Option<&'static str> {
        if self.removes_late() {
            return Some("removed after it was used");
        }
        match difference {
            // A name is not lost where a link leads nowhere, and a folder is not made there.
            Difference::Refused(why)
                if ["does not lead to a folder", "which is not a folder"]
                    .iter()
                    .any(|text| why.contains(text)) =>
            {
                Some("no folder on the way")
            }
            // A whiteout behind a loop of links removes nothing.
            Difference::Failed(why) if why.contains("too many levels of symbolic links") => {
                Some("a loop of links")
            }
            // umoci removes the name first, and then finds nothing to link to.
            Difference::Failed(why)
                if why.contains("link: no such file")
                    && self
                        .members()
                        .any(|(_, one)| one.kind == b'1' && Path::new(&one.link).starts_with(&one.name)) =>
            {
                Some("a link to itself, or through itself")
            }
            // umoci gives only the folder of a member its time back, and not the one in which that folder was made.
            Difference::Fact { fact: "mtime", theirs, .. } if theirs == NOW => {
                Some("a new time of an old folder")
            }
            // A folder that no layer describes gets the group of a folder with set-group-id: of one as it was before the layer, or as it is.
            Difference::Fact { fact: "mode", ours, theirs, .. }
                if [ours, theirs].iter().all(|mode| ["755", "2755"].contains(&mode.as_str())) =>
            {
                Some("the group of the folder above")
            }
            Difference::Fact { fact: "owner", ours, theirs, .. }
                if [ours, theirs].iter().all(|owner| owner.starts_with("0:")) =>
            {
                Some("the group of the folder above")
            }
            // Where they lie is not known any more.
            Difference::Refused(why) if why.contains("would replace the folder above") => {
                Some("a folder with folders replaced by its own layer")
            }
            // Folders get their metadata at the end, and not in the order of the members.
            Difference::Fact { path, .. } if self.has_two_names(path) => Some("two names for a folder"),
            // It cannot be given its metadata at the end.
            Difference::Refused(why) if why.contains("took the place of a link in its name") => {
                Some("a folder behind a link that is gone")
            }
            _ => None,
        }
    }

    fn archives(&self) -> Vec<Vec<u8>> {
        let archive = |layer: &Vec<Member>| {
            let mut bytes: Vec<u8> = layer.iter().flat_map(Member::bytes).collect();
            bytes.resize(bytes.len() + 2 * BLOCK, 0);
            bytes
        };
        self.layers.iter().map(archive).collect()
    }

    /// Unpacks the image in the folder both ways.
    pub fn unpack(&self, folder: &Path, start: i64) -> Outcome {
        let [layout, ours, theirs] = ["layout", "ours", "theirs"].map(|name| folder.join(name));
        for old in [&layout, &ours, &theirs] {
            if old.exists() {
                fs::remove_dir_all(old).expect("an earlier image can be removed");
            }
        }
        fs::create_dir_all(layout.join("blobs/sha256")).expect("a folder can be made");
        fs::create_dir(&ours).expect("a folder can be made");
        let archives = self.archives();
        lay_out(&layout, &archives);
        let made = lay(&archives, folder, &ours);
        let mut umoci = Command::new("umoci");
        umoci.args(["raw", "unpack", "--image"]).arg(format!("{}:x", layout.display())).arg(&theirs);
        let output = umoci.output().expect("umoci is installed");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        Outcome {
            left: false,
            ours: made.map(|()| self.described(&ours, start)),
            theirs: if output.status.success() { Ok(self.described(&theirs, start)) } else { Err(told) },
        }
    }

    /// The tree, without its top if no layer says anything about that.
    fn described(&self, tree: &Path, start: i64) -> Tree {
        let mut described = describe(tree, start);
        if !self.members().any(|(_, member)| member.name == "./") {
            described.remove("");
        }
        described
    }
}

fn lay(archives: &[Vec<u8>], folder: &Path, to: &Path) -> Result<(), String> {
    let name = folder.join("layer");
    let mut layers = Layers::of(&name, 0);
    let tree = Dir::open(to).expect("a tree can be opened");
    for archive in archives {
        fs::write(&name, archive).expect("a layer can be written");
        let file = File::open(&name).expect("a layer can be opened");
        layers.lay(file, &tree, &Silent).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Writes an OCI image layout.
fn lay_out(layout: &Path, archives: &[Vec<u8>]) {
    let blob = |kind: &str, bytes: &[u8]| {
        let sum = sum(bytes);
        fs::write(layout.join("blobs/sha256").join(&sum), bytes).expect("a blob can be written");
        format!(
            r#""mediaType":"application/vnd.oci.image.{kind}","digest":"sha256:{sum}","size":{}"#,
            bytes.len()
        )
    };
    let sums: Vec<String> = archives.iter().map(|bytes| format!(r#""sha256:{}""#, sum(bytes))).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        sums.join(",")
    );
    let config = blob("config.v1+json", config.as_bytes());
    let layers: Vec<String> =
        archives.iter().map(|bytes| format!("{{{}}}", blob("layer.v1.tar", bytes))).collect();
    let manifest = format!(r#"{{"schemaVersion":2,"config":{{{config}}},"layers":[{}]}}"#, layers.join(","));
    let manifest = blob("manifest.v1+json", manifest.as_bytes());
    let name = r#""annotations":{"org.opencontainers.image.ref.name":"x"}"#;
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{{{manifest},{name}}}]}}"#);
    fs::write(layout.join("index.json"), index).expect("an index can be written");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a file can be written");
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("texts can be written to");
        text
    })
}
