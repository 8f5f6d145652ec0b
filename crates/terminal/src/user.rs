//! The person on whose behalf this program runs.

use std::fs;

use nix::unistd::{Uid, User};

/// The variables with the name of the person, if the program was started as another user.
const VARIABLES: [&str; 2] = ["SUDO_USER", "DOAS_USER"];
/// The number of the user who logged in, and the number if nobody did.
const LOGIN: &str = "/proc/self/loginuid";
const NOBODY: u32 = u32::MAX;

/// The name of the person. `None` if nobody has logged in: the machine runs the program by itself.
pub fn user() -> Option<String> {
    let named = VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    named.or_else(logged_in)
}

fn logged_in() -> Option<String> {
    let number = fs::read_to_string(LOGIN).ok()?.trim().parse().ok().filter(|number| *number != NOBODY)?;
    let user = User::from_uid(Uid::from_raw(number)).ok().flatten();
    Some(user.map_or_else(|| number.to_string(), |user| user.name))
}
