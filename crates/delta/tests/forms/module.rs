//! A kernel module made by hand: code, relocations, symbols and types, as a compiler lays them out.

// All numbers are small.
#![allow(clippy::cast_possible_truncation)]

/// What the module has.
#[derive(Clone, Debug)]
pub struct Module {
    /// Bytes of each function.
    pub functions: Vec<usize>,
    /// How many types of the kernel the module's own come after.
    pub kernel_types: u32,
}

const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const RELA: u32 = 4;

struct Section {
    name: &'static str,
    kind: u32,
    bytes: Vec<u8>,
    link: u32,
    entry: u64,
}

impl Module {
    /// A usual one.
    pub fn new() -> Self {
        Module { functions: (0..60).map(|number| 40 + number % 7 * 16).collect(), kernel_types: 90_000 }
    }

    /// The module as a file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut symbols = vec![symbol(0, 0, 0, 0, 0), symbol(0, 3, 1, 0, 0)];
        let (mut text, mut relocations, mut table) = (Vec::new(), Vec::new(), Vec::new());
        for (number, &size) in self.functions.iter().enumerate() {
            let start = text.len() as u64;
            let name = add(&mut strings, &format!("function_{number}"));
            symbols.push(symbol(name, 2, 1, start, size as u64));
            // It calls the one that comes seven later, and a table knows where it is.
            let called = 2 + (number + 7) % self.functions.len();
            relocations.extend(relocation(start + 8, 4, called, u64::MAX - 3));
            table.extend(relocation(8 * number as u64, 2, 1, start));
            text.extend((0..size).map(|at| (at * 7 + number) as u8));
        }
        let mut names = vec![0];
        let section = |name, kind, bytes, link, entry| Section { name, kind, bytes, link, entry };
        let sections = [
            section("", 0, Vec::new(), 0, 0),
            section(".text", 1, text, 0, 0),
            section(".rela.text", RELA, relocations, 6, 24),
            section(".data", 1, vec![0; 8 * self.functions.len()], 0, 0),
            section(".rela.data", RELA, table, 6, 24),
            section(".BTF", 1, self.types(), 0, 0),
            section(".symtab", SYMTAB, symbols.concat(), 7, 24),
            section(".strtab", STRTAB, strings, 0, 0),
            section(".shstrtab", STRTAB, Vec::new(), 0, 0),
        ];
        let mut file = vec![0; 64];
        let mut headers = Vec::new();
        let count = sections.len() as u8;
        for section in sections {
            let name = add(&mut names, section.name);
            let bytes = if section.name == ".shstrtab" { &names } else { &section.bytes };
            file.resize(file.len().next_multiple_of(8), 0);
            headers.extend([name, section.kind].map(u32::to_le_bytes).concat());
            headers.extend([0, 0, file.len() as u64, bytes.len() as u64].map(u64::to_le_bytes).concat());
            headers.extend([section.link, 0].map(u32::to_le_bytes).concat());
            headers.extend([8, section.entry].map(u64::to_le_bytes).concat());
            file.extend(bytes);
        }
        file.resize(file.len().next_multiple_of(8), 0);
        let table = file.len() as u64;
        file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[58] = 64;
        file[60] = count;
        file[62] = count - 1;
        file.extend(headers);
        file
    }

    /// For each function a structure, a pointer to it, a prototype and the function.
    fn types(&self) -> Vec<u8> {
        let kernel_names = self.kernel_types * 9;
        let mut strings = vec![0];
        let mut words: Vec<u32> = Vec::new();
        for number in 0..self.functions.len() as u32 {
            let own = self.kernel_types + 4 * number;
            let mut name = |name: &str| kernel_names + add(&mut strings, &format!("{name}_{number}"));
            let (structure, first, second) = (name("structure"), name("first"), name("second"));
            words.extend([structure, 4 << 24 | 2, 16, first, 7, 0, second, own + 1, 64]);
            words.extend([0, 2 << 24, own]);
            words.extend([0, 13 << 24 | 1, 7, 11, own + 1]);
            words.extend([name("function"), 12 << 24 | 1, own + 2]);
        }
        let (types, names) = (4 * words.len() as u32, strings.len() as u32);
        let mut section = vec![0x9f, 0xeb, 1, 0];
        section.extend([24, 0, types, types, names].map(u32::to_le_bytes).concat());
        section.extend(words.into_iter().flat_map(u32::to_le_bytes));
        section.extend(strings);
        section
    }
}

/// Adds a string; returns its offset.
fn add(strings: &mut Vec<u8>, name: &str) -> u32 {
    if name.is_empty() {
        return 0;
    }
    let offset = strings.len() as u32;
    strings.extend(name.bytes());
    strings.push(0);
    offset
}

fn symbol(name: u32, kind: u8, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut symbol = name.to_le_bytes().to_vec();
    symbol.extend([kind, 0]);
    symbol.extend(section.to_le_bytes());
    symbol.extend([value, size].map(u64::to_le_bytes).concat());
    symbol
}

fn relocation(offset: u64, kind: u32, symbol: usize, addend: u64) -> Vec<u8> {
    let numbers = [offset, u64::from(kind) | (symbol as u64) << 32, addend];
    numbers.map(u64::to_le_bytes).concat()
}
