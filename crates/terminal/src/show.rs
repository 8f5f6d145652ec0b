//! Shows events as lines, as a bar, or as JSON.

use std::fs::File;

use baserock::json;
use system::observer::{Event, Finding, Level, Observer};

use crate::bar::Bars;
use crate::log::SHOWN;
use crate::manners::{Progress, manners};
use crate::report::Report;
use crate::{complain, harmless, say};

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

/// The name of the only bar of an operation.
const OWN: &str = "";

/// Shows the events of an operation.
pub struct Show {
    output: Output,
    bars: Bars,
    report: Option<Report>,
}

impl Show {
    /// Shows events in this form, or as JSON if the user has chosen that.
    pub fn new(output: Output) -> Self {
        let output = if manners().progress() == Progress::Json { Output::Json } else { output };
        Show { output, bars: Bars::default(), report: None }
    }

    /// Reports progress to the caller's log too, if there is one.
    pub(crate) fn reporting_to(mut self, log: Option<&File>) -> Self {
        self.report = log.and_then(|log| log.try_clone().ok()).map(Report::new);
        self
    }

    fn text(&self, event: &Event) {
        match event {
            Event::Phase { .. } | Event::Finding(Finding { level: Level::Note, .. })
                if manners().is_quiet() => {}
            Event::Phase { text } => {
                self.bars.finish(OWN);
                if self.output == Output::Lines { say(text) } else { complain(text) }
            }
            Event::Progress { done, total } => match &self.report {
                Some(report) => report.progress(*done, *total),
                None => self.bars.progress(OWN, *done, *total),
            },
            Event::Finding(Finding { level, text }) => {
                let prefix = if *level == Level::Warning { "warning: " } else { "note: " };
                self.bars.suspended(|| complain(&format!("{prefix}{text}")));
            }
        }
    }
}

/// Writes everything that the user sees, except for the bar, to the file of the log.
fn log(event: &Event) {
    match event {
        Event::Phase { text } => tracing::info!(target: SHOWN, "{}", harmless(text)),
        Event::Finding(Finding { level: Level::Warning, text }) => {
            tracing::warn!(target: SHOWN, "{}", harmless(text));
        }
        Event::Finding(Finding { level: Level::Note, text }) => {
            tracing::info!(target: SHOWN, "note: {}", harmless(text));
        }
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
        self.bars.finish(OWN);
    }
}
