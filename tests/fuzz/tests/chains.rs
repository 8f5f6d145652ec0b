//! Thousands of chains of merges, rollbacks and removals lose no edit without a name.
//!
//! Pace: seconds

use baserock_fuzz::named;

/// The same numbers at each run (splitmix64).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[test]
fn no_chain_loses_an_edit_without_a_name() {
    let chains = named("chains").unwrap();
    let count = std::env::var("CHAINS").ok().and_then(|count| count.parse().ok()).unwrap_or(4_000);
    for seed in 0..count {
        let mut state = seed;
        let input: Vec<u8> = (0..4).flat_map(|_| next(&mut state).to_le_bytes()).collect();
        // What a failing chain prints tells too little without its input.
        println!("seed {seed}: {input:?}");
        chains(&input);
    }
}
