//! Differences of one path of `/etc`, as `git diff` shows them.

use system::error::Result;

use super::path::EtcPath;
use super::reject::{LARGEST_TEXT, hunks};
use super::tree::{Kind, Node};

/// The name that git has for what is not there.
const NOTHING: &str = "/dev/null";
/// The words that begin a difference.
const HEAD: [&str; 2] = ["diff", "--git"];
/// The numbers that git has for the types of files.
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// The difference at a path, as bytes: `one` is there before, `other` after. What git does not know, owners and attributes, has lines of its own.
pub fn difference(path: &EtcPath, one: Option<&Node>, other: Option<&Node>) -> Result<Vec<u8>> {
    let mut diff = format!("{} a/etc/{path} b/etc/{path}\n", HEAD.join(" ")).into_bytes();
    let mut line = |text: String| diff.extend(text.bytes().chain([b'\n']));
    match (one, other) {
        (None, Some(node)) => line(format!("new file mode {:o}", mode(node))),
        (Some(node), None) => line(format!("deleted file mode {:o}", mode(node))),
        (Some(one), Some(other)) => {
            if mode(one) != mode(other) {
                line(format!("old mode {:o}", mode(one)));
                line(format!("new mode {:o}", mode(other)));
            }
            if owner(one) != owner(other) {
                line(format!("old owner {}", owner(one)));
                line(format!("new owner {}", owner(other)));
            }
            if one.meta.attributes != other.meta.attributes || one.meta.flags != other.meta.flags {
                line("extended attributes or flags differ".to_owned());
            }
        }
        (None, None) => {}
    }
    let sides = [one, other].map(|node| node.map(content));
    let [before, after] = sides.map(|side| side.unwrap_or(Ok(Some(Vec::new()))));
    let (before, after) = (before?, after?);
    if before == after && before.is_some() {
        return Ok(diff);
    }
    let name = |side: &str, node: Option<&Node>| match node {
        Some(_) => format!("{side}/etc/{path}"),
        None => NOTHING.to_owned(),
    };
    let (from, to) = (name("a", one), name("b", other));
    match before.zip(after).and_then(|(before, after)| hunks(&before, &after)) {
        Some(hunks) => {
            line(format!("--- {from}"));
            line(format!("+++ {to}"));
            diff.extend(hunks);
        }
        None => line(format!("Binary files {from} and {to} differ")),
    }
    Ok(diff)
}

/// Lines that were added and removed, in a difference; `None` if the content is not compared by lines.
pub fn count(difference: &[u8]) -> Option<(usize, usize)> {
    let mut head = difference.split(|byte| *byte == b'\n').take_while(|line| !line.starts_with(b"@@ "));
    if head.any(|line| line.starts_with(b"Binary files ")) {
        return None;
    }
    let lines = difference.split(|byte| *byte == b'\n').skip_while(|line| !line.starts_with(b"@@ "));
    let (mut added, mut removed) = (0, 0);
    for line in lines {
        added += usize::from(line.first() == Some(&b'+'));
        removed += usize::from(line.first() == Some(&b'-'));
    }
    Some((added, removed))
}

/// The mode with the type, as git writes it, with all permission bits.
fn mode(node: &Node) -> u32 {
    let kind = match node.kind {
        Kind::File(_) => FILE,
        Kind::Dir => DIRECTORY,
        Kind::Symlink(_) => return LINK,
        Kind::Special { format, .. } => format,
    };
    kind | node.meta.mode & 0o7777
}

fn owner(node: &Node) -> String {
    format!("{}:{}", node.meta.uid, node.meta.gid)
}

/// The content to compare by lines; `None` if it is too large. A link's content is its target.
fn content(node: &Node) -> Result<Option<Vec<u8>>> {
    Ok(match &node.kind {
        Kind::File(content) if content.size() > LARGEST_TEXT => None,
        Kind::File(content) => Some(content.bytes()?.to_vec()),
        Kind::Symlink(target) => Some(target.clone()),
        Kind::Special { device, .. } => Some(device.to_string().into_bytes()),
        Kind::Dir => Some(Vec::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(one: impl Into<Option<Node>>, other: impl Into<Option<Node>>) -> String {
        let difference = difference(&EtcPath::from("a b"), one.into().as_ref(), other.into().as_ref());
        String::from_utf8(difference.unwrap()).unwrap()
    }

    #[test]
    fn a_difference_is_what_git_shows() {
        let file = |text: &[u8]| Some(Node::file(text));
        let head = "diff --git a/etc/a b b/etc/a b\n";
        assert_eq!(
            shown(file(b"a\nb\n"), file(b"a\nc\n")),
            format!("{head}--- a/etc/a b\n+++ b/etc/a b\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n")
        );
        assert_eq!(
            shown(None, file(b"a\n")),
            format!("{head}new file mode 100644\n--- /dev/null\n+++ b/etc/a b\n@@ -0,0 +1 @@\n+a\n")
        );
        assert_eq!(shown(file(b""), None), format!("{head}deleted file mode 100644\n"));
        assert_eq!(
            shown(file(b"\0"), file(b"\0\0")),
            format!("{head}Binary files a/etc/a b and b/etc/a b differ\n")
        );
        assert_eq!(
            shown(Some(Node::symlink(b"x")), Some(Node::symlink(b"y"))),
            format!(
                "{head}--- a/etc/a b\n+++ b/etc/a b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\
                 \\ No newline at end of file\n"
            )
        );
        let mut other = Node::file(b"a");
        (other.meta.mode, other.meta.uid) = (0o4755, 7);
        assert_eq!(
            shown(file(b"a"), Some(other)),
            format!("{head}old mode 100644\nnew mode 104755\nold owner 0:0\nnew owner 7:0\n")
        );
        assert_eq!(count(shown(file(b"--\nb\n"), file(b"++\nc\nd\n")).as_bytes()), Some((3, 2)));
        assert_eq!(count(shown(file(b"\0"), file(b"\0\0")).as_bytes()), None);
    }
}
