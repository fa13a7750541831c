//! [`Books`]: group commit through a journal. Callers queue jobs; one of them, the leader, commits all
//! queued jobs as one transaction and then answers them. Jobs that must commit and could not be written
//! stay in the outbox and run again in the next transaction.
//!
//! There are two ledgers. The one that the writer works on is ahead by the open transaction; the one
//! behind the manager's lock has only what is committed. So a reader never waits for the disk nor
//! sees what may not last, and a transaction that fails is undone by a copy, without asking the disk
//! that has just failed.

mod job;
mod news;
#[cfg(test)]
pub(super) mod tape;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::future::{Future, poll_fn};
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use super::alert::Alert;
use super::core::{Core, PostLockEffects, State, alerts_of, first_half};
use super::queue::Queue;
use crate::clock::Timestamp;
use crate::journal::{Journal, JournalError, News};
use crate::ledger::{Change, Event, HoldId, Ledger, Path};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{
    Lock, Thread, block_on, block_on_within, current, park, park_timeout, spawn, yield_now,
};
pub(crate) use job::Ticket;
pub(super) use job::{After, Job};
use job::{AwaitedJob, DetachedJob, ServeJob, never_run};
use news::Others;

/// How often what waits in the outbox is tried again when no other job writes.
const RETRY: Duration = Duration::from_secs(1);
/// The fewest events between two snapshots.
const SNAPSHOT_EVENTS: u64 = 10_000;
/// How far the last event may be ahead of the clock.
const AHEAD: Duration = Duration::from_secs(3_600);
/// How long the last handle that is dropped waits for what is not written yet.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// The queue and the writer.
pub(super) struct Books {
    commits: Lock<CommitQueue>,
    writer: Lock<Writer>,
    core: Weak<Core>,
    /// The holds that have a guard in this process, or an end that is not written yet.
    own: Lock<HashSet<HoldId>>,
    /// What is known of the others, and when the journal was read.
    others: Others,
    /// What the keys of this process are made of: two numbers of the machine's chance.
    seed: u128,
    keys: AtomicU64,
    /// The disk has not answered within the time of the last flush.
    hangs: AtomicBool,
}

/// The jobs that wait for the next transaction.
#[derive(Default)]
struct CommitQueue {
    jobs: Vec<Box<dyn Job>>,
    /// How many jobs the last transaction had.
    last_batch: usize,
    /// A thread leads: it writes, and the others wait for it.
    has_leader: bool,
    /// One of the jobs serves the calls that wait for room.
    has_serve_job: bool,
    server: Option<Server>,
}

/// The thread that writes for those who do not wait.
#[derive(Clone)]
struct Server {
    thread: Thread,
    state: Arc<Lock<ServerState>>,
}

#[derive(Default)]
struct ServerState {
    /// It is to end, and keeps no manager alive any more once it is not busy.
    ends: bool,
    is_busy: bool,
}

impl Server {
    fn is_this_thread(&self) -> bool {
        self.thread.id() == current().id()
    }

    /// Ends the thread, and waits until it keeps no manager alive.
    fn end(&self) {
        const STEP: Duration = Duration::from_millis(1);
        self.state.lock().ends = true;
        self.thread.unpark();
        for _ in 0..LAST_FLUSH.as_millis() {
            if !self.state.lock().is_busy {
                return;
            }
            park_timeout(STEP);
        }
    }
}

struct Writer {
    journal: Box<dyn Journal>,
    ledger: Ledger,
    outbox: Vec<Box<dyn Job>>,
    /// The last transaction failed, and left something in the outbox; that has been reported.
    in_trouble: bool,
    /// The number of events at the last snapshot.
    snapshot_at: u64,
    /// The journal's time is ahead of the clock, and the alert was raised.
    is_ahead: bool,
}

impl Books {
    /// Reads the ledger that a journal has; returns it as it stands too.
    pub(super) fn open(
        mut journal: Box<dyn Journal>,
        clock: Timestamp,
        refresh: Duration,
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
        let others = Others::new(&view, clock, refresh);
        let (outbox, in_trouble, is_ahead) = (Vec::new(), false, false);
        let writer = Writer { journal, ledger, outbox, in_trouble, snapshot_at, is_ahead };
        let writer = Lock::new(writer);
        let chance = || u128::from(RandomState::new().hash_one(std::process::id()));
        let (commits, core, keys) =
            (Lock::new(CommitQueue::default()), Weak::new(), AtomicU64::new(0));
        let seed = (chance() << 64) | chance();
        let own = Lock::new(HashSet::new());
        let hangs = AtomicBool::new(false);
        Ok((Books { commits, writer, core, own, others, seed, keys, hangs }, view))
    }

    pub(super) fn belong_to(&mut self, core: &Weak<Core>) {
        self.core = Weak::clone(core);
    }

    /// A hold has a guard here.
    pub(super) fn note_guard(&self, hold: HoldId) {
        self.own.lock().insert(hold);
    }

    /// True until the end of the hold is written: what is known of it is not lost with its guard.
    pub(super) fn has_guard(&self, hold: HoldId) -> bool {
        self.own.lock().contains(&hold)
    }

    /// The event is written: it may have ended a hold.
    fn note_written(&self, event: &Event) {
        let ended = match &event.change {
            Change::Settled(settled) => settled.hold,
            Change::Released { hold } => *hold,
            Change::ExpiredCharged { hold } | Change::ExpiredReleased { hold } => {
                return self.others.forget(*hold);
            }
            _ => return,
        };
        if !self.own.lock().remove(&ended) {
            self.others.forget(ended);
        }
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
        let mut commits = self.commits.lock();
        commits.jobs.push(job);
        !std::mem::replace(&mut commits.has_leader, true)
    }

    /// True if jobs wait and there is no leader: then the caller becomes it.
    fn takes_lead(&self) -> bool {
        let mut commits = self.commits.lock();
        !commits.jobs.is_empty() && !std::mem::replace(&mut commits.has_leader, true)
    }

    /// Takes all queued jobs. The callers of the last batch often come back at once, so this yields while
    /// they do, until the batch is as large as the last: they then share one wait for the disk.
    fn take_batch(&self) -> Vec<Box<dyn Job>> {
        let mut commits = self.commits.lock();
        let mut before = 0;
        while commits.jobs.len() > before && commits.jobs.len() < commits.last_batch {
            before = commits.jobs.len();
            drop(commits);
            yield_now();
            commits = self.commits.lock();
        }
        commits.last_batch = commits.jobs.len();
        commits.has_serve_job = false;
        std::mem::take(&mut commits.jobs)
    }

    /// True if something waits in the outbox, or is just being tried again, whatever comes of that.
    fn owes(&self) -> bool {
        self.writer.lock().in_trouble
    }

    /// Queues a job for the writing thread.
    pub(super) fn enqueue_for_thread(&self, job: Box<dyn Job>) {
        self.commits.lock().jobs.push(job);
        self.wake();
    }

    /// Has the writing thread serve the calls that wait for room.
    pub(super) fn request_service(&self) {
        let mut commits = self.commits.lock();
        if !std::mem::replace(&mut commits.has_serve_job, true) {
            commits.jobs.push(Box::new(ServeJob));
        }
        drop(commits);
        self.wake();
    }

    /// If this handle is the last one, waits for what is not written yet, and ends the writing thread,
    /// so that the journal is closed when the handle is gone.
    #[cold]
    fn flush_last(&self, core: &Arc<Core>) {
        // Cheap, and true of almost every handle that is dropped: others are left.
        if Arc::strong_count(core) > 2 {
            return;
        }
        let server = self.commits.lock().server.clone();
        let is_busy = server.as_ref().is_some_and(|server| server.state.lock().is_busy);
        let is_last = Arc::strong_count(core) <= usize::from(is_busy).saturating_add(1);
        if !is_last || server.as_ref().is_some_and(Server::is_this_thread) {
            return;
        }
        if self.has_work() && block_on_within(core.flushed(), LAST_FLUSH).is_none() {
            return self.hangs.store(true, Ordering::Relaxed);
        }
        let server = self.commits.lock().server.take();
        if let Some(server) = server {
            server.end();
        }
    }

    /// Wakes the thread that writes for those who cannot wait, started at its first use.
    fn wake(&self) {
        let mut commits = self.commits.lock();
        if commits.server.is_none() {
            let (core, state) = (self.core.clone(), Arc::<Lock<ServerState>>::default());
            let own = Arc::clone(&state);
            let thread = spawn("bursar-journal", move || serve(&core, &own));
            commits.server = thread.ok().map(|thread| Server { thread, state });
        }
        if let Some(server) = &commits.server {
            server.thread.unpark();
        }
    }

    /// Ends the writing thread. What waits is tried once more, unless the disk hangs.
    pub(super) fn close(&self, core: &Core) {
        if !self.hangs.load(Ordering::Relaxed) && self.has_work() {
            core.lead(self);
        }
        if let Some(server) = self.commits.lock().server.take() {
            server.thread.unpark();
        }
    }

    /// True if something waits to be written, or is just being written.
    fn has_work(&self) -> bool {
        let commits = self.commits.lock();
        let waits = commits.has_leader || !commits.jobs.is_empty();
        drop(commits);
        waits || self.writer.try_lock().is_none_or(|writer| !writer.outbox.is_empty())
    }
}

/// The life of the writing thread. It keeps no manager alive.
fn serve(core: &Weak<Core>, state: &Lock<ServerState>) {
    loop {
        let mut now = state.lock();
        if now.ends {
            return;
        }
        now.is_busy = true;
        drop(now);
        let Some(core) = core.upgrade() else { return };
        let Some(books) = core.books() else { return };
        while books.takes_lead() {
            core.lead(books);
        }
        if books.owes() && !std::mem::replace(&mut books.commits.lock().has_leader, true) {
            core.lead(books);
        }
        let again = books.owes();
        drop(core);
        state.lock().is_busy = false;
        if again { park_timeout(RETRY) } else { park() }
    }
}

impl Core {
    /// Changes the ledger: at once in memory, else in the transaction that also writes it, for which
    /// the caller waits.
    pub(super) fn change<R: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Ledger, Timestamp) -> R + Send + 'static,
    ) -> Result<R, JournalError> {
        self.change_with_queue(move |ledger, _, now| work(ledger, now))
    }

    /// The same, with the queue of those who wait.
    pub(super) fn change_with_queue<R: Send + 'static>(
        &self,
        work: impl FnMut(&mut Ledger, &mut Queue, Timestamp) -> R + Send + 'static,
    ) -> Result<R, JournalError> {
        let Some(books) = self.books() else { return Ok(self.locked_with_queue(work)) };
        self.wait_for(books, AwaitedJob::with_ticket(work, |result| result))
    }

    /// Waits until all that was done before is written, where the manager is to.
    #[inline]
    pub(super) fn wait_for_disk(&self) {
        if self.settings.waits_for_disk {
            let _ = self.change(|_, _| ()); // what could not be written waits in memory
        }
    }

    /// The same without blocking the thread, and always.
    pub(super) fn flushed(&self) -> Ticket<()> {
        self.change_later(|_, _, _| (), |()| ())
    }

    /// Before a handle is dropped: if it is the last, waits for what is not written yet.
    #[inline]
    pub(super) fn flush_last(self: &Arc<Core>) {
        if let Some(books) = self.books() {
            books.flush_last(self);
        }
    }

    fn wait_for<T>(
        &self,
        books: &Books,
        (job, mut ticket): (Box<dyn Job>, Ticket<T>),
    ) -> Result<T, JournalError> {
        if books.enqueue(job) {
            self.lead(books);
        }
        // This may be the writing thread, in an observer: the leader that steps down wakes it.
        block_on(poll_fn(|context| {
            loop {
                match Pin::new(&mut ticket).poll(context) {
                    Poll::Pending if books.takes_lead() => self.lead(books),
                    polled => return polled,
                }
            }
        }))
    }

    /// Changes the ledger without blocking the thread: the answer is awaited. `make` turns the result
    /// into something that undoes it if its caller has gone.
    pub(super) fn change_later<R: Send + 'static, T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Ledger, &mut Queue, Timestamp) -> R + Send + 'static,
        make: impl FnOnce(R) -> T + Send + 'static,
    ) -> Ticket<T> {
        let Some(books) = self.books() else {
            return Ticket::of(make(self.locked_with_queue(work)));
        };
        let (job, ticket) = AwaitedJob::with_ticket(work, make);
        books.enqueue_for_thread(job);
        ticket
    }

    /// Changes the ledger soon and notifies observers then; the caller does not wait. In memory at once.
    pub(super) fn change_soon(
        &self,
        mut work: impl FnMut(&mut Ledger, Timestamp) -> Option<After> + Send + 'static,
    ) {
        match self.books() {
            None => {
                if let Some(after) = self.locked(&mut work) {
                    after(self);
                }
            }
            Some(books) => books.enqueue_for_thread(Box::new(DetachedJob::new(work))),
        }
    }

    /// Writes all that waits in one transaction, tells of it, and passes the lead on. The caller has
    /// the lead.
    #[cold]
    pub(super) fn lead(&self, books: &Books) {
        let lead = Lead(books);
        let effects = self.transact(books, books.take_batch());
        drop(lead);
        self.run_effects(effects);
    }

    /// Writes, then answers with the writer's lock free: a waker is foreign code ([law 7](crate::guide::laws)).
    fn transact(&self, books: &Books, new: Vec<Box<dyn Job>>) -> PostLockEffects {
        let mut writer = books.writer.lock();
        let mut jobs = std::mem::take(&mut writer.outbox);
        let waited = jobs.len();
        jobs.extend(new);
        // A journal is foreign code, and what waits must not be lost by its panic.
        let write = AssertUnwindSafe(|| self.write(&mut writer, &mut jobs));
        let outcome = catch_unwind(write).unwrap_or_else(|panic| {
            std::mem::forget(panic);
            self.undo(&mut writer);
            Err(never_run())
        });
        let at = writer.ledger.now();
        writer.in_trouble &= outcome.is_err();
        let outcome = outcome.map(|mut alerts| {
            alerts.extend(writer.ahead_of(self.now()));
            alerts
        });
        drop(writer);

        let result = outcome.as_ref().map(|_| ());
        let (woken, alarm, mut after) = self.end_waits(books, result);
        after.extend(jobs.iter_mut().filter_map(|job| job.answer(result)));
        let error = match outcome {
            Ok(alerts) => return PostLockEffects { woken, alarm, alerts, after },
            Err(error) => error,
        };
        jobs.retain(|job| job.must_commit());
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
        PostLockEffects { woken, alarm, alerts: news.then_some(alert).into_iter().collect(), after }
    }

    /// Those who waited for room and whose wait is over, or with an error have their places again;
    /// and when the clock is to wake us for those who wait on.
    fn end_waits(
        &self,
        books: &Books,
        outcome: Result<(), &JournalError>,
    ) -> (Vec<Waker>, Option<Timestamp>, Vec<After>) {
        let mut state = self.view();
        let now = self.time_for(&state.ledger);
        let State { ledger, queue } = &mut *state;
        let mut left = Vec::new();
        match outcome {
            Ok(()) => left = queue.written(),
            Err(error) => queue.undo(now, error),
        }
        let (woken, alarm) = (queue.take_woken(), queue.alarm_to_set(ledger, now));
        drop(state);
        let after = left.into_iter().map(|(request, outcome)| {
            let core = Weak::clone(&books.core);
            Box::new(move |_: &Core| {
                if let Some(core) = core.upgrade() {
                    drop(core.finish_reserve(&request, outcome)); // was never sent: given back
                }
            }) as After
        });
        (woken, alarm, after.collect())
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
        if self.books().is_some_and(|books| books.has_due(ledger, now, self.now())) {
            self.end_leases(&mut **journal, ledger, now);
        }
        self.serve(ledger, &mut self.view().queue, now);
        for job in jobs {
            // The job that makes room admits the waiting calls, before the next can take it.
            let queue = &mut self.view().queue;
            job.run(self, ledger, queue, now);
            self.serve(ledger, queue, now);
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
        if let Err(error) = written {
            self.undo(writer);
            return Err(error);
        }
        if keeps {
            *snapshot_at = ledger.events();
        }
        let mut view = self.view();
        entries.iter().for_each(|entry| self.show(&mut view.ledger, &entry.event));
        let _ = view.ledger.take_notices();
        Ok(alerts_of(ledger))
    }

    /// Nothing of the open transaction lasts.
    fn undo(&self, writer: &mut Writer) {
        writer.journal.roll_back();
        writer.ledger = self.view().ledger.clone();
        writer.ledger.keep_entries(true);
    }

    /// Makes what is written so for everybody who looks.
    fn show(&self, ledger: &mut Ledger, event: &Event) {
        ledger.apply(event);
        if let Some(books) = self.books() {
            books.note_written(event);
        }
    }
}

/// The lead, given up when it is dropped, even by a panic: others wait for it.
struct Lead<'a>(&'a Books);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut commits = self.0.commits.lock();
        commits.has_leader = false;
        let waits = !commits.jobs.is_empty();
        drop(commits);
        if waits {
            self.0.wake();
        }
    }
}
