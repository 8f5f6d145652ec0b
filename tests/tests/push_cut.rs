//! Pushes whose connection is cut at a random byte, each continued by the same command.
//!
//! Pace: minutes

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use baserock_tests::image::Image;
use baserock_tests::next::Next;
use baserock_tests::programs::{Done, run};
use baserock_tests::proxy::{Fault, Proxy};
use baserock_tests::ssh::Target;
use baserock_tests::version::factory_image;

/// Pushes in all, shared between two machines that are pushed to at once. In each run the cuts are at other bytes.
const PUSHES: u64 = 100;
/// Bytes of new content that cannot be compressed, in each tree.
const NEW: u32 = 300_000;
/// Bytes of three more files in one of the trees: more than travels in one unit.
const LARGE: usize = 9_000_000;
/// Names the seed, to see the same cuts again.
const SEED: &str = "BASEROCK_TEST_SEED";

/// What came of them.
#[derive(Default)]
struct Tally {
    /// Cut before they had come to their end; no two pushes take quite the same bytes.
    cut: u64,
    /// Found something from the try before.
    continued: u64,
}

#[test]
fn every_push_ends_identical() {
    let seed = std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        now.as_secs()
    });
    println!("{SEED}={seed}");
    let tallies = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || half_of_them(Random(seed ^ half << 63))));
        halves.map(|half| half.join().expect("all end well"))
    });
    let cut: u64 = tallies.iter().map(|tally| tally.cut).sum();
    let continued: u64 = tallies.iter().map(|tally| tally.continued).sum();
    println!("of {PUSHES} pushes {cut} were cut, and {continued} found something from the try before");
    assert!(cut > PUSHES * 9 / 10 && continued > 0);
}

fn half_of_them(mut random: Random) -> Tally {
    let image = factory_image(3072);
    let machine = Machine::start(&image);
    let mut tally = Tally::default();
    for number in 0..PUSHES / 2 {
        let tree = machine.tree(number);
        let agent = if number % 16 == 5 { machine.forget_agent() } else { 0 };
        let (label, fault) = (format!("cut-{number}"), tree.fault(agent, &mut random));
        println!("{label}: {fault:?}");
        let cut = machine.push(&tree.next, &label, fault);
        // What the machine would lose with the upgrade may be named before.
        let last = cut.stderr.lines().last().unwrap_or_default();
        assert!(cut.code == 0 || last.starts_with("ERROR: "), "{}", cut.stderr);
        tally.cut += u64::from(cut.code != 0);
        let again = run(&mut machine.target.push(&tree.next.tree(), &label));
        tally.continued += u64::from(again.stdout.contains("from an earlier try"));
        let listed = machine.target.system.manage(&["list"]).ok();
        assert!(listed.contains(&format!("{label} (default)\n")), "{listed}{}{}", cut.stderr, again.stderr);
        again.ok();
        machine.target.assert_identical(&label, &tree.next.tree());
        assert_eq!(machine.target.incoming(), [""; 0]);
    }
    tally
}

/// A machine that is pushed one tree and another in turns: from either to the other everything is new again.
struct Machine {
    target: Target,
    trees: [Tree; 3],
}

struct Tree {
    next: Next,
    /// Bytes of a push that is not cut, from the sender and to it.
    bytes: (u64, u64),
}

impl Machine {
    fn start(image: &Image) -> Self {
        let target = Target::start(image, "factory");
        let trees = [Next::new(NEW), Next::new(NEW), Next::new(NEW)].map(|next| Tree { next, bytes: (0, 0) });
        let mut machine = Machine { target, trees };
        run(&mut machine.target.check("any")).ok();
        machine.trees[2].next.add_three(LARGE);
        // The first is onto something else; the last leaves the machine as the first of those that are cut expects it.
        for (round, number) in [1, 2, 0, 1].into_iter().enumerate() {
            let proxy = Proxy::new(machine.target.sshd.listens().1, Fault::None);
            let tree = machine.trees[number].next.tree();
            run(&mut machine.target.push_to(&tree, &format!("whole-{round}"), proxy.port())).ok();
            machine.trees[number].bytes = proxy.bytes();
        }
        machine
    }

    /// Mostly what travels in one unit, of which nothing is kept if it is cut, because these take the least time.
    fn tree(&self, number: u64) -> &Tree {
        match number % 8 {
            7 => &self.trees[2],
            even if even % 2 == 0 => &self.trees[0],
            _ => &self.trees[1],
        }
    }

    /// The next push has to bring the agent too: so many bytes more.
    fn forget_agent(&self) -> u64 {
        let folder = self.target.system.path("root/.baserock/agents");
        let agent = fs::read_dir(folder).expect("a folder").next().expect("an agent").expect("an agent");
        let size = agent.metadata().expect("its size").len();
        fs::remove_file(agent.path()).expect("removed");
        size
    }

    fn push(&self, next: &Next, label: &str, fault: Fault) -> Done {
        let proxy = Proxy::new(self.target.sshd.listens().1, fault);
        run(&mut self.target.push_to(&next.tree(), label, proxy.port()))
    }
}

impl Tree {
    /// A cut in either direction, or somewhere in so many bytes more from the sender. What travels in more than one unit is cut late, so
    /// that there is something to continue from.
    fn fault(&self, more: u64, random: &mut Random) -> Fault {
        if self.bytes.0 > LARGE as u64 {
            let late = self.bytes.0 / 4;
            return Fault::CutSent(self.bytes.0 + more - late + random.below(late));
        }
        match random.below(2) {
            bit if bit == 0 || more > 0 => Fault::CutSent(random.below(self.bytes.0 + more)),
            _ => Fault::CutReceived(random.below(self.bytes.1)),
        }
    }
}

/// Numbers that look random and are the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}
