//! `/etc/inittab`: what init runs, for the init programs of busybox and of System V. Both run entries of one kind in the order of their lines.

/// A program that reads the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// That of busybox.
    Busybox,
    /// That of System V.
    System5,
}

/// The table with lines that run the script: before all others at the start and at the end, and after all others once everything has
/// started. `None`: it runs the script already.
pub fn with_script(table: &[u8], init: Init, script: &str) -> Option<Vec<u8>> {
    let names = |line: &[u8]| {
        let line = line.trim_ascii_start();
        !line.starts_with(b"#") && line.windows(script.len()).any(|part| part == script.as_bytes())
    };
    if table.split(|&byte| byte == b'\n').any(names) {
        return None;
    }
    let (first, last) = match init {
        Init::Busybox => (
            format!("::sysinit:{script} start\n::shutdown:{script} stop\n"),
            format!("::once:{script} confirm\n"),
        ),
        Init::System5 => (
            format!("bkt0::sysinit:{script} start\nbkt6:06:wait:{script} stop\n"),
            format!("bkt1:2345:once:{script} confirm\n"),
        ),
    };
    let gap: &[u8] = if table.is_empty() || table.ends_with(b"\n") { b"" } else { b"\n" };
    Some([first.as_bytes(), table, gap, last.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_first_and_last_and_there_once() {
        let table = b"# /x start\n::sysinit:/etc/init.d/rcS\ntty1::respawn:/sbin/getty";
        let added = with_script(table, Init::Busybox, "/x").unwrap();
        let text = String::from_utf8(added.clone()).unwrap();
        assert_eq!(
            text,
            "::sysinit:/x start\n::shutdown:/x stop\n# /x start\n::sysinit:/etc/init.d/rcS\n\
             tty1::respawn:/sbin/getty\n::once:/x confirm\n"
        );
        assert_eq!(with_script(&added, Init::Busybox, "/x"), None);
        let other = String::from_utf8(with_script(b"", Init::System5, "/x").unwrap()).unwrap();
        assert_eq!(other, "bkt0::sysinit:/x start\nbkt6:06:wait:/x stop\nbkt1:2345:once:/x confirm\n");
    }
}
