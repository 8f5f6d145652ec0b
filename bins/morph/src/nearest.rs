//! Suggests a known name for a misspelled one.

/// A suggestion of the nearest known name, `; did you mean …?`, or nothing if no name is near.
pub fn suggestion<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Many names share a folder, so the folder does not count as likeness.
    let own = wanted.rsplit('/').next().unwrap_or(wanted);
    let nearest = known.into_iter().map(|name| (distance(wanted, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 1 + own.len() / 3 => format!("; did you mean {name}?"),
        _ => String::new(),
    }
}

/// The number of characters to insert, delete or replace to get from one name to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let known = ["rawdisk", "ssh-rsync", "tar"];
        for (wanted, text) in [
            ("rawdsk", "; did you mean rawdisk?"),
            ("ssh_rsync", "; did you mean ssh-rsync?"),
            ("kubernetes", ""),
            ("tarr", "; did you mean tar?"),
        ] {
            assert_eq!(suggestion(wanted, known), text);
        }
        assert_eq!(suggestion("x", []), "");
        assert_eq!(suggestion("extensions/kvm", ["extensions/tar"]), "");
        assert_eq!(suggestion("extensions/tr", ["extensions/tar"]), "; did you mean extensions/tar?");
    }

    #[test]
    fn distances_count_edits() {
        for (one, other, edits) in
            [("", "abc", 3), ("kitten", "sitting", 3), ("same", "same", 0), ("ab", "ba", 2)]
        {
            assert_eq!(distance(one, other), edits);
        }
    }
}
