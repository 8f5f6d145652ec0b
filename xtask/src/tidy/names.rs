//! What one file of Rust names: in its `use` lines, and by paths in its code. Code for tests does not count.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Expr, ExprCall, ExprLit, ExprMethodCall, Item, ItemMod, ItemUse, Lit, Macro, Meta,
    UseTree, Visibility,
};

/// The segments of a path: `["crate", "etc", "EtcPath"]`.
pub type Segments = Vec<String>;

/// A name, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it is written, with what a `use` line has put before it.
    pub path: Segments,
    /// The line, from 1.
    pub line: usize,
    /// Whether it stands in a `use` line.
    pub is_import: bool,
    /// Whether it stands in a call of `step::change`.
    pub in_change: bool,
}

/// A module with a file of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Its file, where an attribute `path` tells it.
    pub file: Option<String>,
}

/// All that a file names.
#[derive(Debug, Default)]
pub struct Names {
    /// What it uses. A method's name stands alone, with a dot before it, and with its argument if that is true: `[".set_len"]`,
    /// `[".create(true)"]`.
    pub used: Vec<Name>,
    /// What it hands on under a name of its own: `pub use merge::Outcome`; the name `*` is all of a module.
    pub exports: Vec<(String, Segments)>,
    /// The modules that have files of their own.
    pub children: Vec<Child>,
}

/// Reads a file's text.
pub fn read(text: &str) -> Result<Names> {
    let file = syn::parse_file(text).context("cannot be read as Rust")?;
    let mut imports = Imports::default();
    imports.visit_file(&file);
    let mut reader = Reader { imports: imports.names, ..Reader::default() };
    reader.visit_file(&file);
    Ok(reader.names)
}

/// What `use` lines give short names to.
#[derive(Default)]
struct Imports {
    names: BTreeMap<String, Segments>,
}

impl<'a> Visit<'a> for Imports {
    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if !is_for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        flatten(&item.tree, &mut Vec::new(), &mut |short, path| {
            self.names.insert(short.to_owned(), path);
        });
    }
}

#[derive(Default)]
struct Reader {
    names: Names,
    imports: BTreeMap<String, Segments>,
    /// How many calls of `change` are around what is read, or of `here` before it in its block.
    changes: usize,
}

impl Reader {
    fn note(&mut self, mut path: Segments, line: usize) {
        let first = path.first().cloned().unwrap_or_default();
        match self.imports.get(&first) {
            Some(full) if *full != [first] => drop(path.splice(..1, full.iter().cloned())),
            _ => {}
        }
        self.names.used.push(Name { path, line, is_import: false, in_change: self.changes > 0 });
    }

    /// Paths in what a macro is given: `assert!(crate::label::is_valid(text))`.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Segments = Vec::new();
        let (mut line, mut colons) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons < 2 {
                        self.end(&mut path, line);
                    }
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.end(&mut path, line);
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end(&mut path, line);
    }

    fn end(&mut self, path: &mut Segments, line: usize) {
        if !path.is_empty() {
            self.note(std::mem::take(path), line);
        }
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item(&mut self, item: &'a Item) {
        let attributes = match item {
            Item::Fn(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'a ItemMod) {
        if module.content.is_none() {
            let file = module.attrs.iter().find_map(path_attribute);
            self.names.children.push(Child { name: module.ident.to_string(), file });
        }
        visit::visit_item_mod(self, module);
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let line = item.span().start().line;
        flatten(&item.tree, &mut Vec::new(), &mut |short, path| {
            if matches!(item.vis, Visibility::Inherited) {
                self.names.used.push(Name { path, line, is_import: true, in_change: false });
            } else {
                self.names.exports.push((short.to_owned(), path));
            }
        });
    }

    fn visit_attribute(&mut self, _: &'a Attribute) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(segments, path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        let is = |name: &str| {
            matches!(&*call.func, Expr::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident == name))
        };
        self.changes += usize::from(is("change"));
        visit::visit_expr_call(self, call);
        // What `here` marks is done after it, up to the end of the function.
        self.changes += usize::from(is("here"));
        self.changes -= usize::from(is("change"));
    }

    fn visit_block(&mut self, block: &'a Block) {
        let before = self.changes;
        visit::visit_block(self, block);
        self.changes = before;
    }

    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        let line = call.method.span().start().line;
        let is_true = |argument: &Expr| matches!(argument, Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) if value.value);
        let flag = if call.args.iter().any(is_true) { "(true)" } else { "" };
        let path = vec![format!(".{}{flag}", call.method)];
        self.names.used.push(Name { path, line, is_import: false, in_change: self.changes > 0 });
        visit::visit_expr_method_call(self, call);
    }
}

/// Calls `each` with the short name and the whole path of everything that a `use` line names.
fn flatten(tree: &UseTree, before: &mut Segments, each: &mut impl FnMut(&str, Segments)) {
    let whole = |last: &str| {
        let mut path = before.clone();
        if last != "self" {
            path.push(last.to_owned());
        }
        path
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, each);
            before.pop();
        }
        UseTree::Name(name) => {
            let path = whole(&name.ident.to_string());
            each(&path.last().cloned().unwrap_or_default(), path);
        }
        UseTree::Rename(rename) => each(&rename.rename.to_string(), whole(&rename.ident.to_string())),
        UseTree::Glob(_) => each("*", before.clone()),
        UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, before, each)),
    }
}

/// The file that `#[path = "FILE"]` tells.
fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(file), .. }) = &pair.value else { return None };
    pair.path.is_ident("path").then(|| file.value())
}

/// Whether an item is there for tests only.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::Path(path) => path.is_ident("test"),
        Meta::NameValue(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(text: &str) -> Vec<String> {
        read(text).unwrap().used.into_iter().map(|name| name.path.join("::")).collect()
    }

    #[test]
    fn use_lines_and_what_they_shorten() {
        let text = "use crate::{a::{self, B}, c as d};\nuse std::fs;\nfn f() { fs::write(a::x(), d::y, B) }";
        assert_eq!(
            used(text),
            [
                "crate::a",
                "crate::a::B",
                "crate::c",
                "std::fs",
                "std::fs::write",
                "crate::a::x",
                "crate::c::y",
                "crate::a::B"
            ]
        );
    }

    #[test]
    fn what_a_macro_is_given_counts_too() {
        assert!(used("fn f() { println!(\"{}\", (crate::a::b(), 1)) }").contains(&"crate::a::b".to_owned()));
    }

    #[test]
    fn tests_do_not_count() {
        assert_eq!(
            used("#[cfg(test)]\nmod tests { use std::fs; }\n#[cfg(test)]\nfn f() { a::b() }"),
            [""; 0]
        );
    }

    #[test]
    fn what_is_handed_on_is_no_use() {
        let names = read("#[path = \"b.rs\"]\nmod a;\npub use a::B;\npub(super) use a::C as D;").unwrap();
        assert_eq!(names.children, [Child { name: "a".into(), file: Some("b.rs".into()) }]);
        let exports: Vec<_> =
            names.exports.iter().map(|(short, path)| format!("{short}={}", path.join("::"))).collect();
        assert_eq!(exports, ["B=a::B", "D=a::C"]);
        assert_eq!(names.used, []);
    }

    #[test]
    fn calls_in_a_change_are_told_from_others() {
        let names = read("fn f() { change(\"a\", b, || file.set_len(1)); file.set_len(2); }").unwrap();
        let lengths: Vec<_> =
            names.used.iter().filter(|name| name.path == [".set_len"]).map(|name| name.in_change).collect();
        assert_eq!(lengths, [true, false]);
    }
}
