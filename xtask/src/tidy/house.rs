//! Every file of the programs as a module of its crate, and which file each name leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::names::{self, Names, Segments};
use crate::{build, root};

/// A file: a module of a crate.
#[derive(Debug)]
pub struct Module {
    /// Its path in the project.
    pub file: String,
    /// The number of the crate that it is part of.
    krate: usize,
    /// The name by which other crates know its crate, then its place in that: `["baserock", "etc", "plan"]`.
    pub path: Segments,
    /// What it names.
    pub names: Names,
}

/// All modules of all crates.
#[derive(Debug, Default)]
pub struct House {
    /// The modules.
    pub modules: Vec<Module>,
    /// Modules by crate and place in it.
    places: BTreeMap<(usize, Segments), usize>,
    /// The number of each library by its name.
    libraries: BTreeMap<String, usize>,
}

/// Where a name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The number of the module.
    pub module: usize,
    /// The whole name, from the name of the crate on, as it is defined: `["system", "error", "Result"]`.
    pub path: Segments,
}

impl House {
    /// Reads the libraries and programs of the workspace from their roots on.
    pub fn read() -> Result<House> {
        let mut house = House::default();
        for (number, target) in build::crates()?.into_iter().enumerate() {
            let name = target.name.replace('-', "_");
            if target.is_library() {
                house.libraries.insert(name.clone(), number);
            }
            house.add_files(number, &target.src_path, vec![name], true)?;
        }
        Ok(house)
    }

    fn add_files(&mut self, krate: usize, file: &Path, path: Segments, has_folder: bool) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let names = names::read(&text).with_context(|| file.display().to_string())?;
        let folder = if has_folder { file.with_file_name("") } else { file.with_extension("") };
        for child in &names.children {
            let place = [path.clone(), vec![child.name.clone()]].concat();
            let (flat, deep) =
                (folder.join(format!("{}.rs", child.name)), folder.join(&child.name).join("mod.rs"));
            let found = match &child.file {
                Some(told) => file.with_file_name("").join(told),
                None if flat.exists() => flat,
                None => deep,
            };
            self.add_files(krate, &found, place, found.ends_with("mod.rs"))?;
        }
        self.add(krate, file.strip_prefix(root::path()).unwrap_or(file), path, names);
        Ok(())
    }

    fn add(&mut self, krate: usize, file: &Path, path: Segments, names: Names) {
        self.places.insert((krate, path[1..].to_vec()), self.modules.len());
        self.modules.push(Module { file: file.display().to_string(), krate, path, names });
    }

    /// The files that a module uses, each with the lines on which it does.
    pub fn uses(&self, module: usize) -> Vec<(Target, usize)> {
        let uses = self.modules[module].names.used.iter();
        let found = uses.filter_map(|name| Some((self.target(module, &name.path)?, name.line)));
        found.filter(|(target, _)| target.module != module).collect()
    }

    /// Where a name leads that stands in a module; `None` where it is nothing of the workspace, or a module by itself.
    fn target(&self, module: usize, path: &[String]) -> Option<Target> {
        let (krate, absolute) = self.absolute(module, path)?;
        self.resolve(krate, &absolute, &mut BTreeSet::new())
    }

    /// The crate, and the path from its root on.
    fn absolute(&self, module: usize, path: &[String]) -> Option<(usize, Segments)> {
        let Module { krate, path: own, names, .. } = &self.modules[module];
        let (first, rest) = path.split_first()?;
        let below = |from: &[String]| Some((*krate, [from, rest].concat()));
        match first.as_str() {
            "crate" => below(&[]),
            "self" => below(&own[1..]),
            "super" => {
                let above = rest.iter().take_while(|segment| *segment == "super").count();
                let from = own.get(1..own.len().checked_sub(1 + above)?)?;
                Some((*krate, [from, &rest[above..]].concat()))
            }
            name if names.children.iter().any(|child| child.name == name) => {
                Some((*krate, [&own[1..], path].concat()))
            }
            name if names.exports.iter().any(|(short, _)| short == name) => {
                Some((*krate, [&own[1..], path].concat()))
            }
            name => self.libraries.get(name).map(|library| (*library, rest.to_vec())),
        }
    }

    /// Follows a path to the file that defines its end.
    fn resolve(
        &self,
        krate: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, Segments)>,
    ) -> Option<Target> {
        if !seen.insert((krate, path.to_vec())) {
            return None;
        }
        let length = (0..=path.len()).rev().find(|length| self.place(krate, &path[..*length]).is_some())?;
        let module = self.place(krate, &path[..length])?;
        let rest = &path[length..];
        let item = rest.first()?;
        let exports = &self.modules[module].names.exports;
        let named = exports.iter().filter(|(short, _)| short == item).map(|(_, path)| (path, &rest[1..]));
        let globs = exports.iter().filter(|(short, _)| short == "*").map(|(_, path)| (path, rest));
        for (from, rest) in named.chain(globs) {
            let handed = [&from[..], rest].concat();
            let Some((krate, handed)) = self.absolute(module, &handed) else { continue };
            if let Some(target) = self.resolve(krate, &handed, seen) {
                return Some(target);
            }
        }
        Some(Target { module, path: [&self.modules[module].path[..], rest].concat() })
    }

    fn place(&self, krate: usize, path: &[String]) -> Option<usize> {
        self.places.get(&(krate, path.to_vec())).copied()
    }
}

#[cfg(test)]
impl House {
    /// A house of crates of one name each, from places and texts: `("baserock::etc", "use std::fs;")`.
    pub fn of(files: &[(&str, &str)]) -> House {
        let mut house = House::default();
        for (place, text) in files {
            let path: Segments = place.split("::").map(str::to_owned).collect();
            let next = house.libraries.len();
            let krate = *house.libraries.entry(path[0].clone()).or_insert(next);
            let file = format!("crates/{}.rs", place.replace("::", "/"));
            house.add(krate, Path::new(&file), path, names::read(text).unwrap());
        }
        house
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(files: &[(&str, &str)]) -> Vec<String> {
        let house = House::of(files);
        house.uses(0).into_iter().map(|(target, _)| target.path.join("::")).collect()
    }

    #[test]
    fn names_lead_to_the_files_that_define_them() {
        let files = [
            ("a::one", "use super::two::X; use crate::three; fn f(x: three::Y, z: b::Z) {}"),
            ("a", "mod one; mod two; mod three;"),
            ("a::two", ""),
            ("a::three", ""),
            ("b", "mod inner; pub use inner::Z;"),
            ("b::inner", ""),
        ];
        assert_eq!(uses(&files), ["a::two::X", "a::three::Y", "b::inner::Z"]);
    }

    #[test]
    fn what_is_handed_on_in_a_circle_is_followed_once() {
        let files = [("a", "fn f() { b::X }"), ("b", "mod c; pub use c::*;"), ("b::c", "pub use super::*;")];
        assert_eq!(uses(&files).len(), 1);
    }

    #[test]
    fn other_crates_and_modules_alone_are_no_use() {
        assert_eq!(uses(&[("a::one", "use std::fs; use super::two;"), ("a", ""), ("a::two", "")]), [""; 0]);
    }
}
