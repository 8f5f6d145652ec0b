use proptest::prelude::*;

use super::*;

fn merged(base: &str, ours: &str, theirs: &str) -> Option<String> {
    merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes()).map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn changes_apart_are_both_in_the_result() {
    assert_eq!(merged("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n").unwrap(), "A\nb\nc\nD\n");
    assert_eq!(merged("a\nb\nc\n", "x\na\nb\nc\n", "a\nb\nc\ny\n").unwrap(), "x\na\nb\nc\ny\n");
    assert_eq!(merged("a\nb\nc\n", "b\nc\n", "a\nb\n").unwrap(), "b\n");
}

#[test]
fn the_same_change_on_both_sides_is_made_once() {
    assert_eq!(merged("a\nb\nc\n", "a\nB\nc\n", "a\nB\nc\n").unwrap(), "a\nB\nc\n");
    assert_eq!(merged("", "x\n", "x\n").unwrap(), "x\n");
}

#[test]
fn touching_changes_conflict() {
    assert_eq!(merged("a\nb\n", "A\nb\n", "a\nB\n"), None);
    assert_eq!(merged("a\n", "b\n", "c\n"), None);
    assert_eq!(merged("a\nb\nc\n", "a\nx\nb\nc\n", "a\ny\nb\nc\n"), None);
}

#[test]
fn repeated_lines_do_not_hide_a_conflict() {
    assert_eq!(merged("a\nx\nx\nb\n", "a\nx\nb\n", "a\ny\nx\nb\n"), None);
}

#[test]
fn a_line_after_a_last_line_without_newline_starts_a_line() {
    assert_eq!(merged("a\nb\nc", "A\nb\nc", "a\nb\nc").unwrap(), "A\nb\nc");
    assert_eq!(merged("a\nb\nc\n", "a\nb\nc", "A\nb\nc\n").unwrap(), "A\nb\nc");
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec!["#", "", "a", "b", "c"]), 0..14)
        .prop_map(|lines| lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_unchanged_side_yields_the_other(base in text(), other in text()) {
        prop_assert_eq!(merge(&base, &base, &other), Some(other.clone()));
        prop_assert_eq!(merge(&base, &other, &base), Some(other.clone()));
        prop_assert_eq!(merge(&base, &other, &other), Some(other));
    }

    #[test]
    fn the_sides_may_be_swapped(base in text(), ours in text(), theirs in text()) {
        prop_assert_eq!(merge(&base, &ours, &theirs), merge(&base, &theirs, &ours));
    }

    #[test]
    fn changes_that_do_not_touch_are_both_made(head in text(), tail in text(), ours in text(), theirs in text()) {
        let join = |a: &[u8], b: &[u8]| [a, b"==1==\n==2==\n==3==\n", b].concat();
        let result = merge(&join(&head, &tail), &join(&ours, &tail), &join(&head, &theirs));
        prop_assert_eq!(result, Some(join(&ours, &theirs)));
    }
}
