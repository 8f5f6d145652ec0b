//! Files with holes, in each of the four forms that GNU tar has written.

use crate::header::{BLOCK, Form, Header, padded};
use crate::random::Random;

/// Adds a file with holes to an archive.
pub fn member(
    header: &mut Header,
    records: &mut Vec<(String, Vec<u8>)>,
    random: &mut Random,
    archive: &mut Vec<u8>,
) {
    let mut parts: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut at = 0;
    for _ in 0..random.below(7) {
        at += random.below(3) * 512;
        // Only the last part may end within a block.
        let content = vec![b'h'; 512 * usize::try_from(random.below(3)).expect("a length")];
        let length = content.len() as u64;
        parts.push((at, content));
        at += length;
    }
    let size = at + random.pick(&[0, 512, 5000]);
    // GNU tar ends the map with an empty part at the end of the file.
    parts.push((size, Vec::new()));
    let name = header.name.clone();
    let stored: Vec<u8> = parts.iter().flat_map(|(_, content)| content.clone()).collect();
    let numbers: Vec<u64> = parts.iter().flat_map(|(at, content)| [*at, content.len() as u64]).collect();
    let joined = |with: &str| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(with);
    header.size = stored.len() as u64;
    if header.form != Form::Pax {
        old(header, &numbers, size, &stored, random, archive);
        return;
    }
    let mut add = |key: &str, value: &[u8]| records.push((key.into(), value.to_vec()));
    let text = |number: u64| number.to_string().into_bytes();
    match random.below(3) {
        0 => {
            add("GNU.sparse.size", &text(size));
            add("GNU.sparse.numblocks", &text(parts.len() as u64));
            for pair in numbers.chunks(2) {
                add("GNU.sparse.offset", &text(pair[0]));
                add("GNU.sparse.numbytes", &text(pair[1]));
            }
        }
        1 => {
            add("GNU.sparse.name", &name);
            add("GNU.sparse.size", &text(size));
            add("GNU.sparse.numblocks", &text(parts.len() as u64));
            add("GNU.sparse.map", joined(",").as_bytes());
            header.name = b"GNUSparseFile.0/x".to_vec();
        }
        _ => {
            add("GNU.sparse.major", b"1");
            add("GNU.sparse.minor", b"0");
            add("GNU.sparse.name", &name);
            add("GNU.sparse.realsize", &text(size));
            header.name = b"GNUSparseFile.0/x".to_vec();
            let map = padded(format!("{}\n{}\n", parts.len(), joined("\n")).as_bytes());
            header.size += map.len() as u64;
            archive.extend(header.bytes(records, random));
            archive.extend(map);
            archive.extend(padded(&stored));
            return;
        }
    }
    archive.extend(header.bytes(records, random));
    archive.extend(padded(&stored));
}

/// The form before extended headers: a map in the header, and in blocks after it.
fn old(
    header: &mut Header,
    numbers: &[u64],
    size: u64,
    stored: &[u8],
    random: &mut Random,
    archive: &mut Vec<u8>,
) {
    const HERE: usize = 8;
    const BLOCK_HAS: usize = 42;
    header.form = Form::Gnu;
    header.kind = b'S';
    let octal = |number: u64| format!("{number:011o}\0").into_bytes();
    let mut spelled = numbers.iter().map(|&number| octal(number));
    for index in 0..HERE {
        if let Some(number) = spelled.next() {
            header.patches.push((386 + index * 12, number));
        }
    }
    header.patches.push((482, vec![u8::from(spelled.len() > 0)]));
    header.patches.push((483, octal(size)));
    archive.extend(header.bytes(&[], random));
    while spelled.len() > 0 {
        let mut block: Vec<u8> = spelled.by_ref().take(BLOCK_HAS).flatten().collect();
        block.resize(BLOCK, 0);
        block[504] = u8::from(spelled.len() > 0);
        archive.extend(block);
    }
    archive.extend(padded(stored));
}
