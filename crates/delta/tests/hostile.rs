//! Hostile manifests, differences and frames.
//!
//! Pace: seconds

use std::io::Write;

use delta::Manifest;
use delta::codec::Writer;
use delta::difference::{Decoder, Encoder, Old};
use delta::entry::{Entry, Kind};
use delta::format;
use delta::frame::{self, Frame};
use delta::hash::Hash;
use delta::matches;
use delta::record;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use system::metadata::{Flags, Metadata, Time};

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { path: path.as_bytes().into(), kind, metadata: Metadata::default(), modified: Time::default() }
}

fn kind() -> impl Strategy<Value = Kind> {
    let target = || vec(1u8.., 1..20).prop_map(Vec::into_boxed_slice);
    prop_oneof![
        Just(Kind::Directory),
        (any::<u32>(), any::<[u8; 32]>())
            .prop_map(|(size, hash)| Kind::File { size: size.into(), hash: Hash(hash) }),
        target().prop_map(Kind::Symlink),
        any::<u64>().prop_map(Kind::CharacterDevice),
        Just(Kind::Fifo),
    ]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let attributes = btree_map(vec(1u8.., 1..20), vec(any::<u8>(), 0..50), 0..3);
    (0..0o10000u32, 0..u32::MAX, 0..u32::MAX, any::<u32>(), attributes).prop_map(
        |(mode, uid, gid, flags, attributes)| Metadata {
            mode,
            uid,
            gid,
            flags: Flags::new(flags),
            attributes,
        },
    )
}

fn time() -> impl Strategy<Value = Time> {
    (any::<i64>(), 0..1_000_000_000u32).prop_map(|(seconds, nanoseconds)| Time { seconds, nanoseconds })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    vec((kind(), metadata(), time()), 0..40).prop_map(|made| {
        let mut entries = vec![entry("", Kind::Directory)];
        for (number, (kind, metadata, modified)) in made.into_iter().enumerate() {
            entries.push(Entry {
                path: format!("file-{number}").into_bytes().into(),
                kind,
                metadata,
                modified,
            });
        }
        Manifest::new(entries).unwrap()
    })
}

proptest! {
    #[test]
    fn a_manifest_comes_back_as_it_was(manifest in manifest()) {
        let bytes = format::to_bytes(&manifest).unwrap();
        let back = format::read(bytes.as_slice()).unwrap();
        prop_assert_eq!(back.digest(), manifest.digest());
        prop_assert_eq!(back, manifest);
    }

    #[test]
    fn a_manifest_comes_back_by_its_difference_to_the_right_basis_alone(
        manifest in manifest(),
        basis in manifest(),
        place in any::<prop::sample::Index>(),
        change in 1u8..,
    ) {
        let mut bytes = format::difference(&manifest, &basis).unwrap();
        prop_assert_eq!(&format::read_difference(bytes.as_slice(), &basis).unwrap(), &manifest);
        prop_assert!(format::read(bytes.as_slice()).is_err());
        // Where it has nothing in common with the basis, any basis serves.
        let other = Manifest::new(vec![entry("", Kind::Directory)]).unwrap();
        for wrong in [other, manifest.clone()] {
            if let Ok(back) = format::read_difference(bytes.as_slice(), &wrong) {
                prop_assert_eq!(&back, &manifest);
            }
        }
        let place = place.index(bytes.len());
        prop_assert!(format::read_difference(&bytes[..place], &basis).is_err());
        bytes[place] ^= change;
        if let Ok(back) = format::read_difference(bytes.as_slice(), &basis) {
            prop_assert_eq!(back, manifest);
        }
    }

    #[test]
    fn one_changed_byte_is_noticed(manifest in manifest(), place in any::<prop::sample::Index>(), change in 1u8..) {
        let mut bytes = format::to_bytes(&manifest).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        // A byte without meaning (a flag that the decompressor ignores) may differ, if the manifest is the same then.
        if let Ok(back) = format::read(bytes.as_slice()) {
            prop_assert_eq!(back, manifest);
        }
    }

    #[test]
    fn a_truncated_manifest_is_an_error(manifest in manifest(), place in any::<prop::sample::Index>()) {
        let bytes = format::to_bytes(&manifest).unwrap();
        prop_assert!(format::read(&bytes[..place.index(bytes.len())]).is_err());
    }

    #[test]
    fn noise_is_an_error(noise in vec(any::<u8>(), 0..2000)) {
        let mut bytes = b"BRMANIF\x01".to_vec();
        bytes.extend(noise);
        prop_assert!(format::read(bytes.as_slice()).is_err());
    }
}

#[test]
fn trees_that_cannot_be_are_refused() {
    let file = || Kind::File { size: 0, hash: Hash::of(b"") };
    let root = || entry("", Kind::Directory);
    let link = |target: &str| Kind::HardLink(target.as_bytes().into());
    let cases = [
        ("root directory", vec![]),
        ("root directory", vec![entry("a", file())]),
        ("root directory", vec![entry("", file())]),
        ("root directory", vec![root(), root()]),
        ("no file name", vec![root(), entry("..", file())]),
        ("no file name", vec![root(), entry("/etc", Kind::Directory)]),
        ("no file name", vec![root(), entry("a", Kind::Directory), entry("a/./b", file())]),
        ("no file name", vec![root(), entry("a\0b", file())]),
        ("in no directory", vec![root(), entry("a/b", file())]),
        (
            "in no directory",
            vec![root(), entry("a", Kind::Symlink(b"/".as_slice().into())), entry("a/b", file())],
        ),
        ("there twice", vec![root(), entry("a", file()), entry("a", file())]),
        ("is no file", vec![root(), entry("a", link("b")), entry("b", file())]),
        ("is no file", vec![root(), entry("a", Kind::Directory), entry("b", link("a"))]),
        ("too long", vec![root(), entry(&"x".repeat(256), file())]),
    ];
    for (expected, entries) in cases {
        let fault = Manifest::new(entries).unwrap_err();
        assert!(fault.contains(expected), "{fault}");
    }
}

/// The error of reading these entries, which are written unchecked.
fn refusal(entries: &[Entry]) -> String {
    let mut records = Vec::new();
    record::each(entries, |bytes| records.write_all(bytes)).unwrap();
    refusal_of_records(entries.len(), &records)
}

fn refusal_of_records(count: usize, records: &[u8]) -> String {
    let mut file = Writer(b"BRMANIF\x01".to_vec());
    file.number(count as u64);
    file.raw(&zstd::encode_all(records, 1).unwrap());
    file.raw(&Hash::of(records).0);
    format::read(&*file.0).unwrap_err().to_string()
}

#[test]
fn entries_that_no_file_can_be_are_refused_at_once() {
    let with = |change: &dyn Fn(&mut Metadata)| {
        let mut root = entry("", Kind::Directory);
        change(&mut root.metadata);
        [root]
    };
    let nobody = "an owner that no file can have";
    assert_eq!(refusal(&with(&|metadata| metadata.uid = u32::MAX)), nobody);
    assert_eq!(refusal(&with(&|metadata| metadata.gid = u32::MAX)), nobody);
    let attributes = [b"user.a", b"user.b"].map(|name| (name.to_vec(), Vec::new()));
    let mut records = Writer::default();
    record::write(&mut records, &[], &with(&|metadata| metadata.attributes = attributes.clone().into())[0]);
    let second = records.0.len() - 2;
    assert_eq!(records.0[second], b'b');
    records.0[second] = b'a';
    assert_eq!(refusal_of_records(1, &records.0), "attributes that are not sorted by name");
    // The bits above those of the mode are flags. The lowest of them is no flag that a file keeps.
    let mut records = Writer::default();
    for number in [0, 0, 0, 1 << 12] {
        records.number(number);
    }
    assert_eq!(refusal_of_records(1, &records.0), "a mode or flags that no file can have");
    let long = [entry("", Kind::Directory), entry(&"x/".repeat(3000), Kind::Directory)];
    assert!(refusal(&long).starts_with("a length of 6000, where"));
}

#[test]
fn a_small_manifest_does_not_take_gigabytes_of_memory() {
    let path = "d/".repeat(2000);
    let root = std::iter::once(entry("", Kind::Directory));
    let bomb: Vec<_> = root.chain((0..10_000).map(|_| entry(&path, Kind::Directory))).collect();
    assert_eq!(refusal(&bomb), "a manifest that takes too much memory");
}

/// Two buffers that have something in common.
fn buffers() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (vec(any::<u8>(), 0..20_000), vec(any::<u8>(), 0..300), any::<prop::sample::Index>()).prop_map(
        |(old, inserted, place)| {
            let place = place.index(old.len() + 1);
            let new = [&old[..place], &inserted, &old[place..]].concat();
            (old, new)
        },
    )
}

proptest! {
    #[test]
    fn a_difference_makes_the_new_bytes((old, new) in buffers()) {
        let signature = matches::signature(&old).unwrap();
        for known in [Old::Unknown, Old::Signature(&signature), Old::Bytes(&old)] {
            let made = Encoder::default().encode(&new, &known, 3).unwrap();
            let (mut decoder, mut decoded) = (Decoder::default(), Vec::new());
            decoder.decode(&made, &old, new.len(), &mut decoded).unwrap();
            prop_assert_eq!(&decoded, &new);
            prop_assert!(decoder.decode(&made, &old, new.len() + 1, &mut decoded).is_err());
            if !new.is_empty() {
                prop_assert!(decoder.decode(&made, &old, new.len() - 1, &mut decoded).is_err());
            }
        }
    }

    #[test]
    fn a_damaged_difference_or_signature_never_makes_more_than_it_may(
        (old, new) in buffers(), method in 0u8..4, place in any::<prop::sample::Index>(), change in 1u8..
    ) {
        let signature = matches::signature(&old).unwrap();
        let mut made = Encoder::default().encode(&new, &Old::Signature(&signature), 1).unwrap();
        made[0] = method;
        let place = place.index(made.len());
        made[place] ^= change;
        let mut decoded = Vec::new();
        if Decoder::default().decode(&made, &old, new.len(), &mut decoded).is_ok() {
            prop_assert_eq!(decoded.len(), new.len());
        }
        // As a signature: as it is, and as what is in the frame of one.
        let packed = zstd::encode_all(&*made, 1).unwrap();
        for damaged in [&made, &packed] {
            let _either = Encoder::default().encode(&new, &Old::Signature(damaged), 1);
        }
    }

    #[test]
    fn frames_come_back_and_a_changed_byte_is_noticed(
        kind in any::<u8>(), content in vec(any::<u8>(), 0..500), place in any::<prop::sample::Index>(), change in 1u8..
    ) {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, kind, &content).unwrap();
        prop_assert_eq!(frame::read(&mut bytes.as_slice()).unwrap(), Frame { kind, content });
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(frame::read(&mut bytes.as_slice()).is_err());
        prop_assert!(frame::read(&mut &bytes[..place]).is_err());
    }
}
