//! Each file uses only what its floor may use, as the table in docs/architecture.md says.

use super::house::House;
use super::table::{DOCUMENT, Floor};

/// Names each use that the table does not allow, and each file and place that is only on one side.
pub fn check(house: &House, floors: &[Floor], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for place in floors.iter().flat_map(|floor| &floor.places).filter(|place| !exists(place)) {
        faults.push(format!("{DOCUMENT}: {place} is on a floor, and does not exist"));
    }
    let floor_of: Vec<_> = house.modules.iter().map(|module| floor_of(&module.file, floors)).collect();
    for (number, module) in house.modules.iter().enumerate() {
        let Some(own) = floor_of[number] else {
            faults.push(format!("{}: is on no floor; add it to the table in {DOCUMENT}", module.file));
            continue;
        };
        for (target, line) in house.uses(number) {
            let path = target.path.join("::");
            let is_allowed = floor_of[target.module].is_some_and(|floor| {
                floor.name == own.name
                    || own.may_use.iter().any(|may| *may == floor.name || is_in(&path, may))
            });
            if !is_allowed {
                faults.push(format!("{}:{line}: the floor {} may not use {path}", module.file, own.name));
            }
        }
        for name in &module.names.used {
            let path = name.path.join("::");
            let is_allowed = own.may_use.iter().any(|may| is_in(&path, may));
            if !is_allowed && own.avoids.iter().any(|avoided| is_in(&path, avoided)) {
                faults.push(format!("{}:{}: the floor {} avoids {path}", module.file, name.line, own.name));
            }
        }
    }
    faults
}

fn floor_of<'f>(file: &str, floors: &'f [Floor]) -> Option<&'f Floor> {
    floors.iter().max_by_key(|floor| floor.fit(file)).filter(|floor| floor.fit(file) > 0)
}

/// Whether a name is this one, or one in it.
fn is_in(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::table;

    fn faults(values: &str) -> Vec<String> {
        let table = "| floor |\n|---|\n| ground | `crates/g.rs`, `crates/g/` | | |\n\
                     | values | `crates/b.rs`, `crates/b/x.rs` | `g::error`, `std::env::consts` | `std::fs`, `std::env` |\n\
                     | top | `crates/b/y.rs` | values, ground | |\n";
        let house = House::of(&[
            ("g", "mod error; pub use error::Error;"),
            ("g::error", ""),
            ("g::dir", ""),
            ("b", ""),
            ("b::x", values),
            ("b::y", "use super::x::X; use g::dir::Dir; use std::fs;"),
        ]);
        check(&house, &table::read(table).unwrap(), |_| true)
    }

    #[test]
    fn what_is_allowed() {
        assert_eq!(faults("use g::error::Result; use g::Error; fn f() { std::env::consts::ARCH }"), [""; 0]);
    }

    #[test]
    fn another_floor() {
        assert_eq!(faults("use g::dir::Dir;"), ["crates/b/x.rs:1: the floor values may not use g::dir::Dir"]);
        assert_eq!(
            faults("fn f() { super::y::f() }"),
            ["crates/b/x.rs:1: the floor values may not use b::y::f"]
        );
    }

    #[test]
    fn the_disk_by_the_standard_library() {
        let expected = ["crates/b/x.rs:1: the floor values avoids std::fs::read"];
        assert_eq!(faults("fn f() { std::fs::read(\"x\") }"), expected);
        assert_eq!(faults("use std::env;").len(), 1);
    }

    #[test]
    fn files_and_places_on_one_side_only() {
        let house = House::of(&[("b", "")]);
        let floors = table::read("| floor |\n|---|\n| ground | `crates/g/` | | |\n").unwrap();
        let faults = check(&house, &floors, |_| false);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].contains("crates/g/ is on a floor, and does not exist"), "{}", faults[0]);
        assert!(faults[1].starts_with("crates/b.rs: is on no floor"), "{}", faults[1]);
    }
}
