//! Every reader of bytes that nobody vouches for, as a function from bytes that must neither panic, nor hang, nor take more memory than a
//! small multiple of what it was given; and that checks what holds for every input.
//!
//! `cargo xtask fuzz` runs each under libFuzzer; `cargo test` runs each over its corpus, in which every input that ever broke one is kept.

mod entries;
mod fence;
mod parts;
mod targets;

/// A target: what it does with its input, failing by a panic.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 22] = [
    ("apply", targets::apply::run),
    ("archive", targets::archive::run),
    ("chains", targets::chains::run),
    ("cluster", targets::cluster::run),
    ("disk", targets::disk::run),
    ("etc", targets::etc::run),
    ("forms", targets::forms::run),
    ("fstab", targets::fstab::run),
    ("gzip", targets::gzip::run),
    ("images", targets::images::run),
    ("manifest", targets::manifest::run),
    ("menu", targets::menu::run),
    ("merge", targets::merge::run),
    ("mountinfo", targets::mountinfo::run),
    ("netrc", targets::netrc::run),
    ("proxies", targets::proxies::run),
    ("recipe", targets::recipe::run),
    ("records", targets::records::run),
    ("repository", targets::repository::run),
    ("signatures", targets::signatures::run),
    ("stream", targets::stream::run),
    ("sums", targets::sums::run),
];

/// The target of this name.
pub fn named(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(other, _)| *other == name).map(|(_, target)| *target)
}
