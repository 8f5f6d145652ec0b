//! Names and type numbers as numbers that do not depend on the place.
//!
//! The kernel's own are doubled, plus one. A module's own are even: 0 for the name that comes next in the strings, else 2 plus twice the
//! distance (zigzag) from the last name; for a type, twice the distance (zigzag) back from the type that refers to it.

use std::io;

use super::super::names::Names;
use crate::codec::{invalid, unzigzag, zigzag};

/// What the names and types before have been.
pub struct References<'a> {
    /// Where the module's own type numbers begin.
    types: u32,
    /// Where the module's own string offsets begin.
    names: u32,
    strings: Names<'a>,
    /// The offset after the furthest name that was used.
    next: i64,
    last: i64,
    /// The number of the type.
    own: i64,
    /// The last value of a member.
    value: i64,
}

impl<'a> References<'a> {
    /// Before the first type.
    pub fn new(types: u32, names: u32, strings: &'a [u8]) -> Self {
        let own = i64::from(types) - 1;
        References { types, names, strings: Names(strings), next: 1, last: 0, own, value: 0 }
    }

    /// Another type begins.
    pub fn next_type(&mut self) {
        self.own += 1;
        self.value = 0;
    }

    /// A name as a number.
    pub fn name(&mut self, name: u32) -> u64 {
        if name == 0 || name < self.names {
            return u64::from(name) << 1 | 1;
        }
        let own = name - self.names;
        let distance = zigzag(i64::from(own) - self.last);
        let number = if i64::from(own) == self.next { 0 } else { 2 + (distance << 1) };
        self.seen(own);
        number
    }

    /// The name of a number.
    pub fn read_name(&mut self, number: u64) -> io::Result<u32> {
        if number & 1 == 1 {
            return small(number >> 1);
        }
        let distance = number.checked_sub(2).map(|number| unzigzag(number >> 1));
        let own = distance.map_or(self.next, |distance| self.last.wrapping_add(distance));
        let own = u32::try_from(own).map_err(|_| outside())?;
        self.seen(own);
        self.names.checked_add(own).ok_or_else(outside)
    }

    fn seen(&mut self, own: u32) {
        self.last = own.into();
        if self.last >= self.next {
            self.next = self.strings.after(own);
        }
    }

    /// A reference to a type as a number.
    pub fn reference(&self, to: u32) -> u64 {
        if to == 0 || to < self.types {
            u64::from(to) << 1 | 1
        } else {
            zigzag(self.own - i64::from(to)) << 1
        }
    }

    /// The reference of a number.
    pub fn read_reference(&self, number: u64) -> io::Result<u32> {
        if number & 1 == 1 {
            return small(number >> 1);
        }
        u32::try_from(self.own.wrapping_sub(unzigzag(number >> 1))).map_err(|_| outside())
    }

    /// A value of a member as a number: the distance from that of the member before.
    pub fn step(&mut self, value: u32) -> u64 {
        let distance = i64::from(value) - self.value;
        self.value = value.into();
        zigzag(distance)
    }

    /// The value of a number.
    pub fn read_step(&mut self, number: u64) -> io::Result<u32> {
        let value = u32::try_from(self.value.wrapping_add(unzigzag(number))).map_err(|_| outside())?;
        self.value = value.into();
        Ok(value)
    }
}

fn small(number: u64) -> io::Result<u32> {
    u32::try_from(number).map_err(|_| outside())
}

fn outside() -> io::Error {
    invalid("a number of BTF that does not fit")
}
