//! Columns to types.

use std::io;

use super::references::References;
use super::words::{COLUMNS, Role, Shape};
use super::{HEAD, SENT};
use crate::codec::{Reader, invalid};

/// Fills the section.
pub fn decode(from: &mut Reader<&[u8]>, section: &mut [u8]) -> io::Result<()> {
    let wrong = || invalid("BTF of another size than its section");
    let (head, rest) = section.split_first_chunk_mut::<HEAD>().ok_or_else(wrong)?;
    head[..SENT].copy_from_slice(from.slice(SENT)?);
    let strings = from.count(rest.len())?;
    let (types, names) = rest.split_at_mut(rest.len() - strings);
    let length = u32::try_from(types.len()).map_err(|_| wrong())?.to_le_bytes();
    head[12..16].copy_from_slice(&length);
    head[16..20].copy_from_slice(&length);
    head[20..].copy_from_slice(&u32::try_from(strings).map_err(|_| wrong())?.to_le_bytes());
    let (first_type, first_name) = (from.small()?, from.small()?);
    let count = from.count(types.len())?;
    names.copy_from_slice(from.slice(strings)?);
    let infos = from.slice(4 * count)?.as_chunks::<4>().0;
    let mut columns = columns(infos, from, types.len())?;
    let mut references = References::new(first_type, first_name, names);
    let mut into = types.as_chunks_mut::<4>().0.iter_mut();
    let mut put = |word: u32| into.next().map(|place| *place = word.to_le_bytes()).ok_or_else(wrong);
    for info in infos {
        let info = u32::from_le_bytes(*info);
        references.next_type();
        put(references.read_name(columns[Role::Name.column()].number()?)?)?;
        put(info)?;
        for role in Shape::of(info).ok_or_else(wrong)?.roles() {
            let number = columns[role.column()].number()?;
            put(match role {
                Role::Name | Role::MemberName => references.read_name(number)?,
                Role::Reference | Role::MemberType => references.read_reference(number)?,
                Role::Step => references.read_step(number)?,
                Role::Plain | Role::MemberValue => u32::try_from(number).map_err(|_| wrong())?,
            })?;
        }
    }
    Ok(())
}

/// The columns of types of these kinds, which take exactly so many bytes.
fn columns<'a>(
    infos: &[[u8; 4]],
    from: &mut Reader<&'a [u8]>,
    bytes: usize,
) -> io::Result<[Reader<&'a [u8]>; COLUMNS]> {
    let mut counts = [0; COLUMNS];
    let mut words = 0;
    for info in infos {
        let shape = Shape::of(u32::from_le_bytes(*info)).ok_or_else(|| invalid("BTF of an unknown kind"))?;
        counts[Role::Name.column()] += 1;
        counts[shape.third.column()] += 1;
        for role in shape.member {
            counts[role.column()] += shape.members;
        }
        words += shape.words();
    }
    if words * 4 != bytes {
        return Err(invalid("BTF of another size than its section"));
    }
    let mut columns = [(); COLUMNS].map(|()| Reader(&[][..]));
    for (column, count) in columns.iter_mut().zip(counts) {
        *column = from.numbers(count)?;
    }
    Ok(columns)
}
