//! Types to columns.

use super::references::References;
use super::words::{COLUMNS, Role, is_last};
use super::{SENT, Types};
use crate::codec::Writer;

/// Writes the types.
pub fn encode(types: &Types<'_>, to: &mut Writer) {
    let (first_type, first_name, count) = own(types);
    to.raw(&types.head[..SENT]);
    for number in [types.strings.len(), first_type as usize, first_name as usize, count] {
        to.number(number as u64);
    }
    to.raw(types.strings);
    let mut references = References::new(first_type, first_name, types.strings);
    let mut columns: [Writer; COLUMNS] = Default::default();
    for each in types.words.types() {
        to.raw(&each.info.to_le_bytes());
        references.next_type();
        columns[Role::Name.column()].number(references.name(each.name));
        for (role, word) in each.words() {
            columns[role.column()].number(match role {
                Role::Name | Role::MemberName => references.name(word),
                Role::Reference | Role::MemberType => references.reference(word),
                Role::Step => references.step(word),
                Role::Plain | Role::MemberValue => word.into(),
            });
        }
    }
    for column in columns {
        to.raw(&column.0);
    }
}

/// Where the module's own type numbers and names begin, and how many types there are. The section does not say where, but nearly always
/// the last string is used, and so is the last type that is no function or variable. If they are not, the numbers only become larger.
fn own(types: &Types<'_>) -> (u32, u32, usize) {
    let (mut most_type, mut most_name, mut last, mut count) = (0, 0, 0, 0);
    for each in types.words.types() {
        most_name = most_name.max(each.name);
        for (role, word) in each.words() {
            match role {
                Role::MemberName => most_name = most_name.max(word),
                Role::Reference | Role::MemberType => most_type = most_type.max(word),
                _ => {}
            }
        }
        if !is_last(each.info) {
            last = count;
        }
        count += 1;
    }
    let before_last =
        types.strings.split_last().and_then(|(_, strings)| strings.iter().rposition(|&byte| byte == 0));
    let last_name = before_last.map_or(0, |zero| zero + 1);
    let distance = |most: u32, last: usize| most.saturating_sub(u32::try_from(last).unwrap_or(u32::MAX));
    (distance(most_type, last), distance(most_name, last_name), count)
}
