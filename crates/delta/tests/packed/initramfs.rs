//! An initramfs is described and made again.

use std::collections::HashMap;
use std::io::{self, Write};

use delta::NewIndex;
use delta::hash::Hash;
use delta::recipe::{Literals, Proof, Recipe, begins, describe, recreate};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{noise, packed, plain};

/// An archive of cpio with these members.
pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (number, (name, data)) in members.iter().chain(&[("TRAILER!!!", &b""[..])]).enumerate() {
        let fields = [number, 0o100_644, 0, 0, 1, 0, data.len(), 0, 0, 0, 0, name.len() + 1, 0];
        archive.extend(b"070701");
        archive.extend(fields.iter().flat_map(|field| format!("{field:08X}").into_bytes()));
        archive.extend(name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(data);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive
}

/// The files of a tree.
pub struct Files(pub Vec<Vec<u8>>);

impl Files {
    fn index(&self) -> HashMap<Hash, NewIndex> {
        self.0.iter().enumerate().map(|(index, file)| (Hash::of(file), NewIndex(index))).collect()
    }

    pub fn describe(&self, content: &[u8]) -> Option<Recipe> {
        self.describe_by(Proof::Whole, content)
    }

    pub fn describe_by(&self, proof: Proof, content: &[u8]) -> Option<Recipe> {
        let index = self.index();
        describe(content, proof, &|hash| Ok(index.get(hash).copied()))
    }

    pub fn recreate(&self, recipe: &Recipe, size: usize) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let mut open = |NewIndex(index)| self.0.get(index).map(Vec::as_slice).ok_or_else(missing);
        recreate(recipe, size as u64, &mut open, &mut content)?;
        Ok(content)
    }

    fn literals(&self, old: &[u8]) -> Literals {
        let index = self.index();
        Literals::of(old, &|hash| index.contains_key(hash)).unwrap()
    }
}

fn files() -> Files {
    Files((1..6).map(|seed| noise(seed, 3000 * usize::try_from(seed).unwrap())).collect())
}

/// Microcode as it is, then the packed main archive, as Debian makes them.
fn initramfs(files: &Files) -> Vec<u8> {
    let [a, b, c, ..] = files.0.as_slice() else { panic!("too few files") };
    let microcode = archive(&[("kernel/x86/microcode/GenuineIntel.bin", b)]);
    let main =
        archive(&[("init", b"#!/bin/sh"), ("lib/a.ko", a), ("etc/made", &noise(99, 1000)), ("lib/c.ko", c)]);
    [microcode, packed(&main, 6)].concat()
}

fn comes_back(files: &Files, content: &[u8]) -> Recipe {
    let recipe = files.describe(content).expect("it can be described");
    let again = Recipe::read(&recipe.outline(), recipe.literals.clone()).unwrap();
    assert_eq!(again, recipe);
    assert!(files.recreate(&again, content.len()).unwrap() == content, "another content came back");
    recipe
}

#[test]
fn an_initramfs_comes_back_from_its_files() {
    let files = files();
    let content = initramfs(&files);
    assert!(begins(&content));
    let recipe = comes_back(&files, &content);
    assert_eq!(recipe.files().map(|NewIndex(index)| index).collect::<Vec<_>>(), [1, 0, 2]);
    assert!(recipe.literals.len() < 5000, "{} bytes are literals", recipe.literals.len());
    assert!(files.recreate(&recipe, content.len() - 1).is_err(), "larger than it may be");
    assert!(files.recreate(&recipe, content.len() + 1).is_err(), "smaller than it has to be");
}

#[test]
fn all_that_surrounds_archives_comes_back() {
    let files = files();
    let archive = archive(&[("a", &files.0[0])]);
    let (packed, rest) = (packed(&archive, 9), b"what nobody knows".to_vec());
    for parts in [
        vec![&archive, &rest],
        vec![&packed, &packed],
        vec![&archive, &packed, &archive, &rest],
        vec![&packed, &vec![0; 5000], &packed, &vec![0; 3]],
    ] {
        comes_back(&files, &parts.into_iter().flatten().copied().collect::<Vec<u8>>());
    }
    // The padding of the last member is missing.
    let last = archive.iter().rposition(|byte| *byte != 0).unwrap();
    comes_back(&files, &archive[..=last]);
}

#[test]
fn a_proof_of_the_beginning_knows_other_programs() {
    let large = Files((1..4).map(|seed| noise(seed, 3 << 20)).collect());
    let members: Vec<_> = large.0.iter().map(|file| ("member", file.as_slice())).collect();
    let archive = archive(&members);
    let content = packed(&archive, 6);
    let recipe = large.describe_by(Proof::Beginning, &content);
    assert!(recipe.is_some());
    assert_eq!(recipe, large.describe(&content));
    let mut by_another = GzEncoder::new(Vec::new(), Compression::new(6));
    by_another.write_all(&archive.repeat(2)).unwrap();
    let content = by_another.finish().unwrap();
    for proof in [Proof::Whole, Proof::Beginning] {
        assert_eq!(large.describe_by(proof, &content), None);
    }
}

#[test]
fn an_initramfs_is_known_by_its_beginning() {
    let archive = archive(&[("init", b"#!/bin/sh")]);
    assert!(begins(&archive) && begins(&packed(&archive, 6)));
    assert!(begins(&packed(&archive.repeat(100), 9)[..100]), "no more than the beginning is needed");
    assert!(!begins(&packed(b"a changelog", 9)) && !begins(b"07070"));
}

#[test]
fn a_content_without_files_of_the_tree_has_no_recipe() {
    let (files, others) = (files(), Files(vec![noise(50, 1000)]));
    assert_eq!(others.describe(&initramfs(&files)), None);
    assert_eq!(files.describe(b"no initramfs"), None);
    let short = Files(vec![b"short".to_vec()]);
    assert_eq!(short.describe(&archive(&[("a", b"short")])), None, "naming a short file saves nothing");
    let mut damaged = initramfs(&files);
    let middle = damaged.len() - 1000;
    damaged[middle] ^= 1;
    assert_eq!(files.describe(&damaged), None);
}

#[test]
fn literals_are_the_same_without_the_tree() {
    let files = files();
    let content = initramfs(&files);
    let literals = files.literals(&content);
    assert_eq!(literals.left_out, [true, true, false, true]);
    assert_eq!(literals.bytes, files.describe(&content).unwrap().literals);
    assert_eq!(Literals::without(content.as_slice(), &literals.left_out).unwrap(), literals.bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn archives_of_any_files_come_back(contents in vec(plain(), 1..5), known in 1..5usize, level in 0..=9u8) {
        let members: Vec<(&str, &[u8])> = contents.iter().map(|content| ("name", content.as_slice())).collect();
        let archive = archive(&members);
        let content = if level == 0 { archive } else { packed(&archive, level) };
        let known = Files(contents.into_iter().take(known).collect());
        if let Some(recipe) = known.describe(&content) {
            prop_assert!(known.recreate(&recipe, content.len()).unwrap() == content);
        } else {
            prop_assert!(known.0.iter().all(|file| file.len() < 256));
        }
    }
}
