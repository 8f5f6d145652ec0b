//! Shows events as lines, as a bar, or as JSON.

use std::cell::RefCell;
use std::io::{self, IsTerminal};

use baserock::json;
use indicatif::{ProgressBar, ProgressStyle};
use system::observer::{Event, Finding, Level, Observer};

use crate::log::SHOWN;
use crate::{complain, say};

/// The form in which events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Phases and findings to standard error, for programs whose standard output is their result.
    Errors,
    /// Phases to standard output, as the extension protocol requires; findings to standard error.
    Lines,
    /// Everything to standard error, one JSON object on each line.
    Json,
}

/// Shows the events of an operation.
pub struct Show {
    output: Output,
    bar: RefCell<Option<ProgressBar>>,
}

impl Show {
    /// Shows events in this form.
    pub fn new(output: Output) -> Self {
        Show { output, bar: RefCell::new(None) }
    }

    fn text(&self, event: &Event) {
        match event {
            Event::Phase { text } => {
                self.finish();
                if self.output == Output::Lines { say(text) } else { complain(text) }
            }
            Event::Progress { done, total } => self.progress(*done, *total),
            Event::Finding(Finding { level, text }) => {
                let prefix = if *level == Level::Warning { "warning: " } else { "note: " };
                self.suspended(|| complain(&format!("{prefix}{text}")));
            }
        }
    }

    /// Shows a bar with bytes, rate and time left, if standard error is a terminal.
    fn progress(&self, done: u64, total: Option<u64>) {
        if !io::stderr().is_terminal() {
            return;
        }
        let mut bar = self.bar.borrow_mut();
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total.unwrap_or(0));
            let template = "  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
            bar.with_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        bar.set_position(done);
    }

    fn finish(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    fn suspended(&self, show: impl FnOnce()) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(show),
            None => show(),
        }
    }
}

/// Writes everything that the user sees, except for the bar, to the file of the log.
fn log(event: &Event) {
    match event {
        Event::Phase { text } => tracing::info!(target: SHOWN, "{text}"),
        Event::Finding(Finding { level: Level::Warning, text }) => tracing::warn!(target: SHOWN, "{text}"),
        Event::Finding(Finding { level: Level::Note, text }) => tracing::info!(target: SHOWN, "note: {text}"),
        Event::Progress { .. } => {}
    }
}

impl Observer for Show {
    fn event(&self, event: Event) {
        log(&event);
        if self.output != Output::Json {
            return self.text(&event);
        }
        if let Ok(json) = json::line(&event) {
            complain(&json);
        }
    }
}

impl Drop for Show {
    fn drop(&mut self) {
        self.finish();
    }
}
