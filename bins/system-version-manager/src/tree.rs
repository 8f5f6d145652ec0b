//! Versions as a tree: below each one are those whose /etc was merged from it.

use std::collections::{BTreeMap, BTreeSet};

use baserock_terminal::{harmless, has_utf8};

/// The lines that lead to a version: with others after it, the last one, and what stands before the lines below.
struct Lines {
    more: &'static str,
    last: &'static str,
    past_more: &'static str,
    past_last: &'static str,
}

const UTF8: Lines = Lines { more: "├── ", last: "└── ", past_more: "│   ", past_last: "    " };
const ASCII: Lines = Lines { more: "|-- ", last: "`-- ", past_more: "|   ", past_last: "    " };

/// A version in the tree.
pub struct Node {
    /// Its label.
    pub label: String,
    /// The version from which its /etc was merged.
    pub parent: Option<String>,
    /// What is said of it.
    pub words: String,
}

/// The tree, a version a line. A version whose parent is gone stands at the root; so does the first one of a circle.
pub fn drawn(nodes: &[Node]) -> String {
    draw(nodes, if has_utf8() { &UTF8 } else { &ASCII })
}

fn draw(nodes: &[Node], lines: &Lines) -> String {
    let labels: BTreeSet<&str> = nodes.iter().map(|node| node.label.as_str()).collect();
    let mut below: BTreeMap<Option<&str>, Vec<&Node>> = BTreeMap::new();
    for node in nodes {
        let parent = node.parent.as_deref().filter(|parent| labels.contains(parent) && *parent != node.label);
        below.entry(parent).or_default().push(node);
    }
    let mut drawing = Drawing { below, lines, drawn: BTreeSet::new(), text: String::new() };
    let roots = drawing.below.get(&None).cloned().unwrap_or_default();
    for root in roots.into_iter().chain(nodes) {
        drawing.add(root, "", "", "");
    }
    drawing.text
}

struct Drawing<'a> {
    below: BTreeMap<Option<&'a str>, Vec<&'a Node>>,
    lines: &'a Lines,
    drawn: BTreeSet<&'a str>,
    text: String,
}

impl<'a> Drawing<'a> {
    /// Adds the version with all below it: behind `before`, `branch` leads to it, and `past` leads on to what is below.
    fn add(&mut self, node: &'a Node, before: &str, branch: &str, past: &str) {
        if !self.drawn.insert(&node.label) {
            return;
        }
        self.text.push_str(format!("{before}{branch}{}  {}", node.label, harmless(&node.words)).trim_end());
        self.text.push('\n');
        let before = format!("{before}{past}");
        let children = self.below.get(&Some(node.label.as_str())).cloned().unwrap_or_default();
        for (index, child) in children.iter().enumerate() {
            let (branch, past) = if index + 1 < children.len() {
                (self.lines.more, self.lines.past_more)
            } else {
                (self.lines.last, self.lines.past_last)
            };
            self.add(child, &before, branch, past);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(label: &str, parent: &str) -> Node {
        let parent = Some(parent.to_owned()).filter(|parent| !parent.is_empty());
        Node { label: label.to_owned(), parent, words: String::new() }
    }

    #[test]
    fn versions_stand_below_those_that_they_came_from() {
        let nodes = [node("factory", ""), node("v2", "factory"), node("v3", "v2"), node("w", "factory")];
        assert_eq!(draw(&nodes, &ASCII), "factory\n|-- v2\n|   `-- v3\n`-- w\n");
    }

    #[test]
    fn what_is_gone_or_goes_in_a_circle_hides_nothing() {
        let nodes = [node("a", "b"), node("b", "a"), node("c", "gone"), node("d", "d")];
        assert_eq!(draw(&nodes, &ASCII), "c\nd\na\n`-- b\n");
    }
}
