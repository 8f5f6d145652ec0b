//! Manifests that nobody meant well.

use delta::Manifest;
use delta::difference::{self, Old};
use delta::entry::{Entry, Kind, Metadata};
use delta::format;
use delta::frame::{self, Frame};
use delta::hash::Hash;
use proptest::collection::vec;
use proptest::prelude::*;

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { path: path.as_bytes().into(), kind, metadata: Metadata::default() }
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
    let attribute = (vec(1u8.., 1..20), vec(any::<u8>(), 0..50)).prop_map(|(n, v)| (n.into(), v.into()));
    (0..0o10000u32, any::<u32>(), any::<u32>(), any::<i64>(), 0..1_000_000_000u32, vec(attribute, 0..3))
        .prop_map(|(mode, uid, gid, seconds, nanoseconds, attributes)| Metadata {
            mode,
            uid,
            gid,
            seconds,
            nanoseconds,
            attributes,
        })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    vec((kind(), metadata()), 0..40).prop_map(|made| {
        let mut entries = vec![entry("", Kind::Directory)];
        for (number, (kind, metadata)) in made.into_iter().enumerate() {
            entries.push(Entry { path: format!("file-{number}").into_bytes().into(), kind, metadata });
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
    fn one_changed_byte_is_noticed(manifest in manifest(), place in any::<prop::sample::Index>(), change in 1u8..) {
        let mut bytes = format::to_bytes(&manifest).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        // A byte that says nothing (a flag that the decompressor ignores) may differ, if the manifest is the same then.
        if let Ok(back) = format::read(bytes.as_slice()) {
            prop_assert_eq!(back, manifest);
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error(manifest in manifest(), place in any::<prop::sample::Index>()) {
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
        let signature = difference::signature(&old);
        for known in [Old::Unknown, Old::Signature(&signature), Old::Bytes(&old)] {
            let made = difference::encode(&new, &known, 3).unwrap();
            prop_assert_eq!(&difference::decode(&made, &old, new.len()).unwrap(), &new);
            prop_assert!(difference::decode(&made, &old, new.len() + 1).is_err());
            if !new.is_empty() {
                prop_assert!(difference::decode(&made, &old, new.len() - 1).is_err());
            }
        }
    }

    #[test]
    fn a_damaged_difference_or_signature_never_makes_more_than_it_may(
        (old, new) in buffers(), method in 0u8..4, place in any::<prop::sample::Index>(), change in 1u8..
    ) {
        let signature = difference::signature(&old);
        let mut made = difference::encode(&new, &Old::Signature(&signature), 1).unwrap();
        made[0] = method;
        let place = place.index(made.len());
        made[place] ^= change;
        if let Ok(bytes) = difference::decode(&made, &old, new.len()) {
            prop_assert_eq!(bytes.len(), new.len());
        }
        let _either = difference::encode(&new, &Old::Signature(&made), 1);
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
