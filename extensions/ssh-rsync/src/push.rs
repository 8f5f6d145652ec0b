//! The sender's side of a push.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Instant;

use baserock::operations::trust::Provenance;
use delta::entry::Kind;
use system::dir::Dir;
use system::error::{Error, OrCannot, Result};
use system::observer::Observer;
use system::thread::join;

use crate::Written;
use crate::answer::Answerer;
use crate::bootstrap;
use crate::by::by;
use crate::cache::HashCache;
use crate::channel::Sender;
use crate::connection::Connection;
use crate::effort::Effort;
use crate::following::Following;
use crate::kept_contents::KeptContents;
use crate::lost::Lost;
use crate::old_contents::OldContents;
use crate::options::Options;
use crate::pending_connection::PendingConnection;
use crate::protocol::{Amount, Ask, Finished, Hello, Request, Task, VERSION, Weighed, kind};
use crate::recipe_answer::{Described, Describer};
use crate::recipe_request::{MOST_RECIPES, RecipeRequest};
use crate::source::{self, Source};
use crate::summary::{summary, would_send};
use crate::words;

/// Most answers that wait to be sent.
const WAITING: usize = 2;
/// Most requests that wait to be answered; the agent sends only a few ahead.
const REQUESTS: usize = 16;

/// Pushes the tree. Returns what the machine does with it.
pub fn push(tree: &Path, options: &Options, observer: &dyn Observer) -> Result<Written> {
    let begun = Instant::now();
    let agents = bootstrap::agents(options.agents.as_deref())?;
    let for_trial =
        options.trial.as_ref().map(|_| bootstrap::agents(options.agents.as_deref())).transpose()?;
    let new = source::open(tree, "TEMP_ROOT")?;
    let base = options.base_root.as_deref().map(|base| source::open(base, "BASE_ROOT")).transpose()?;
    observer.phase(format!("connecting to {}", options.destination));
    let connecting = PendingConnection::begin(options.destination.clone(), agents);
    let sources = read(new, base, options, &connecting, observer);
    let (mut connection, (new, base)) = connecting.end(sources)?;
    let kept = options.cache.as_ref().filter(|_| options.keep > 0);
    let location = options.destination.to_string();
    let kept = kept.map(|folder| KeptContents::new(folder, &location, options.keep));
    let old_contents = OldContents::new(base.as_ref(), kept.as_ref())?;
    greet(&connection, options, &new)?;
    let finished = match converse(&mut connection, &new, &old_contents, options.dry_run, observer)? {
        Outcome::Finished(finished) => finished,
        Outcome::Weighed(weighed) => {
            for step in &weighed.steps {
                observer.phase(step.to_string());
            }
            observer.phase(would_send(&weighed, options, &new.manifest));
            return Ok(Written::Nothing);
        }
    };
    if let Some(Err(error)) = kept.as_ref().map(|kept| kept.keep(&new)) {
        observer.note(format!("the next push will have to send more: {error}"));
    }
    let (sent, received) = connection.bytes();
    for line in summary(options, &new.manifest, &finished, (sent, received), begun.elapsed()) {
        observer.phase(line);
    }
    match (&options.trial, for_trial) {
        _ if finished.held => return Ok(Written::Held),
        (Some(trial), Some(agents)) => {
            drop(connection);
            Following { options, trial, agents: &agents, observer }.until_it_ends(&finished.boot)?;
        }
        _ => {}
    }
    Ok(Written::Default)
}

/// Reads both trees at once while the connection is being made. Progress is shown only after that, because ssh may be asking for a password.
fn read(
    new: Dir,
    base: Option<Dir>,
    options: &Options,
    connecting: &PendingConnection,
    observer: &dyn Observer,
) -> Result<(Source, Option<Source>)> {
    for dir in [Some(&new), base.as_ref()].into_iter().flatten() {
        observer.phase(format!("reading {}", dir.shown("").display()));
    }
    let mut cache = HashCache::load(options.cache.as_deref());
    let (mut beside, of_base) = (cache.beside(), AtomicU64::new(0));
    let report_base = |bytes| {
        of_base.store(bytes, Ordering::Relaxed);
        connecting.is_done().map(drop)
    };
    let report = |bytes| {
        if connecting.is_done()? {
            observer.progress(bytes + of_base.load(Ordering::Relaxed), None);
        }
        Ok(())
    };
    let sources = thread::scope(|scope| {
        let base = base.map(|base| scope.spawn(|| Source::read(base, &mut beside, &report_base)));
        let new = Source::read(new, &mut cache, &report);
        let base = base.map(join).transpose();
        Ok::<_, Error>((new?, base?))
    })?;
    cache.take(beside);
    if let Some(Err(error)) = options.cache.as_deref().map(|folder| cache.store(folder)) {
        observer.note(format!("the next push will read everything again: {error}"));
    }
    Ok(sources)
}

fn greet(connection: &Connection, options: &Options, new: &Source) -> Result<()> {
    let digest = new.manifest.digest();
    let provenance = Provenance::signed(&options.label, digest, options.key.as_deref())?;
    let hello = Hello {
        version: VERSION,
        label: options.label.to_string(),
        task: Task::Push {
            signed: provenance.signed,
            digest: digest.0,
            autostart: options.autostart,
            trial: options.trial.as_ref().map(|trial| trial.deadline.as_secs()),
            dry_run: options.dry_run,
        },
        deployment: options.deployment.clone(),
        by: Some(by()),
    };
    connection.sender().send_json(kind::HELLO, &hello)
}

/// The end of a conversation.
enum Outcome {
    /// The tree was pushed.
    Finished(Finished),
    /// It was a dry run.
    Weighed(Weighed),
}

/// Answers the agent's requests until it has finished.
fn converse(
    connection: &mut Connection,
    new: &Source,
    old_contents: &OldContents<'_>,
    dry_run: bool,
    observer: &dyn Observer,
) -> Result<Outcome> {
    let sender = connection.sender();
    let (effort, described) = (&Effort::default(), &Described::default());
    thread::scope(|scope| {
        let (requests, asked) = mpsc::sync_channel::<Request>(REQUESTS);
        let (answers, made) = mpsc::sync_channel::<Vec<u8>>(WAITING);
        let answerer = Answerer::new(new, old_contents, effort);
        let encoder = scope.spawn(move || encode(answerer, &asked, &answers));
        let (recipe_requests, recipes_asked) = mpsc::sync_channel::<RecipeRequest>(MOST_RECIPES);
        let describer = Describer::new(new, old_contents, effort, described);
        let recipe_sender = sender.clone();
        let describer = scope.spawn(move || describer.answer(&recipes_asked, &recipe_sender));
        let writer = scope.spawn(move || write(&sender, &made, effort));
        let outcome =
            Listening { new, old_contents, requests, recipe_requests, effort, described, dry_run, observer }
                .to(connection);
        described.is_over.store(true, Ordering::Relaxed);
        let threads = [encoder, writer, describer].map(join);
        // If an answer could not be made, that is the cause, and the failure of the conversation only follows from it.
        match (outcome, threads) {
            (Err(Error::Interrupted(signal)), _) => Err(Error::Interrupted(signal)),
            (Err(_), [Err(reason), ..]) => Err(reason),
            (outcome, _) => outcome,
        }
    })
}

fn encode(
    mut answerer: Answerer<'_>,
    asked: &Receiver<Request>,
    answers: &SyncSender<Vec<u8>>,
) -> Result<()> {
    while let Ok(request) = asked.recv() {
        if answers.send(answerer.answer(&request)?).is_err() {
            break;
        }
    }
    Ok(())
}

fn write(sender: &Sender, made: &Receiver<Vec<u8>>, effort: &Effort) -> Result<()> {
    while let Ok(answer) = made.recv() {
        let begun = Instant::now();
        let kind = if effort.is_fast() { kind::QUICK_ANSWER } else { kind::ANSWER };
        effort.leaves(answer.len(), begun);
        sender.send(kind, &answer)?;
        effort.sent(answer.len(), begun.elapsed());
    }
    Ok(())
}

/// What it takes to listen to the agent.
struct Listening<'a> {
    new: &'a Source,
    old_contents: &'a OldContents<'a>,
    requests: SyncSender<Request>,
    recipe_requests: SyncSender<RecipeRequest>,
    effort: &'a Effort,
    described: &'a Described,
    dry_run: bool,
    observer: &'a dyn Observer,
}

impl Listening<'_> {
    /// Passes on what the agent asks for, until it has finished.
    fn to(self, connection: &mut Connection) -> Result<Outcome> {
        let mut amount = Amount { bytes: 0, there: 0 };
        loop {
            let frame = connection.receive();
            let frame = frame.map_err(|error| if self.dry_run { error } else { resumable(error) })?;
            match frame.kind {
                kind::WANT_MANIFEST => self.new.send_manifest(&connection.sender())?,
                kind::CONTENTS => {
                    amount = words::json(&frame)?;
                    if self.dry_run {
                        self.observer.phase("sending the files by which the merge of /etc is decided");
                    } else {
                        tell_amount(amount, self.new, self.observer);
                    }
                }
                kind::ASK => {
                    let ask = Ask::read(&frame.content).or_cannot("read from", "the target")?;
                    // Each missing file has at most one predecessor.
                    if ask.hashes.len() > self.new.manifest.entries().len() {
                        return Err(Error::refused(
                            "the target asks for more old contents than the tree has files",
                        ));
                    }
                    connection.sender().send(kind::KNOWN, &self.old_contents.offer(&ask)?)?;
                }
                kind::REQUEST => {
                    let request = Request::read(&frame.content).or_cannot("read from", "the target")?;
                    amount.there += request.new.iter().map(|(_, range)| range.end - range.start).sum::<u64>();
                    let described = self.described.bytes.load(Ordering::Relaxed);
                    self.observer.progress(amount.there + described, Some(amount.bytes));
                    pass_on(&self.requests, request)?;
                }
                kind::RECIPE_REQUEST => {
                    let request = RecipeRequest::read(&frame.content).or_cannot("read from", "the target")?;
                    pass_on(&self.recipe_requests, request)?;
                }
                kind::ARRIVED => self.effort.has_arrived(Instant::now()),
                kind::EVENT => self.observer.event(words::event(&frame)?),
                kind::FINISHED => return words::json(&frame).map(Outcome::Finished),
                kind::WEIGHED => return words::json(&frame).map(Outcome::Weighed),
                kind::FAILED => return Err(words::failure(&frame)),
                other => return Err(Error::refused(format!("the target sent an unknown message ({other})"))),
            }
        }
    }
}

fn pass_on<T>(to: &SyncSender<T>, request: T) -> Result<()> {
    to.send(request).map_err(|_| Error::refused("the thread that makes answers has ended"))
}

/// Marks a loss of the connection: the target keeps the contents that it has received for the next push.
fn resumable(error: Error) -> Error {
    match error.kind::<Lost>() {
        Some(lost) => Lost { resumable: true, ..lost.clone() }.into(),
        None => error,
    }
}

fn tell_amount(amount: Amount, new: &Source, observer: &dyn Observer) {
    let hashes = new.manifest.entries().iter().filter_map(|entry| match entry.kind {
        Kind::File { hash, .. } => Some(hash),
        _ => None,
    });
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let already = match amount.there {
        0 => String::new(),
        there => format!(", {} MiB of it there from an earlier try", megabytes(there)),
    };
    observer.phase(format!(
        "sending what changed: {} MiB of {} MiB in {} files{already}",
        megabytes(amount.bytes),
        megabytes(new.manifest.bytes()),
        hashes.collect::<HashSet<_>>().len(),
    ));
}
