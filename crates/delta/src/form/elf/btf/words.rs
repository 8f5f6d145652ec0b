//! The types of BTF as words of 32 bits, each of which has a role.
//!
//! A type is its name, its kind with the number of members, a third word, and what the kind adds. The
//! [kernel's documentation](https://docs.kernel.org/bpf/btf.html) describes the kinds.

use Role::{MemberName, MemberType, MemberValue, Name, Plain, Reference, Step};

/// The role of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The name of a type.
    Name,
    /// A reference to another type.
    Reference,
    /// A size and the like.
    Plain,
    /// The name of a member.
    MemberName,
    /// The type of a member.
    MemberType,
    /// A number that is more than that of the member before.
    Step,
    /// Another number of a member.
    MemberValue,
}

/// Columns for the roles.
pub const COLUMNS: usize = 6;

impl Role {
    /// The column in which words of this role are.
    pub fn column(self) -> usize {
        match self {
            Name => 0,
            Reference => 1,
            Plain => 2,
            MemberName => 3,
            MemberType => 4,
            Step | MemberValue => 5,
        }
    }
}

/// The words of a type after its kind.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The role of the third word.
    pub third: Role,
    /// The roles of the words of a member.
    pub member: &'static [Role],
    /// The number of members.
    pub members: usize,
}

impl Shape {
    /// The shape of a type of this kind; `None` if the kind is not known.
    pub fn of(info: u32) -> Option<Self> {
        let many = (info & 0xffff) as usize;
        let (third, member, members): (_, &[Role], _) = match kind(info) {
            1 => (Plain, &[Plain], 1),
            3 => (Plain, &[Reference, Reference, Plain], 1),
            4 | 5 => (Plain, &[MemberName, MemberType, Step], many),
            6 => (Plain, &[MemberName, Step], many),
            7 | 16 => (Plain, &[], 0),
            2 | 8..=12 | 18 => (Reference, &[], 0),
            13 => (Reference, &[MemberName, MemberType], many),
            14 | 17 => (Reference, &[Plain], 1),
            15 => (Plain, &[MemberType, MemberValue, MemberValue], many),
            19 => (Plain, &[MemberName, MemberValue, MemberValue], many),
            _ => return None,
        };
        Some(Shape { third, member, members })
    }

    /// The roles of its words after the kind.
    pub fn roles(self) -> impl Iterator<Item = Role> {
        let members = std::iter::repeat_n(self.member, self.members).flatten();
        std::iter::once(self.third).chain(members.copied())
    }

    /// The number of its words.
    pub fn words(self) -> usize {
        3 + self.member.len() * self.members
    }
}

fn kind(info: u32) -> u32 {
    info >> 24 & 31
}

/// Whether types of this kind are mostly not referred to: functions, variables, sections and tags.
pub fn is_last(info: u32) -> bool {
    matches!(kind(info), 12 | 14 | 15 | 17)
}

/// Types, all of which are whole and of known kinds.
pub struct Words<'a>(&'a [[u8; 4]]);

/// A type.
pub struct Type<'a> {
    /// Its name.
    pub name: u32,
    /// Its kind and number of members.
    pub info: u32,
    shape: Shape,
    rest: &'a [[u8; 4]],
}

impl Type<'_> {
    /// Its words after the kind.
    pub fn words(&self) -> impl Iterator<Item = (Role, u32)> {
        self.shape.roles().zip(self.rest.iter().map(|word| u32::from_le_bytes(*word)))
    }
}

impl<'a> Words<'a> {
    /// Reads types; `None` if one is not known or cut off.
    pub fn read(types: &'a [u8]) -> Option<Self> {
        let (words, []) = types.as_chunks::<4>() else { return None };
        let all = Words(words);
        let whole: usize = all.types().map(|each| 2 + each.rest.len()).sum();
        (whole == words.len()).then_some(all)
    }

    /// The types, up to one that is not known or cut off.
    pub fn types(&self) -> impl Iterator<Item = Type<'a>> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let [name, info, ..] = left else { return None };
            let [name, info] = [name, info].map(|word| u32::from_le_bytes(*word));
            let shape = Shape::of(info)?;
            let (each, rest) = left.split_at_checked(shape.words())?;
            left = rest;
            Some(Type { name, info, shape, rest: each.get(2..)? })
        })
    }
}
