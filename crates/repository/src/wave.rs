//! Waves: which machines take a version before others.

use delta::hash::Hash;

/// Whether a machine is among the first so many of a hundred that take a tree. For another tree, other machines are.
pub fn is_in(machine: &str, tree: Hash, percent: u8) -> bool {
    let own = Hash::of(format!("{}{tree}", machine.trim()).as_bytes());
    own.short() % 100 < percent.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_is_about_so_many_machines_and_contains_the_smaller_ones() {
        let tree = Hash::of(b"tree");
        let machines: Vec<String> = (0..1000).map(|number| format!("machine {number}\n")).collect();
        let wave = |percent| -> Vec<&String> {
            machines.iter().filter(|machine| is_in(machine, tree, percent)).collect()
        };
        assert_eq!((wave(0).len(), wave(100).len()), (0, 1000));
        let (small, large) = (wave(10), wave(50));
        assert!((60..140).contains(&small.len()) && (430..570).contains(&large.len()), "{}", small.len());
        assert!(small.iter().all(|machine| large.contains(machine)));
        let other = machines.iter().filter(|machine| is_in(machine, Hash::of(b"other"), 10));
        assert_ne!(other.collect::<Vec<_>>(), small);
    }
}
