//! Owns writing through a journal: callers queue, one of them leads and commits what waits as one
//! transaction, then all are answered. What has to be booked and could not be written waits in the
//! outbox and is decided anew.
//!
//! There are two ledgers. The one that the writer works on is ahead by the open transaction; the one
//! behind the manager's lock has only what is committed. So a reader never waits for the disk nor
//! sees what may not last, and a transaction that fails is undone by a copy, without asking the disk
//! that has just failed.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::alert::Alert;
use super::charge::first_half;
use super::core::{Core, LostCall, alerts_of, catch_up};
use crate::clock::Timestamp;
use crate::journal::{Journal, JournalError, News};
use crate::ledger::{HoldId, Ledger, Path};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Lock, Thread, block_on, park, park_timeout, spawn};

/// How often what waits in the outbox is tried again when nobody else writes.
const RETRY: Duration = Duration::from_secs(1);
/// The fewest events between two snapshots.
const SNAPSHOT_EVENTS: u64 = 10_000;
/// How far the last event may be ahead of the clock.
const AHEAD: Duration = Duration::from_secs(3_600);

/// What is told after all locks are free.
pub(super) type After = Box<dyn FnOnce(&Core) + Send>;

/// Something that is to be done to the ledger. It can be run again after a transaction that failed.
trait Job: Send {
    fn run(&mut self, ledger: &mut Ledger, now: Timestamp);
    /// Says how it ended. After an error it may be run again and end better.
    fn answer(&mut self, outcome: Result<(), &JournalError>) -> Option<After>;
    /// True if it has to be booked, sooner or later.
    fn has_to_be(&self) -> bool;
}

/// The queue and the writer.
pub(super) struct Books {
    line: Lock<Line>,
    writer: Lock<Writer>,
    core: Weak<Core>,
    /// The holds that have a guard in this process.
    own: Lock<HashSet<HoldId>>,
    /// Who waits for something to change.
    listeners: Lock<Vec<Waker>>,
    /// How many transactions have changed something.
    commits: AtomicU64,
    /// What the keys of this process are made of: two numbers of the machine's chance.
    seed: u128,
    keys: AtomicU64,
}

#[derive(Default)]
struct Line {
    jobs: Vec<Box<dyn Job>>,
    /// Somebody writes.
    led: bool,
    thread: Option<Thread>,
}

struct Writer {
    journal: Box<dyn Journal>,
    ledger: Ledger,
    outbox: Vec<Box<dyn Job>>,
    /// The last transaction failed, and that has been told.
    in_trouble: bool,
    /// The number of events at the last snapshot.
    snapshot_at: u64,
}

impl Books {
    /// Reads the ledger that a journal has; returns it as it stands too.
    pub(super) fn open(
        mut journal: Box<dyn Journal>,
        clock: Timestamp,
    ) -> Result<(Books, Ledger), JournalError> {
        let News { snapshot, events } = journal.begin(0)?;
        journal.roll_back();
        let mut ledger = snapshot.unwrap_or_default();
        let snapshot_at = ledger.events();
        for event in &events {
            ledger.apply(event);
        }
        let _ = ledger.take_notices();
        if ledger.now() > clock.plus(AHEAD) {
            return Err(JournalError::new(format!(
                "the journal's last event is of {}, and the clock says {clock}: set the machine's \
                 clock right, or if it was wrong before, wait or begin a new journal",
                ledger.now()
            )));
        }
        let view = ledger.clone();
        ledger.keep_entries(true);
        let (outbox, in_trouble) = (Vec::new(), false);
        let writer = Lock::new(Writer { journal, ledger, outbox, in_trouble, snapshot_at });
        let chance = || u128::from(RandomState::new().hash_one(std::process::id()));
        let (line, core, keys) = (Lock::new(Line::default()), Weak::new(), AtomicU64::new(0));
        let seed = (chance() << 64) | chance();
        let own = Lock::new(HashSet::new());
        let (listeners, commits) = (Lock::new(Vec::new()), AtomicU64::new(0));
        Ok((Books { line, writer, core, own, listeners, commits, seed, keys }, view))
    }

    pub(super) fn belong_to(&mut self, core: &Weak<Core>) {
        self.core = Weak::clone(core);
    }

    /// A hold has a guard here, or has one no longer.
    pub(super) fn note_guard(&self, hold: HoldId, here: bool) {
        let mut own = self.own.lock();
        match here {
            true => own.insert(hold),
            false => own.remove(&hold),
        };
    }

    pub(super) fn has_guard(&self, hold: HoldId) -> bool {
        self.own.lock().contains(&hold)
    }

    /// How many transactions have changed something.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// How many wait for something to change.
    pub(super) fn listening(&self) -> usize {
        self.listeners.lock().len()
    }

    /// Wakes `waker` when something changes; false if it has since there were so many `commits`.
    pub(super) fn listen(&self, waker: Waker, commits: u64) -> bool {
        self.listeners.lock().push(waker);
        self.commits() == commits
    }

    /// A key that no other call has, in this process or another.
    pub(super) fn new_key(&self) -> u128 {
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed.to_le_bytes()).update(&number.to_le_bytes());
        first_half(&hasher)
    }

    /// Queues a job; true if the caller has to lead.
    fn enqueue(&self, job: Box<dyn Job>) -> bool {
        let mut line = self.line.lock();
        line.jobs.push(job);
        !std::mem::replace(&mut line.led, true)
    }

    /// Queues a job for the writing thread.
    fn enqueue_for_thread(&self, job: Box<dyn Job>) {
        self.line.lock().jobs.push(job);
        self.wake();
    }

    /// Wakes the thread that writes for those who cannot wait, started at its first use.
    fn wake(&self) {
        let mut line = self.line.lock();
        if line.thread.is_none() {
            let core = self.core.clone();
            line.thread = spawn("bursar-journal", move || serve(&core)).ok();
        }
        if let Some(thread) = &line.thread {
            thread.unpark();
        }
    }

    /// Ends the writing thread. What waits is tried once more.
    pub(super) fn close(&self, core: &Core) {
        let queued = !self.line.lock().jobs.is_empty();
        let waits = queued || !self.writer.lock().outbox.is_empty();
        if waits {
            core.lead(self);
        }
        if let Some(thread) = self.line.lock().thread.take() {
            thread.unpark();
        }
    }
}

/// The life of the writing thread. It keeps no manager alive.
fn serve(core: &Weak<Core>) {
    loop {
        let Some(core) = core.upgrade() else { return };
        let Some(books) = core.books() else { return };
        while {
            let mut line = books.line.lock();
            !line.jobs.is_empty() && !std::mem::replace(&mut line.led, true)
        } {
            core.lead(books);
        }
        let waits = !books.writer.lock().outbox.is_empty();
        if waits && !std::mem::replace(&mut books.line.lock().led, true) {
            core.lead(books);
        }
        let again = !books.writer.lock().outbox.is_empty();
        drop(core);
        match again {
            true => park_timeout(RETRY),
            false => park(),
        }
    }
}

impl Core {
    /// Changes the ledger: at once in memory, else in the transaction that also writes it, for which
    /// the caller waits. What `has_to_be` is tried again after an error until it is written.
    pub(super) fn change<R: Send + 'static>(
        &self,
        has_to_be: bool,
        mut work: impl FnMut(&mut Ledger, Timestamp) -> R + Send + 'static,
    ) -> Result<R, JournalError> {
        let Some(books) = self.books() else { return Ok(self.locked(work_once(&mut work))) };
        let (job, ticket) = Task::with_ticket(has_to_be, work, |result| result);
        if books.enqueue(job) {
            self.lead(books);
        }
        ticket.wait()
    }

    /// Changes the ledger without blocking the thread: the answer is awaited. `make` turns the result
    /// into something that undoes it where nobody awaits it any more.
    pub(super) fn change_later<R: Send + 'static, T: Send + 'static>(
        &self,
        has_to_be: bool,
        mut work: impl FnMut(&mut Ledger, Timestamp) -> R + Send + 'static,
        make: impl FnOnce(R) -> T + Send + 'static,
    ) -> Ticket<T> {
        let Some(books) = self.books() else {
            return Ticket::of(make(self.locked(work_once(&mut work))));
        };
        let (job, ticket) = Task::with_ticket(has_to_be, work, make);
        books.enqueue_for_thread(job);
        ticket
    }

    /// Changes the ledger soon, and tells of it then; nobody waits. In memory at once.
    pub(super) fn change_soon(
        &self,
        mut work: impl FnMut(&mut Ledger, Timestamp) -> Option<After> + Send + 'static,
    ) {
        match self.books() {
            None => {
                if let Some(after) = self.locked(work_once(&mut work)) {
                    after(self);
                }
            }
            Some(books) => books.enqueue_for_thread(Box::new(Errand { work, after: None })),
        }
    }

    /// Writes all that waits in one transaction, tells of it, and passes the lead on. The caller has
    /// the lead.
    #[cold]
    pub(super) fn lead(&self, books: &Books) {
        let lead = Lead(books);
        let jobs = std::mem::take(&mut books.line.lock().jobs);
        let (alerts, after) = self.transact(books, jobs);
        drop(lead);
        for alert in &alerts {
            self.raise(alert);
        }
        for after in after {
            after(self);
        }
    }

    /// Writes, then answers with the writer's lock free: a waker is somebody else's code (law 7).
    fn transact(&self, books: &Books, new: Vec<Box<dyn Job>>) -> (Vec<Alert>, Vec<After>) {
        let mut writer = books.writer.lock();
        let mut jobs = std::mem::take(&mut writer.outbox);
        let waited = jobs.len();
        jobs.extend(new);
        let before = writer.ledger.events();
        let outcome = self.write(&mut writer, &mut jobs);
        let has_changed = writer.ledger.events() != before;
        let at = writer.ledger.now();
        writer.in_trouble &= outcome.is_err();
        drop(writer);

        // Else who waits would wake itself with each question.
        if outcome.is_ok() && has_changed {
            books.commits.fetch_add(1, Ordering::SeqCst);
            let listeners = std::mem::take(&mut *books.listeners.lock());
            crate::clock::wake_all(listeners);
        }
        let result = outcome.as_ref().map(|_| ());
        let after = jobs.iter_mut().filter_map(|job| job.answer(result)).collect();
        let error = match outcome {
            Ok(alerts) => return (alerts, after),
            Err(error) => error,
        };
        jobs.retain(|job| job.has_to_be());
        let (waiting, account, why) = (jobs.len() as u64, Path::root(), error.to_string());
        let more = jobs.len() > waited;
        let mut writer = books.writer.lock();
        writer.outbox = jobs;
        let news = more && !std::mem::replace(&mut writer.in_trouble, true);
        drop(writer);
        if more {
            books.wake();
        }
        let alert = Alert::Unwritten { at: at.max(self.now()), account, waiting, why };
        (news.then_some(alert).into_iter().collect(), after)
    }

    fn write(
        &self,
        writer: &mut Writer,
        jobs: &mut [Box<dyn Job>],
    ) -> Result<Vec<Alert>, JournalError> {
        let Writer { journal, ledger, snapshot_at, .. } = writer;
        let news = journal.begin(ledger.events())?;
        self.take_news(ledger, snapshot_at, news);
        let before = ledger.events();
        let now = self.time_for(ledger);
        if now >= ledger.next_due() {
            // What a guard of this process has may still be settled: its lease ends as ever.
            let releases = self.on_lost == LostCall::Release;
            let gone = |hold| releases && !self.books().is_some_and(|books| books.has_guard(hold));
            catch_up(ledger, now, gone);
        }
        for job in jobs {
            job.run(ledger, now);
        }
        let entries = ledger.take_entries();
        if ledger.events().saturating_sub(before) != entries.len() as u64 {
            debug_assert!(false, "a change was not written down");
        }
        if entries.is_empty() {
            journal.roll_back();
            return Ok(alerts_of(ledger));
        }
        let size = ledger.size().saturating_mul(10).max(SNAPSHOT_EVENTS);
        let keeps = ledger.events().saturating_sub(*snapshot_at) >= size;
        let written = journal.append(before.saturating_add(1), &entries).and_then(|()| {
            if keeps {
                journal.keep(ledger)?;
            }
            journal.commit()
        });
        let mut view = self.view();
        if let Err(error) = written {
            journal.roll_back();
            *ledger = view.ledger.clone();
            ledger.keep_entries(true);
            return Err(error);
        }
        if keeps {
            *snapshot_at = ledger.events();
        }
        for entry in &entries {
            view.ledger.apply(&entry.event);
        }
        let _ = view.ledger.take_notices();
        Ok(alerts_of(ledger))
    }

    /// Takes over what other processes have written. They have told of it.
    fn take_news(&self, ledger: &mut Ledger, snapshot_at: &mut u64, news: News) {
        if news.snapshot.is_none() && news.events.is_empty() {
            return;
        }
        let short = news.snapshot.is_none() && news.events.len() < 1_000;
        let mut view = self.view();
        if let Some(snapshot) = news.snapshot {
            *snapshot_at = snapshot.events();
            view.ledger = snapshot;
        }
        for event in &news.events {
            view.ledger.apply(event);
        }
        let _ = view.ledger.take_notices();
        match short {
            // Cheaper than a copy of everything.
            true => {
                ledger.keep_entries(false);
                news.events.iter().for_each(|event| ledger.apply(event));
                let _ = ledger.take_notices();
            }
            false => *ledger = view.ledger.clone(),
        }
        ledger.keep_entries(true);
    }
}

fn work_once<R>(
    work: &mut impl FnMut(&mut Ledger, Timestamp) -> R,
) -> impl FnOnce(&mut Ledger, Timestamp) -> R {
    move |ledger, now| work(ledger, now)
}

/// The lead, given up when it is dropped, even by a panic: others wait for it.
struct Lead<'a>(&'a Books);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut line = self.0.line.lock();
        line.led = false;
        let waits = !line.jobs.is_empty();
        drop(line);
        if waits {
            self.0.wake();
        }
    }
}

/// A job that somebody waits for.
struct Task<F, R, G, T> {
    work: F,
    result: Option<R>,
    make: Option<G>,
    slot: Arc<Slot<T>>,
    has_to_be: bool,
}

impl<F, R, G, T> Task<F, R, G, T>
where
    F: FnMut(&mut Ledger, Timestamp) -> R + Send + 'static,
    G: FnOnce(R) -> T + Send + 'static,
    R: Send + 'static,
    T: Send + 'static,
{
    fn with_ticket(has_to_be: bool, work: F, make: G) -> (Box<dyn Job>, Ticket<T>) {
        let slot = Arc::new(Slot(Lock::new(State::Waits(None))));
        let ticket = Ticket(Arc::clone(&slot));
        (Box::new(Task { work, result: None, make: Some(make), slot, has_to_be }), ticket)
    }
}

impl<F, R, G, T> Job for Task<F, R, G, T>
where
    F: FnMut(&mut Ledger, Timestamp) -> R + Send,
    G: FnOnce(R) -> T + Send,
    R: Send,
    T: Send,
{
    fn run(&mut self, ledger: &mut Ledger, now: Timestamp) {
        self.result = Some((self.work)(ledger, now));
    }

    fn answer(&mut self, outcome: Result<(), &JournalError>) -> Option<After> {
        let result = self.result.take();
        let make = self.make.take()?;
        match (outcome, result) {
            (Ok(()), Some(result)) => self.slot.put(Ok(make(result))),
            (Ok(()), None) => self.slot.put(Err(never_run())),
            (Err(error), _) => self.slot.put(Err(error.clone())),
        }
        None
    }

    fn has_to_be(&self) -> bool {
        self.has_to_be
    }
}

impl<F, R, G, T> Drop for Task<F, R, G, T> {
    fn drop(&mut self) {
        if self.make.is_some() {
            self.slot.put(Err(never_run()));
        }
    }
}

#[cold]
fn never_run() -> JournalError {
    JournalError::new("the thread that wrote to the journal has panicked; nothing was written")
}

/// A job that nobody waits for.
struct Errand<F> {
    work: F,
    after: Option<After>,
}

impl<F: FnMut(&mut Ledger, Timestamp) -> Option<After> + Send> Job for Errand<F> {
    fn run(&mut self, ledger: &mut Ledger, now: Timestamp) {
        self.after = (self.work)(ledger, now);
    }

    fn answer(&mut self, outcome: Result<(), &JournalError>) -> Option<After> {
        self.after.take().filter(|_| outcome.is_ok())
    }

    fn has_to_be(&self) -> bool {
        true
    }
}

struct Slot<T>(Lock<State<T>>);

enum State<T> {
    Waits(Option<Waker>),
    Done(Result<T, JournalError>),
    Gone,
}

impl<T> Slot<T> {
    fn put(&self, result: Result<T, JournalError>) {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Waits(waker) => {
                *state = State::Done(result);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            // Nobody waits any more: what was made undoes itself, with the lock free.
            other => {
                *state = other;
                drop(state);
            }
        }
    }
}

/// The answer of a change, when it is written.
#[must_use = "a change is written when somebody waits for it"]
pub(super) struct Ticket<T>(Arc<Slot<T>>);

impl<T> Ticket<T> {
    fn of(value: T) -> Ticket<T> {
        Ticket(Arc::new(Slot(Lock::new(State::Done(Ok(value))))))
    }

    fn wait(self) -> Result<T, JournalError> {
        block_on(self)
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, JournalError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.0.lock();
        match std::mem::replace(&mut *state, State::Gone) {
            State::Done(result) => Poll::Ready(result),
            State::Waits(_) => {
                *state = State::Waits(Some(context.waker().clone()));
                Poll::Pending
            }
            State::Gone => Poll::Ready(Err(never_run())),
        }
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.0.0.lock(), State::Gone);
        drop(state);
    }
}
