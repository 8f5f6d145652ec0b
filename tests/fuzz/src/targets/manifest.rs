//! Manifests: as they come, and with a valid frame around entries that nobody meant well.

use delta::segment::SEGMENT;
use delta::unit::{MOST_OLD, padded, units};
use delta::{Manifest, Plan, format};

use crate::entries::{entries, sealed};
use crate::parts::choice;

/// How many entries the first of two manifests has, and the entries of both; or a whole file.
pub fn run(bytes: &[u8]) {
    let Some((count, rest)) = choice(bytes) else { return };
    if count == b'B' {
        let _either = format::read(bytes).map(|manifest| round(&manifest));
        let _either = format::read_difference(bytes, &Manifest::default()).map(|manifest| round(&manifest));
        return;
    }
    let (basis, rest) = read(rest, count.into());
    let (new, _) = read(rest, usize::MAX);
    if let (Some(basis), Some(new)) = (basis, new) {
        compare(&basis, &new);
    }
}

fn read(bytes: &[u8], most: usize) -> (Option<Manifest>, &[u8]) {
    let (found, rest) = entries(bytes, most);
    let records = &bytes[..bytes.len() - rest.len()];
    let manifest = format::read(&*sealed(found.len(), records)).ok();
    if let Some(manifest) = &manifest {
        assert_eq!(manifest.entries(), found);
        round(manifest);
    }
    assert!(format::read(&*sealed(found.len() + 1, records)).is_err(), "one entry more than there are");
    (manifest, rest)
}

fn round(manifest: &Manifest) {
    let written = format::to_bytes(manifest).expect("memory can be written to");
    let again = format::read(&*written).expect("what was written is read");
    assert_eq!(&again, manifest);
    assert_eq!(again.digest(), manifest.digest());
    assert!(Plan::new(manifest, manifest).is_empty(), "a tree differs from itself");
}

fn compare(basis: &Manifest, new: &Manifest) {
    let difference = format::difference(new, basis).expect("memory can be written to");
    assert_eq!(&format::read_difference(&*difference, basis).expect("what was written is read"), new);
    let plan = Plan::new(basis, new);
    for unit in
        units(plan.wanted.iter().filter(|wanted| wanted.size < 1 << 30).map(|wanted| (wanted, 0)), basis)
    {
        assert!(unit.new_bytes() <= SEGMENT, "a unit of {} bytes", unit.new_bytes());
        let old: u64 =
            unit.pieces.iter().filter_map(|piece| piece.old.as_ref()).map(|(_, range)| padded(range)).sum();
        assert!(old <= MOST_OLD, "a unit with a basis of {old} bytes");
    }
}
