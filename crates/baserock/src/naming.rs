//! Long lists in messages: the first names, and the number of the others.

/// The number of things of one kind that are named. Further ones are only counted.
pub const NAMED: usize = 10;

/// The first names, and the number of the others.
pub fn first(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_named_and_the_others_counted() {
        let names = |count: usize| first((0..count).map(|number| number.to_string()));
        assert_eq!(names(0), "");
        assert_eq!(names(2), "0, 1");
        assert_eq!(names(10), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
        assert_eq!(names(12), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
