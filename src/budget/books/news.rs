//! [`Others`]: when the events of other processes were last read, and since when their holds are known.
//!
//! A clock may be wrong. So the lease of another process's hold does not end merely because this
//! process's clock, or the time of a third process's event, has passed its end. A process ends it
//! when its own clock has passed the end of the lease, and
//!
//! * no other process has the journal open: then the owner of the hold has died; or
//! * this process has known the hold for as long as its lease had left, by the time of the newest event,
//!   when it first saw it. A clock that is hours ahead measures that time as well as any.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::super::alert::Alert;
use super::super::core::{Core, LostCall, catch_up};
use super::{Books, Writer};
use crate::clock::Timestamp;
use crate::journal::{Journal, News};
use crate::ledger::{Change, Event, HoldId, Ledger, Path};
use crate::sync::Lock;

/// How far the journal's time may be ahead of the clock before an alert is raised.
const MAX_AHEAD: Duration = Duration::from_secs(60);
/// How often holds that are due but may not end yet are checked.
const CHECK_AGAIN: Duration = Duration::from_secs(1);

/// What this process knows of the others that use its journal.
pub(super) struct Others {
    /// How old their part of a report may be.
    refresh: Duration,
    /// Their holds: by how much the clock was ahead of the newest event when each was first seen.
    holds: Lock<HashMap<HoldId, Duration>>,
    times: Lock<Times>,
}

/// Moments by this process's clock.
struct Times {
    /// When the journal was last read.
    read: Timestamp,
    /// When reading it was last tried.
    tried: Timestamp,
    /// When holds that are due but may not end yet are checked again.
    rest: Timestamp,
}

impl Others {
    /// Makes it for a journal that was just read.
    pub(super) fn new(ledger: &Ledger, clock: Timestamp, refresh: Duration) -> Others {
        let ahead = clock.since(ledger.now());
        let holds = ledger.holds().map(|(hold, ..)| (hold, ahead)).collect();
        let times = Times { read: clock, tried: clock, rest: Timestamp::MIN };
        Others { refresh, holds: Lock::new(holds), times: Lock::new(times) }
    }

    /// The hold has ended.
    pub(super) fn forget(&self, hold: HoldId) {
        self.holds.lock().remove(&hold);
    }

    fn note_read(&self, clock: Timestamp) {
        let mut times = self.times.lock();
        times.read = clock;
        times.tried = clock;
    }
}

impl Books {
    /// True if the events of others are older than `refresh`; the caller then has to read them.
    pub(in crate::budget) fn wants_news(&self, clock: Timestamp) -> bool {
        let mut times = self.others.times.lock();
        let wants = clock < times.tried || clock.since(times.tried) >= self.others.refresh;
        if wants {
            times.tried = clock;
        }
        wants
    }

    /// When the journal was last read, by this process's clock.
    pub(in crate::budget) fn read_at(&self) -> Timestamp {
        self.others.times.lock().read
    }

    /// True if a window or a lease is due and can be ended now.
    pub(in crate::budget) fn has_due(
        &self,
        ledger: &Ledger,
        now: Timestamp,
        clock: Timestamp,
    ) -> bool {
        let rests = || clock < self.others.times.lock().rest && ledger.roll_due(now).is_none();
        now >= ledger.next_due() && !rests()
    }
}

impl Writer {
    /// The alert that the journal's time is ahead of the clock; once, until it no longer is.
    pub(super) fn ahead_of(&mut self, clock: Timestamp) -> Option<Alert> {
        let journal = self.ledger.now();
        let is_ahead = journal.since(clock) > MAX_AHEAD;
        let was_ahead = std::mem::replace(&mut self.is_ahead, is_ahead);
        (is_ahead && !was_ahead).then(|| Alert::ClockAhead {
            at: journal,
            account: Path::root(),
            journal,
            clock,
        })
    }
}

impl Core {
    /// Reads the events of others, unless a write is under way, which reads them too.
    #[cold]
    pub(in crate::budget) fn look_for_news(&self, books: &Books) {
        let Some(mut writer) = books.writer.try_lock() else { return };
        let Writer { journal, ledger, snapshot_at, .. } = &mut *writer;
        // A journal may be the user's code, which may panic.
        let peeked = catch_unwind(AssertUnwindSafe(|| journal.peek(ledger.events())));
        match peeked {
            Ok(Ok(news)) => self.take_news(ledger, snapshot_at, news),
            Ok(Err(_)) => {} // the report states how old it is; the next write returns the error
            Err(panic) => std::mem::forget(panic),
        }
        let alert = writer.ahead_of(self.now());
        drop(writer);
        if let Some(alert) = alert {
            self.raise(&alert);
        }
    }

    /// Rolls windows, and ends the leases that are over by this process's clock.
    #[cold]
    pub(super) fn end_leases(
        &self,
        journal: &mut dyn Journal,
        ledger: &mut Ledger,
        now: Timestamp,
    ) {
        let Some(books) = self.books() else { return };
        let mut is_alone = None;
        let all = self
            .end_due(books, ledger, now, || *is_alone.get_or_insert_with(|| journal.is_alone()));
        let clock = self.now();
        books.others.times.lock().rest = if all { Timestamp::MIN } else { clock.plus(CHECK_AGAIN) };
    }

    /// The same without a journal at hand. False if some holds are due and may not end yet.
    pub(in crate::budget) fn end_due(
        &self,
        books: &Books,
        ledger: &mut Ledger,
        now: Timestamp,
        mut is_alone: impl FnMut() -> bool,
    ) -> bool {
        let clock = self.now();
        let end = |hold: HoldId, until: Timestamp| {
            if books.has_guard(hold) {
                // A guard may still settle it: charge the hold now, and book the bill then.
                return (clock >= until).then_some(LostCall::ChargeHold);
            }
            let ahead = books.others.holds.lock().get(&hold).copied().unwrap_or_default();
            let is_over = clock >= until.plus(ahead) || (clock >= until && is_alone());
            is_over.then_some(self.settings.on_lost)
        };
        catch_up(ledger, now, end)
    }

    /// Applies the events of other processes. They have notified their own observers.
    pub(super) fn take_news(&self, ledger: &mut Ledger, snapshot_at: &mut u64, news: News) {
        let clock = self.now();
        if let Some(books) = self.books() {
            books.others.note_read(clock);
        }
        if news.snapshot.is_none() && news.events.is_empty() {
            return;
        }
        let short = news.snapshot.is_none() && news.events.len() < 1_000;
        let mut view = self.view();
        let has_snapshot = news.snapshot.is_some();
        if let Some(snapshot) = news.snapshot {
            *snapshot_at = snapshot.events();
            view.ledger = snapshot;
        }
        news.events.iter().for_each(|event| self.show(&mut view.ledger, event));
        let _ = view.ledger.take_notices();
        self.watch(&view.ledger, clock, has_snapshot, &news.events);
        if short {
            // Cheaper than a copy of the ledger.
            ledger.keep_entries(false);
            news.events.iter().for_each(|event| ledger.apply(event));
            let _ = ledger.take_notices();
            if view.queue.len() == 0 {
                ledger.note_changes(false);
            }
        } else {
            *ledger = view.ledger.clone();
            view.queue.retry_all();
        }
        ledger.keep_entries(true);
    }

    /// Remembers the holds of others that are seen for the first time.
    fn watch(&self, ledger: &Ledger, clock: Timestamp, all: bool, events: &[Event]) {
        let Some(books) = self.books() else { return };
        let ahead = clock.since(ledger.now());
        let (own, mut holds) = (books.own.lock(), books.others.holds.lock());
        let mut see = |hold: HoldId| {
            if !own.contains(&hold) {
                holds.entry(hold).or_insert(ahead);
            }
        };
        if all {
            return ledger.holds().for_each(|(hold, ..)| see(hold));
        }
        for event in events {
            if let Change::Reserved(reserved) = &event.change {
                see(reserved.hold);
            }
        }
    }
}
