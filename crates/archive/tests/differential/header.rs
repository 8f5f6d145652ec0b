//! Members as bytes: headers of every form, with numbers in every spelling.

use crate::random::Random;

pub const BLOCK: usize = 512;

/// The form of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    V7,
    Ustar,
    Gnu,
    Pax,
}

/// What a header says.
#[derive(Clone)]
pub struct Header {
    pub form: Form,
    pub kind: u8,
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub size: u64,
    pub mode: i64,
    pub uid: i64,
    pub gid: i64,
    pub mtime: i64,
    pub device: (u32, u32),
    /// What is written over the bytes at these places, before the checksum.
    pub patches: Vec<(usize, Vec<u8>)>,
}

impl Header {
    /// A header with usual values.
    pub fn new(form: Form, kind: u8, name: &[u8]) -> Self {
        Header {
            form,
            kind,
            name: name.to_vec(),
            link: Vec::new(),
            size: 0,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 1_000_000_000,
            device: (0, 0),
            patches: Vec::new(),
        }
    }

    /// The header, after the members that say its longer names. Records go to the extended header before it.
    pub fn bytes(&self, records: &[(String, Vec<u8>)], random: &mut Random) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut records = records.to_vec();
        let (mut name, mut prefix) = (&self.name[..], &[][..]);
        if name.len() > 100 && self.form != Form::Gnu {
            match split(name) {
                // The oldest form has no place for a prefix.
                Some(parts) if self.form == Form::Ustar || (random.one_in(2) && self.form != Form::V7) => {
                    (prefix, name) = parts;
                }
                _ => records.push(("path".into(), name.to_vec())),
            }
        }
        if self.link.len() > 100 && self.form != Form::Gnu {
            records.push(("linkpath".into(), self.link.clone()));
        }
        if !records.is_empty() {
            bytes.extend(special(self.form, b'x', &spelled(&records)));
        }
        if self.form == Form::Gnu {
            for (kind, long) in [(b'K', &self.link), (b'L', &self.name)] {
                // Longer ones do not fit, and shorter ones may be said in this way too.
                if long.len() > 100 || (!long.is_empty() && random.one_in(12)) {
                    bytes.extend(special(Form::Gnu, kind, &[long, &b"\0"[..]].concat()));
                }
            }
        }
        bytes.extend(self.block(name, prefix, random));
        bytes
    }

    fn block(&self, name: &[u8], prefix: &[u8], random: &mut Random) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, most: usize, bytes: &[u8]| {
            let length = bytes.len().min(most);
            block[at..at + length].copy_from_slice(&bytes[..length]);
        };
        put(0, 100, name);
        put(100, 8, &number(self.mode, 8, random, false));
        put(108, 8, &number(self.uid, 8, random, true));
        put(116, 8, &number(self.gid, 8, random, true));
        put(124, 12, &number(self.size.cast_signed(), 12, random, true));
        put(136, 12, &number(self.mtime, 12, random, true));
        put(156, 1, &[self.kind]);
        put(157, 100, &self.link);
        match self.form {
            Form::V7 => {}
            Form::Gnu => put(257, 8, b"ustar  \0"),
            Form::Ustar | Form::Pax => put(257, 8, b"ustar\x0000"),
        }
        if self.form != Form::V7 {
            put(265, 5, b"owner");
            put(297, 5, b"group");
            put(329, 8, &number(self.device.0.into(), 8, random, false));
            put(337, 8, &number(self.device.1.into(), 8, random, false));
            put(345, 155, prefix);
        }
        for (at, bytes) in &self.patches {
            put(*at, bytes.len(), bytes);
        }
        seal(&mut block);
        block
    }
}

/// A member that says something about the next one, or about all.
pub fn special(form: Form, kind: u8, content: &[u8]) -> Vec<u8> {
    let form = if form == Form::V7 { Form::Ustar } else { form };
    let mut header = Header::new(form, kind, b"././@Special");
    header.size = content.len() as u64;
    let block = header.block(&header.name, &[], &mut Random::plain());
    [&block[..], &padded(content)].concat()
}

/// Content with zeros up to the end of its last block.
pub fn padded(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    content.resize(content.len().next_multiple_of(BLOCK), 0);
    content
}

/// Records of an extended header.
pub fn spelled(records: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (key, value) in records {
        let body = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let mut length = body.len();
        while length != body.len() + length.to_string().len() {
            length = body.len() + length.to_string().len();
        }
        all.extend(length.to_string().into_bytes());
        all.extend(body);
    }
    all
}

/// Writes the checksum.
fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// The prefix and the rest of a long name.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = (1..name.len() - 1).find(|&at| name[at] == b'/' && at <= 155 && name.len() - at - 1 <= 100)?;
    Some((&name[..at], &name[at + 1..]))
}

/// A number in one of its spellings. Only `large` ones are written in base 256.
fn number(value: i64, width: usize, random: &mut Random, large: bool) -> Vec<u8> {
    let digits = width - 1;
    let octal = format!("{value:o}");
    if value < 0 || octal.len() > digits || (large && random.one_in(16)) {
        let fill = if value < 0 { 0xff } else { 0x80 };
        let bytes = value.to_be_bytes();
        let kept = &bytes[bytes.len().saturating_sub(width)..];
        let mut field = vec![if value < 0 { 0xff } else { 0 }; width - kept.len()];
        field.extend_from_slice(kept);
        field[0] |= fill;
        return field;
    }
    match random.below(12) {
        0 => format!("{octal:>digits$} ").into_bytes(),
        1 => format!("{octal:0>width$}").into_bytes(),
        2 => format!(" {octal} ").into_bytes().into_iter().take(width).collect(),
        3 => format!("{octal}\0").into_bytes(),
        4 if value == 0 => vec![0; width],
        _ => format!("{octal:0>digits$}\0").into_bytes(),
    }
}
