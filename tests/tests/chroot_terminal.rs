//! A real terminal: signals, job control, size and prompt are those of the shell inside.
//!
//! Pace: seconds

use std::process::Command;
use std::time::{Duration, Instant};

use baserock_tests::chroot::Place;
use baserock_tests::programs::{path, run};

/// A tmux of its own with one window, closed with this value.
struct Screen {
    socket: String,
}

impl Screen {
    fn start(place: &Place) -> Self {
        let screen = Screen { socket: format!("{}/tmux", place.path().display()) };
        let shell = format!("BASEROCK_CHROOTS={} PS1='outside> ' bash --norc", place.store().display());
        screen.tmux(&["new-session", "-d", "-x", "91", "-y", "31", &shell]);
        screen.wait_for("outside>");
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        run(Command::new("tmux").args(["-f", "/dev/null", "-S", &self.socket]).args(arguments)).ok()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn line(&self, text: &str) {
        self.keys(&[text, "Enter"]);
    }

    #[track_caller]
    fn wait_for(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let seen = self.tmux(&["capture-pane", "-p"]);
            if seen.contains(text) {
                return seen;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{text:?} does not appear in:\n{seen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn a_shell_has_the_terminal_to_itself() {
    let place = Place::with("devel");
    let screen = Screen::start(&place);
    screen.line(&format!("{}; echo status $?", path("enter-baserock").display()));
    screen.wait_for("(devel) root@");
    screen.line("stty size; tty; pwd");
    screen.wait_for("31 91\n/dev/console\n/root");
    screen.line("sleep 1000");
    std::thread::sleep(Duration::from_millis(300));
    screen.keys(&["C-c"]);
    screen.line("echo status $?");
    screen.wait_for("status 130");
    screen.line("sleep 1000");
    std::thread::sleep(Duration::from_millis(300));
    screen.keys(&["C-z"]);
    screen.wait_for("Stopped");
    screen.line("fg");
    screen.wait_for("fg\nsleep 1000");
    screen.keys(&["C-c"]);
    screen.line("exit 7");
    screen.wait_for("status 7\noutside>");
}

#[test]
fn a_command_is_stopped_and_continued_from_outside() {
    let place = Place::with("devel");
    let screen = Screen::start(&place);
    screen.line(&format!(
        "{} -- sh -c 'echo begun; sleep 1; echo ended; exit 3'",
        path("enter-baserock").display()
    ));
    screen.wait_for("\nbegun");
    screen.keys(&["C-z"]);
    screen.wait_for("Stopped");
    screen.line("fg; echo status $?");
    screen.wait_for("ended\nstatus 3");
    screen.line(&format!("{} -- sh -c 'echo waiting; exec sleep 1000'", path("enter-baserock").display()));
    screen.wait_for("\nwaiting");
    screen.keys(&["C-c"]);
    // A shell that sees a program die of ^C drops the rest of the line.
    screen.line("echo second $?");
    screen.wait_for("second 130");
}
