//! The file `extra` of a case. It describes metadata that git cannot store. The README of the cases tells its form.

use baserock::etc::path::unescape;
use baserock::etc::{EtcPath, Kind, Node, Tree};

use crate::case::{Round, TREES};

pub fn apply(line: &str, round: &mut Round) {
    let bad = format!("cannot read this line of a case: {line:?}");
    let (first, rest) = line.split_once(' ').expect(&bad);
    if first == "option" {
        return option(rest, round);
    }
    let trees: Vec<_> = first.split(',').collect();
    assert!(trees.iter().all(|name| TREES.contains(name)), "no tree is called {first:?}");
    for name in trees {
        let tree = round.trees.entry(name.to_owned()).or_insert_with(|| {
            let mut tree = Tree::default();
            tree.insert(EtcPath::ROOT, Node::dir());
            tree
        });
        let words: Vec<&str> = rest.splitn(3, ' ').collect();
        let path = EtcPath::from(&unescape(words.get(1).expect(&bad)).unwrap()[..]);
        let path = if path.as_bytes() == b"." { EtcPath::ROOT } else { path };
        change(tree, words[0], path, words.get(2).copied().unwrap_or("")).expect(&bad);
    }
}

fn option(text: &str, round: &mut Round) {
    match text.split_once(' ') {
        Some(("take", take)) => round.options.take.push(take.parse().unwrap()),
        None if text == "original-rules" => round.options.original_rules = true,
        None if text == "hostname-from-new" => round.options.hostname_from_new = true,
        _ => panic!("no option is called {text:?}"),
    }
}

fn change(tree: &mut Tree, verb: &str, path: EtcPath, argument: &str) -> Option<()> {
    let bytes = unescape(argument)?;
    match verb {
        "dir" => tree.insert(path, Node::dir()),
        "file" => tree.insert(path, Node::file(&bytes)),
        "symlink" => tree.insert(path, Node::symlink(&bytes)),
        "fifo" => tree.insert(path, Node::new(Kind::Special { format: libc::S_IFIFO, device: 0 }, 0o644)),
        "device" => {
            let kind = Kind::Special { format: libc::S_IFCHR, device: argument.parse().ok()? };
            tree.insert(path, Node::new(kind, 0o600));
        }
        "numbers" => tree.insert(path, Node::file(&numbers(argument)?)),
        "mode" => node(tree, &path, |node| node.meta.mode = u32::from_str_radix(argument, 8).unwrap())?,
        "owner" => {
            let (uid, gid) = argument.split_once(':')?;
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            node(tree, &path, |node| (node.meta.uid, node.meta.gid) = (uid, gid))?;
        }
        "xattr" => {
            let (name, value) = argument.split_once(' ')?;
            let value = unescape(value)?;
            node(tree, &path, |node| drop(node.meta.attributes.insert(name.as_bytes().to_vec(), value)))?;
        }
        _ => return None,
    }
    Some(())
}

fn node(tree: &mut Tree, path: &EtcPath, change: impl FnOnce(&mut Node)) -> Option<()> {
    let mut node = tree.remove(path)?;
    change(&mut node);
    tree.insert(path.clone(), node);
    Some(())
}

/// `COUNT [LINE=TEXT]...`: the numbers from 1, each in a line of 64 bytes, with some lines replaced.
fn numbers(argument: &str) -> Option<Vec<u8>> {
    let mut words = argument.split(' ');
    let count: usize = words.next()?.parse().ok()?;
    let mut lines: Vec<String> = (1..=count).map(|number| format!("{number:063}")).collect();
    for word in words {
        let (line, text) = word.split_once('=')?;
        text.clone_into(lines.get_mut(line.parse::<usize>().ok()? - 1)?);
    }
    Some((lines.join("\n") + "\n").into_bytes())
}
