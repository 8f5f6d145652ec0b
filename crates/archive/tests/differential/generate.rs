//! Odd archives: every choice that programs which write archives have made, and some that none has.

use crate::header::{BLOCK, Form, Header, padded, special, spelled};
use crate::random::Random;
use crate::unpacked::OUTSIDE;
use crate::{holes, squeeze};

/// An archive, and what in it programs are known to disagree about.
pub struct Odd {
    pub bytes: Vec<u8>,
    pub compression: squeeze::Compression,
    pub marks: Vec<Mark>,
}

/// A thing that programs are known to disagree about. Names are as in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A member of a type that only its vendor knows.
    Vendor(Vec<u8>),
    /// A hard link that says a size, or has content.
    LinkWithSize(Vec<u8>),
    /// A header for all members.
    Global,
    /// An extended header that takes something back by an empty value.
    Emptied(Vec<u8>),
    /// A file whose name ends with a slash.
    Slashed(Vec<u8>),
    /// The archive does not end as it should.
    End(End),
    /// Wide numbers of a device.
    WideDevice(Vec<u8>),
    /// A symbolic link that may lead out, or to its own folder.
    Outward,
    /// A number that is blank.
    Blank,
    /// The folder of an incremental archive, which only GNU tar knows.
    Dump,
    /// The archive has a member of this name.
    Member { name: Vec<u8>, folder: bool },
}

/// How an archive ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Blocks,
    NoPadding,
    OneBlock,
    Nothing,
    Junk,
    JunkAfterOne,
    MemberAfterOne,
    MemberAfterTwo,
    Cut,
}

impl Odd {
    /// Whether the archive has such a mark.
    pub fn has(&self, such: impl Fn(&Mark) -> bool) -> bool {
        self.marks.iter().any(such)
    }
}

const PARTS: [&[u8]; 10] =
    [b"a", b"a", b"b", b"b", b"c", b"d", b"e f", "\u{e9}".as_bytes(), b"\xff\xfe", b"x\ny"];

/// The archive of this seed.
pub fn archive(seed: u64) -> Odd {
    let mut made =
        Made { random: Random::new(seed), bytes: Vec::new(), marks: Vec::new(), names: Vec::new() };
    let forms = [Form::V7, Form::Ustar, Form::Gnu, Form::Pax];
    let usual = if made.random.one_in(3) { None } else { Some(made.random.pick(&forms)) };
    let count = 1 + made.random.below(8);
    for _ in 0..count {
        let form = usual.unwrap_or_else(|| made.random.pick(&forms));
        if form == Form::Pax && made.random.one_in(24) {
            made.global();
        }
        made.member(form);
    }
    made.end();
    let Made { mut random, bytes, marks, .. } = made;
    let (compression, bytes) = squeeze::squeeze(bytes, &mut random);
    Odd { bytes, compression, marks }
}

struct Made {
    random: Random,
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    names: Vec<Vec<u8>>,
}

impl Made {
    fn member(&mut self, form: Form) {
        let kinds = b"000000000\x005555112227SSSS34603AZUDq";
        let mut kind = self.random.pick(kinds);
        let sparse = kind == b'S';
        if sparse {
            kind = b'0';
        }
        let vendor = matches!(kind, b'A' | b'Z' | b'U');
        // Nothing else has the name of a member that only some programs make.
        let name = if vendor { format!("vendor {}", self.marks.len()).into_bytes() } else { self.name() };
        let mut header = Header::new(form, kind, &self.decorated(&name, kind));
        self.values(&mut header);
        let clean = cleaned(&header.name);
        let mut records = if form == Form::Pax { self.records(&mut header, &name) } else { Vec::new() };
        let length = self.random.pick(&[0, 1, 5, 511, 512, 513, 1500]);
        let byte = b'A' + u8::try_from(self.random.below(26)).expect("a letter");
        let mut content = vec![byte; length];
        let folder = matches!(kind, b'5' | b'D') || header.name.ends_with(b"/");
        self.marks.push(Mark::Member { name: clean.clone(), folder });
        match kind {
            b'0' if sparse => {
                holes::member(&mut header, &mut records, &mut self.random, &mut self.bytes);
                self.names.push(clean);
                return;
            }
            b'1' => {
                header.link = self.earlier();
                content.clear();
                if self.random.one_in(6) {
                    header.size = 3;
                    self.marks.push(Mark::LinkWithSize(clean.clone()));
                }
            }
            b'2' => {
                header.link = self.target();
                if header.link.starts_with(b"/") || header.link.starts_with(b".") {
                    self.marks.push(Mark::Outward);
                }
                content.clear();
            }
            b'3' | b'4' | b'6' | b'5' => content.clear(),
            _ if vendor => self.marks.push(Mark::Vendor(clean.clone())),
            _ if header.name.ends_with(b"/") => self.marks.push(Mark::Slashed(clean.clone())),
            _ => {}
        }
        if matches!(kind, b'3' | b'4') {
            header.device = (self.random.pick(&[0, 1, 7, 255, 4095]), self.random.pick(&[0, 3, 255, 70_000]));
        }
        if kind == b'D' {
            self.marks.push(Mark::Dump);
            content = if self.random.one_in(2) { b"Yone\0Ntwo\0\0".to_vec() } else { Vec::new() };
        }
        if header.size == 0 {
            header.size = content.len() as u64;
        }
        if matches!(kind, b'2' | b'5' | b'6') && self.random.one_in(10) {
            header.size = 700;
        }
        if form == Form::Pax && self.random.one_in(12) {
            records.push(("size".into(), header.size.to_string().into_bytes()));
            header.size = self.random.pick(&[0, header.size]);
        }
        self.bytes.extend(header.bytes(&records, &mut self.random));
        self.bytes.extend(padded(&content));
        if !vendor {
            self.names.push(clean);
        }
    }

    fn name(&mut self) -> Vec<u8> {
        if !self.names.is_empty() && self.random.one_in(6) {
            return self.random.pick(&self.names);
        }
        let depth = 1 + self.random.below(3);
        let parts: Vec<Vec<u8>> = (0..depth)
            .map(|_| match self.random.below(40) {
                0 => vec![b'l'; 60],
                1 => vec![b'm'; 100],
                2 => vec![b'n'; 255],
                3 => vec![b'o'; 99],
                _ => self.random.pick(&PARTS).to_vec(),
            })
            .collect();
        parts.join(&b'/')
    }

    /// The name in one of its spellings.
    fn decorated(&mut self, name: &[u8], kind: u8) -> Vec<u8> {
        let mut name = name.to_vec();
        match self.random.below(90) {
            0..10 => name = [b"./", &name[..]].concat(),
            10..13 => name = [b"/", &name[..]].concat(),
            13..15 => name = [b".//", &name[..]].concat(),
            15 if self.random.one_in(4) => name = [b"../", &name[..]].concat(),
            16 => name = name.replace_slashes(b"//"),
            17 => name = name.replace_slashes(b"/./"),
            18 if kind == b'5' => name = b"./".to_vec(),
            19 if kind == b'5' => name = b".".to_vec(),
            20 if self.random.one_in(4) => name = name.replace_slashes(b"/../"),
            21 if self.random.one_in(4) => name.clear(),
            _ => {}
        }
        let slash = if kind == b'5' { self.random.one_in(2) } else { self.random.one_in(60) };
        if slash && !name.ends_with(b"/") {
            name.push(b'/');
        }
        name
    }

    fn values(&mut self, header: &mut Header) {
        header.mode =
            self.random.pick(&[0o644, 0o755, 0o600, 0o4755, 0o2711, 0o1777, 0, 0o100_644, 0o40_755]);
        let ids = [0, 0, 0, 1000, 65534, 0o777_7777, 0o1000_0000, 4_294_967_294];
        (header.uid, header.gid) = (self.random.pick(&ids), self.random.pick(&ids));
        let times =
            [0, 1, 1_000_000_000, 1_000_000_001, 0o777_7777_7777, 0o1_0000_0000_0000, -1, -1_000_000_000];
        header.mtime = self.random.pick(&times);
        if self.random.one_in(150) {
            // Old programs leave fields blank.
            let (at, width) = self.random.pick(&[(108, 8), (116, 8), (136, 12)]);
            header.patches.push((at, vec![b' '; width]));
            self.marks.push(Mark::Blank);
        }
        if self.random.one_in(300) {
            header.patches.push((self.random.pick(&[100, 108, 124, 136]), b"12x9".to_vec()));
        }
        if self.random.one_in(40) {
            // Bytes that no field has.
            header.patches.push((500, b"\xe9junk".to_vec()));
        }
    }

    /// A name that an earlier member may have.
    fn earlier(&mut self) -> Vec<u8> {
        let known = !self.names.is_empty() && !self.random.one_in(12);
        let name = if known { self.random.pick(&self.names) } else { self.name() };
        self.decorated(&name, b'1')
    }

    fn target(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0 => b"..".to_vec(),
            1 => OUTSIDE.as_bytes().to_vec(),
            2 => b"../a".to_vec(),
            3 => vec![b't'; 150],
            4 => b".".to_vec(),
            5 => b"a/".to_vec(),
            6 => b"no\xffwhere".to_vec(),
            _ => self.name(),
        }
    }

    fn records(&mut self, header: &mut Header, name: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut records: Vec<(String, Vec<u8>)> = Vec::new();
        let mut add = |key: &str, value: &[u8]| records.push((key.into(), value.to_vec()));
        let (full, clean) = (header.name.clone(), cleaned(&header.name));
        let times: [&[u8]; 9] =
            [b"1", b"1.5", b"1.123456789", b"1.1234567899", b"-1.25", b"-1", b"0", b"99999999999", b"1."];
        for _ in 0..self.random.below(4) {
            match self.random.below(16) {
                0 | 1 => {
                    let time = self.random.pick(&times);
                    add("mtime", time);
                }
                2 => {
                    // The header's own name is another one then.
                    add("path", &full);
                    if !header.name.ends_with(b"/") {
                        header.name = [b"PaxHeaders/", &name[..name.len().min(80)]].concat();
                    }
                }
                3 => add("uid", self.random.pick(&[&b"0"[..], b"1234", b"3000000000"])),
                4 => add("gid", self.random.pick(&[&b"0"[..], b"4321", b"3000000000"])),
                5 => add("SCHILY.xattr.trusted.one", self.random.pick(&[&b"v"[..], b"", b"a=b\n\0\xff"])),
                6 => add("SCHILY.xattr.trusted.a%3Db%25c", b"w"),
                7 => {
                    add("LIBARCHIVE.xattr.trusted.two", b"aGk");
                }
                8 => add("SCHILY.dev", b"2049"),
                9 => add("SCHILY.ino", b"77"),
                10 => add("VENDOR.thing", b"some value"),
                11 => add("comment", b"\xff\xfe"),
                12 if header.kind != b'2' => {
                    add("SCHILY.acl.access", b"user::rw-,user:7:r--,group::r--,mask::r--,other::---");
                }
                13 => add("atime", b"3.25"),
                14 => {
                    add(self.random.pick(&["uid", "mtime", "uname", "comment"]), b"");
                    self.marks.push(Mark::Emptied(clean.clone()));
                }
                _ => add("hdrcharset", b"BINARY"),
            }
        }
        if matches!(header.kind, b'3' | b'4') && self.random.one_in(4) {
            add("SCHILY.devmajor", b"9");
            add("SCHILY.devminor", b"300000");
            self.marks.push(Mark::WideDevice(clean));
        }
        records
    }

    fn global(&mut self) {
        let records: [(&str, &[u8]); 5] = [
            ("comment", b"all"),
            ("mtime", b"7.5"),
            ("uid", b"12"),
            ("SCHILY.xattr.trusted.all", b"x"),
            ("path", b"p"),
        ];
        let (key, value) = self.random.pick(&records);
        self.bytes.extend(special(Form::Pax, b'g', &spelled(&[(key.into(), value.to_vec())])));
        self.marks.push(Mark::Global);
    }

    fn end(&mut self) {
        let end = match self.random.below(40) {
            0 => End::NoPadding,
            1 => End::OneBlock,
            2 => End::Nothing,
            3 => End::Junk,
            4 => End::JunkAfterOne,
            5 => End::MemberAfterOne,
            6 => End::MemberAfterTwo,
            7 => End::Cut,
            _ => End::Blocks,
        };
        self.marks.push(Mark::End(end));
        let member = Header::new(Form::Ustar, b'0', b"after").bytes(&[], &mut self.random);
        let zeros = [0; 2 * BLOCK];
        match end {
            End::Blocks => {
                self.bytes.extend(zeros);
                self.bytes.resize(self.bytes.len().next_multiple_of(20 * BLOCK), 0);
            }
            End::NoPadding => self.bytes.extend(zeros),
            End::OneBlock => self.bytes.extend([0; BLOCK]),
            End::Nothing => {}
            End::Junk => self.bytes.extend([&zeros[..], &[b'j'; 700]].concat()),
            End::JunkAfterOne => self.bytes.extend([&[0; BLOCK][..], &[b'j'; BLOCK]].concat()),
            End::MemberAfterOne => self.bytes.extend([&[0; BLOCK][..], &member, &zeros].concat()),
            End::MemberAfterTwo => self.bytes.extend([&zeros[..], &member, &zeros].concat()),
            End::Cut => {
                let length = usize::try_from(self.random.below(self.bytes.len() as u64)).expect("a length");
                self.bytes.truncate(length);
            }
        }
    }
}

/// A name as it is in the tree.
pub fn cleaned(name: &[u8]) -> Vec<u8> {
    let mut parts = Vec::new();
    for part in name.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

trait ReplaceSlashes {
    fn replace_slashes(&self, by: &[u8]) -> Vec<u8>;
}

impl ReplaceSlashes for Vec<u8> {
    fn replace_slashes(&self, by: &[u8]) -> Vec<u8> {
        self.split(|&byte| byte == b'/').collect::<Vec<_>>().join(by)
    }
}
