//! fstab, line by line. Existing lines are kept, and missing lines are added.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use system::mountinfo::unescape;
use system::superblock::Uuid;

use crate::layout;

/// An fstab. It renders to the same bytes that it was parsed from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fstab {
    lines: Vec<Line>,
}

/// One line, without its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line's bytes.
    pub text: Vec<u8>,
    /// The mount point; `None` for comments, blank lines, swap and lines that are no entries.
    pub target: Option<PathBuf>,
}

impl Fstab {
    /// Parses an fstab. Every input is one.
    pub fn parse(text: &[u8]) -> Self {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if text.is_empty() {
            return Fstab::default();
        }
        Fstab { lines: text.split(|&byte| byte == b'\n').map(Line::parse).collect() }
    }

    /// The file's bytes. Every line ends with a newline.
    pub fn render(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| [line.text.as_slice(), b"\n"]).flatten().copied().collect()
    }

    /// The lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether a line mounts something at this path.
    pub fn mounts(&self, target: &Path) -> bool {
        self.lines.iter().any(|line| line.target.as_deref() == Some(target))
    }

    /// The same fstab with those lines of `wanted` at its end whose mount points it does not have yet, in the given order.
    #[must_use]
    pub fn completed(&self, wanted: &[Line]) -> Self {
        let mut lines = self.lines.clone();
        let missing = |line: &&Line| match line.target.as_deref() {
            Some(at) => !self.mounts(at),
            None => !self.lines.contains(line),
        };
        lines.extend(wanted.iter().filter(missing).cloned());
        Fstab { lines }
    }

    /// The same fstab without the lines that `unwanted` chooses.
    #[must_use]
    pub fn without(mut self, unwanted: impl Fn(&Line) -> bool) -> Self {
        self.lines.retain(|line| !unwanted(line));
        self
    }
}

impl Line {
    /// Parses one line: device, mount point, type, options, and the rest.
    pub fn parse(text: &[u8]) -> Self {
        let mut fields = text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        let device = fields.next().filter(|field| !field.starts_with(b"#"));
        let target = device.and(fields.next()).filter(|field| field.starts_with(b"/"));
        Line { text: text.to_vec(), target: target.map(|field| normal(&unescape(field))) }
    }

    /// The field with this number; the first is 0.
    fn field(&self, number: usize) -> Option<&[u8]> {
        self.text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).nth(number)
    }

    /// The filesystem that it mounts.
    pub fn source(&self) -> Source {
        Source::parse(self.field(0).unwrap_or_default())
    }

    /// The kind of that filesystem: `ext4`.
    pub fn kind(&self) -> String {
        String::from_utf8_lossy(self.field(2).unwrap_or_default()).into_owned()
    }

    /// The line that mounts the root filesystem. It is the same for every version.
    pub fn root(uuid: Uuid) -> Self {
        Line::parse(format!("UUID={uuid} / btrfs defaults,rw,noatime 0 1").as_bytes())
    }

    /// The line that mounts the shared directory `name` ([`layout::SHARED`]) at `place`, a path from the root.
    pub fn shared(uuid: Uuid, name: &str, place: &Path) -> Self {
        let (subvolume, place) = (layout::state(name), place.display());
        let subvolume = subvolume.display();
        Line::parse(
            format!("UUID={uuid} /{place} btrfs subvol=/{subvolume},defaults,rw,noatime 0 2").as_bytes(),
        )
    }

    /// The line that mounts a package database, which the version keeps at `kept`, over `place`. Both are paths from the root.
    ///
    /// systemd mounts it after `/var`; other programs mount the lines in their order, and ignore options that begin with `x-`.
    pub fn database(kept: &Path, place: &Path) -> Self {
        let (kept, place) = (kept.display(), place.display());
        Line::parse(format!("/{kept} /{place} none bind,x-systemd.requires-mounts-for=/var 0 0").as_bytes())
    }

    /// The path from the root of the package database that the line mounts; `None` for every other line.
    pub fn kept_database(&self) -> Option<&Path> {
        let fields: Vec<_> =
            self.text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
        let kept = Path::new(OsStr::from_bytes(fields.first()?)).strip_prefix("/").ok()?;
        let is_bind = fields.get(3)?.split(|&byte| byte == b',').any(|option| option == b"bind");
        (is_bind && kept.starts_with(layout::SYSIMAGE) && self.target.is_some()).then_some(kept)
    }
}

/// The path without trailing and doubled slashes.
fn normal(path: &Path) -> PathBuf {
    let normal: PathBuf = path.components().collect();
    if normal.as_os_str().is_empty() { PathBuf::from(OsStr::from_bytes(b"/")) } else { normal }
}

/// The name of a filesystem, as the first field of a line gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The UUID of the filesystem.
    Uuid(String),
    /// The label of the filesystem.
    Label(String),
    /// The UUID of the partition, in the table.
    PartUuid(String),
    /// The name of the partition, in the table.
    PartLabel(String),
    /// The kernel's name of a partition: this number of a disk.
    Partition(u32),
    /// Any other name.
    Other(PathBuf),
}

impl Source {
    /// Parses the field.
    pub fn parse(field: &[u8]) -> Self {
        let field = unescape(field);
        let text = field.to_string_lossy();
        let tagged = |tag: &str, folder: &str| {
            let value = text.strip_prefix(tag).and_then(|rest| rest.strip_prefix('=')).map(unquoted);
            value.or_else(|| {
                Some(undone(text.strip_prefix("/dev/disk/by-")?.strip_prefix(folder)?.strip_prefix('/')?))
            })
        };
        let tags: [(&str, &str, Make); 4] = [
            ("UUID", "uuid", Source::Uuid),
            ("LABEL", "label", Source::Label),
            ("PARTUUID", "partuuid", Source::PartUuid),
            ("PARTLABEL", "partlabel", Source::PartLabel),
        ];
        let found = tags.into_iter().find_map(|(tag, folder, source)| tagged(tag, folder).map(source));
        let number = || text.strip_prefix("/dev/").and_then(partition_number).map(Source::Partition);
        found.or_else(number).unwrap_or_else(|| Source::Other(field.clone()))
    }
}

/// Makes a name from the text after a tag.
type Make = fn(String) -> Source;

/// The number at the end of the kernel's name of a partition: 3 of `vda3`, `nvme0n1p3` and `mmcblk0p3`. Where the name of the disk ends with a
/// digit, a `p` is between them; so `nvme0n1`, `dm-3` and `disk/by-id/…-part3` are no such names.
fn partition_number(name: &str) -> Option<u32> {
    let disk = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[disk.len()..].parse().ok().filter(|&number| number > 0)?;
    let is_sound = |disk: &str| disk.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_named_by_letters = || {
        let letters = ["sd", "hd", "vd", "xvd"].iter().find_map(|kind| disk.strip_prefix(kind));
        letters.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase()))
    };
    let numbered = disk.strip_suffix('p').filter(|disk| disk.ends_with(|c: char| c.is_ascii_digit()));
    (numbered.is_some_and(is_sound) || is_named_by_letters()).then_some(number)
}

fn unquoted(value: &str) -> String {
    let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    inside.unwrap_or(value).to_owned()
}

/// Undoes the escapes of the names below `/dev/disk`: `\x` and two hexadecimal digits.
fn undone(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.strip_prefix(b"x").and_then(|tail| tail.get(..2)).filter(|_| first == b'\\');
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: Uuid = Uuid([0x11; 16]);

    fn wanted() -> Vec<Line> {
        std::iter::once(Line::root(UUID))
            .chain(["home", "var"].map(|name| Line::shared(UUID, name, Path::new(name))))
            .collect()
    }

    #[test]
    fn what_is_missing_is_added_in_order() {
        let completed = Fstab::parse(b"# mine\n/dev/sdb1\t/var//  ext4 defaults 0 2").completed(&wanted());
        let text = String::from_utf8(completed.render()).unwrap();
        let expected = "# mine\n/dev/sdb1\t/var//  ext4 defaults 0 2\n\
            UUID=11111111-1111-1111-1111-111111111111 / btrfs defaults,rw,noatime 0 1\n\
            UUID=11111111-1111-1111-1111-111111111111 /home btrfs subvol=/state/home,defaults,rw,noatime 0 2\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn completing_twice_is_completing_once() {
        let once = Fstab::default().completed(&wanted());
        assert_eq!(once.completed(&wanted()), once);
        assert!(
            once.mounts(Path::new("/")) && once.mounts(Path::new("/var")) && !once.mounts(Path::new("/opt"))
        );
    }

    #[test]
    fn lines_of_package_databases_are_known() {
        let line = Line::database(Path::new("usr/lib/sysimage/dpkg"), Path::new("var/lib/dpkg"));
        let text = "/usr/lib/sysimage/dpkg /var/lib/dpkg none bind,x-systemd.requires-mounts-for=/var 0 0";
        assert_eq!(line.text, text.as_bytes());
        assert_eq!(line.kept_database(), Some(Path::new("usr/lib/sysimage/dpkg")));
        for other in [
            "/srv/x /usr/lib/sysimage/dpkg none bind",
            "/usr/lib/sysimage/x none swap bind",
            "# /a /b c bind",
        ] {
            assert_eq!(Line::parse(other.as_bytes()).kept_database(), None, "{other}");
        }
        let fstab = Fstab::default().completed(&wanted()).completed(&[line]);
        assert_eq!(
            fstab.without(|line| line.kept_database().is_some()),
            Fstab::default().completed(&wanted())
        );
    }

    #[test]
    fn a_filesystem_is_named_in_many_ways() {
        for (field, expected) in [
            ("UUID=5f-a3", Source::Uuid("5f-a3".into())),
            ("UUID=\"5f-a3\"", Source::Uuid("5f-a3".into())),
            ("/dev/disk/by-uuid/5f-a3", Source::Uuid("5f-a3".into())),
            ("LABEL=my\\040boot", Source::Label("my boot".into())),
            ("/dev/disk/by-label/my\\x20boot", Source::Label("my boot".into())),
            ("PARTUUID=1234abcd-02", Source::PartUuid("1234abcd-02".into())),
            ("/dev/disk/by-partuuid/1234abcd-02", Source::PartUuid("1234abcd-02".into())),
            ("PARTLABEL=boot2", Source::PartLabel("boot2".into())),
            ("/dev/disk/by-partlabel/boot2", Source::PartLabel("boot2".into())),
            ("/dev/vda3", Source::Partition(3)),
            ("/dev/xvdab12", Source::Partition(12)),
            ("/dev/nvme0n1p3", Source::Partition(3)),
            ("/dev/mmcblk0p1", Source::Partition(1)),
        ] {
            assert_eq!(Source::parse(field.as_bytes()), expected, "{field}");
        }
        for field in [
            "/dev/vda",
            "/dev/nvme0n1",
            "/dev/mmcblk0",
            "/dev/loop3",
            "/dev/dm-3",
            "/dev/mapper/vg-boot3",
            "/dev/vg0/boot3",
            "/dev/disk/by-id/virtio-disk-part3",
            "/dev/disk/by-path/pci-0000:00:05.0-part3",
            "tmpfs3",
        ] {
            assert_eq!(Source::parse(field.as_bytes()), Source::Other(field.into()), "{field}");
        }
    }

    #[test]
    fn every_line_is_kept() {
        let text = b"# comment\n\nUUID=x none swap sw 0 0\n\xff\xfe\nproc /proc proc\n";
        assert_eq!(Fstab::parse(text).render(), text);
        assert!(Fstab::parse(b"/dev/x /with\\040space ext4").mounts(Path::new("/with space")));
        assert!(Fstab::parse(b"").render().is_empty());
    }
}
