//! Lists of SHA-256 sums.

use baserock_fetch::Checksum;

/// The name of a file, and a list after its line.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (name, list) = text.split_once('\n').unwrap_or(("a.tar", &text));
    let Ok(sum) = Checksum::in_list(list, name, "list") else { return };
    assert!(Checksum::is_list(list), "a list without sums has one");
    let hex = sum.to_string();
    assert!(list.to_ascii_lowercase().contains(&hex), "the sum is not in the list");
    assert_eq!(hex.parse::<Checksum>().expect("a sum"), sum);
    // A list that names the file is understood in the other styles too.
    for again in [format!("{hex}  x/{name}"), format!("SHA2-256({name})= {hex}")] {
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
        assert!(!plain || Checksum::in_list(&again, name, "list").is_ok_and(|other| other == sum), "{again}");
    }
}
