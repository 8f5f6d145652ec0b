//! Huffman codes as zlib and GNU gzip build them: among the many optimal codes, theirs has to be met.

/// Most symbols of a tree.
const MOST: usize = super::symbol::LITERALS;
/// Nodes of the largest tree, and an unused place before them.
const NODES: usize = 2 * MOST + 1;
/// The longest code.
const LONGEST: usize = 15;

/// What a symbol of the alphabet costs besides its code, and what the fixed code of the standard would cost.
pub struct Alphabet {
    /// Extra bits of the symbols from `first` on.
    pub extra: &'static [u8],
    /// The first symbol with extra bits.
    pub first: usize,
    /// The longest code that is allowed.
    pub longest: usize,
    /// The length of a symbol's fixed code.
    pub fixed: fn(usize) -> u8,
}

/// A code for an alphabet.
pub struct Tree {
    /// The length of each symbol's code; 0 if it has none.
    pub lengths: Vec<u8>,
    /// The last symbol with a code.
    pub last: usize,
    /// Bits of all symbols in this code.
    pub bits: u64,
    /// Bits of all symbols in the fixed code.
    pub fixed_bits: u64,
}

/// Nodes by their frequency: a heap, and behind it those that are taken from it, the most frequent first.
struct Heap {
    nodes: [usize; NODES],
    length: usize,
    taken: usize,
    weights: [u32; NODES],
    depths: [u8; NODES],
}

impl Heap {
    fn is_before(&self, a: usize, b: usize) -> bool {
        (self.weights[a], self.depths[a]) <= (self.weights[b], self.depths[b])
    }

    fn sink(&mut self, mut at: usize) {
        let node = self.nodes[at];
        loop {
            let mut child = at * 2;
            if child > self.length {
                break;
            }
            if child < self.length && self.is_before(self.nodes[child + 1], self.nodes[child]) {
                child += 1;
            }
            if self.is_before(node, self.nodes[child]) {
                break;
            }
            self.nodes[at] = self.nodes[child];
            at = child;
        }
        self.nodes[at] = node;
    }

    /// Takes the rarest two nodes and puts their parent in their place.
    fn join(&mut self, parent: usize) -> [usize; 2] {
        let first = self.nodes[1];
        self.nodes[1] = self.nodes[self.length];
        self.length -= 1;
        self.sink(1);
        let second = self.nodes[1];
        self.take(first);
        self.take(second);
        self.weights[parent] = self.weights[first] + self.weights[second];
        self.depths[parent] = self.depths[first].max(self.depths[second]) + 1;
        self.nodes[1] = parent;
        self.sink(1);
        [first, second]
    }

    fn take(&mut self, node: usize) {
        self.taken -= 1;
        self.nodes[self.taken] = node;
    }
}

impl Tree {
    /// The code for symbols of these frequencies.
    pub fn new(frequencies: &[u32], alphabet: &Alphabet) -> Self {
        let symbols = frequencies.len();
        let mut heap =
            Heap { nodes: [0; NODES], length: 0, taken: NODES, weights: [0; NODES], depths: [0; NODES] };
        heap.weights[..symbols].copy_from_slice(frequencies);
        let mut last = 0;
        for symbol in (0..symbols).filter(|&symbol| frequencies[symbol] != 0) {
            heap.length += 1;
            heap.nodes[heap.length] = symbol;
            last = symbol;
        }
        // Two codes at least; those that are added for that occur nowhere.
        let is_empty = heap.length == 0;
        let mut unused = Vec::new();
        while heap.length < 2 {
            let symbol = match (is_empty, last, heap.length) {
                (true, ..) => heap.length,
                (false, 0 | 1, _) => last + 1,
                _ => 0,
            };
            heap.length += 1;
            heap.nodes[heap.length] = symbol;
            heap.weights[symbol] = 1;
            last = last.max(symbol);
            unused.push(symbol);
        }
        for at in (1..=heap.length / 2).rev() {
            heap.sink(at);
        }
        let mut parents = [0; NODES];
        let mut node = symbols;
        while heap.length > 1 {
            for child in heap.join(node) {
                parents[child] = node;
            }
            node += 1;
        }
        heap.take(heap.nodes[1]);
        let mut lengths = lengths(&heap, &parents, symbols, alphabet.longest);
        lengths.truncate(symbols);
        let mut tree = Tree { lengths, last, bits: 0, fixed_bits: 0 };
        for (symbol, &frequency) in frequencies.iter().enumerate().filter(|(_, frequency)| **frequency != 0) {
            let extra = symbol.checked_sub(alphabet.first).and_then(|at| alphabet.extra.get(at)).copied();
            let cost = |length: u8| u64::from(frequency) * u64::from(length + extra.unwrap_or(0));
            tree.bits += cost(tree.lengths[symbol]);
            tree.fixed_bits += cost((alphabet.fixed)(symbol));
        }
        // zlib counts each of them once and takes off one bit: the rest of its code stays.
        for symbol in unused {
            tree.bits += u64::from(tree.lengths[symbol]) - 1;
        }
        tree
    }
}

/// The length of each node's code: its depth in the tree, at most `longest`.
fn lengths(heap: &Heap, parents: &[usize; NODES], symbols: usize, longest: usize) -> Vec<u8> {
    let mut lengths = vec![0u8; NODES];
    let mut counts = [0usize; LONGEST + 1];
    let mut over = 0usize;
    let nodes = &heap.nodes[heap.taken..];
    for &node in nodes.iter().skip(1) {
        let mut length = usize::from(lengths[parents[node]]) + 1;
        if length > longest {
            length = longest;
            over += 1;
        }
        lengths[node] = length.to_le_bytes()[0];
        counts[length] += usize::from(node < symbols);
    }
    if over == 0 {
        return lengths;
    }
    // Too long codes move up: a shorter code becomes two that are one bit longer.
    while over > 0 {
        let length = (1..longest).rev().find(|&length| counts[length] != 0).unwrap_or(1);
        counts[length] -= 1;
        counts[length + 1] += 2;
        counts[longest] -= 1;
        over = over.saturating_sub(2);
    }
    let mut leaves = nodes.iter().rev().filter(|&&node| node < symbols);
    for length in (1..=longest).rev() {
        for &node in leaves.by_ref().take(counts[length]) {
            lengths[node] = length.to_le_bytes()[0];
        }
    }
    lengths
}

/// The canonical codes of these lengths. Their bits are reversed, because deflate writes the first bit lowest.
pub fn codes(lengths: &[u8]) -> Vec<u16> {
    let mut counts = [0u16; LONGEST + 1];
    for &length in lengths {
        counts[usize::from(length)] += 1;
    }
    counts[0] = 0;
    let mut next = [0u16; LONGEST + 2];
    for length in 0..=LONGEST {
        next[length + 1] = (next[length] + counts[length]) << 1;
    }
    let code = |&length: &u8| {
        let next = &mut next[usize::from(length)];
        let code = *next;
        *next = next.wrapping_add(1);
        if length == 0 { 0 } else { code.reverse_bits() >> (16 - length) }
    };
    lengths.iter().map(code).collect()
}
