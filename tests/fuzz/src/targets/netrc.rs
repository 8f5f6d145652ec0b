//! `.netrc` files.

use baserock_fetch::netrc_entry;

/// The text of the file.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let known = netrc_entry(&text, "host.example", None);
    if let Some((user, password)) = &known {
        assert!(user.len() + password.len() <= text.len(), "more than the file has");
    }
    if let Some((user, _)) = netrc_entry(&text, "host.example", Some("joe")) {
        assert_eq!(user, "joe");
    }
    // An entry before all others counts, unless the file is cut short.
    let first = format!("machine host.example login ann password pw\n{text}");
    let Some((user, _)) = netrc_entry(&first, "host.example", None) else { return };
    assert!(!user.is_empty() || text.contains("login") || text.contains("user"));
}
