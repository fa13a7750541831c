//! What other processes write: [`Others`] says when it was read, and how long their holds are watched
//! before a lease ends them.
//!
//! A clock may be wrong. So a hold of another process is not ended because this process's clock, or the
//! time that a third has written, says that its lease is over. A process ends it when its own clock
//! has come to the end of the lease, and
//!
//! * no other process has the journal open: then whoever made the hold has died; or
//! * this process has seen it for as long as the lease had left, by the time of the newest event, when it
//!   first saw it. A clock that is hours ahead counts that time as well as any.

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

/// How far the journal's time may be ahead of the clock before somebody is told.
const TOLD_AHEAD: Duration = Duration::from_secs(60);
/// How often holds are looked at that are not to end yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a process knows of the others that have its journal.
pub(super) struct Others {
    /// How old what a reader sees of them may be.
    refresh: Duration,
    /// Each hold of theirs: by how much the clock was ahead of the newest event when it was first seen.
    holds: Lock<HashMap<HoldId, Duration>>,
    times: Lock<Times>,
}

/// Moments by this process's clock.
struct Times {
    /// When the journal was last read.
    read: Timestamp,
    /// When it was last tried to be read.
    tried: Timestamp,
    /// Until when holds that are due and not to end yet are left alone.
    rest: Timestamp,
}

impl Others {
    /// Of a journal that was just read.
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
        (times.read, times.tried) = (clock, clock);
    }
}

impl Books {
    /// True if what others have written was not looked for lately; then the caller has to.
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

    /// True if something has fallen due that can be dealt with now.
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
    /// Says that the journal's time is ahead of the clock: once, until it is not.
    pub(super) fn ahead_of(&mut self, clock: Timestamp) -> Option<Alert> {
        let journal = self.ledger.now();
        let is_ahead = journal.since(clock) > TOLD_AHEAD;
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
    /// Reads what others have written, without waiting for whoever writes: that brings it too.
    #[cold]
    pub(in crate::budget) fn look_for_news(&self, books: &Books) {
        let Some(mut writer) = books.writer.try_lock() else { return };
        let Writer { journal, ledger, snapshot_at, .. } = &mut *writer;
        // A journal is somebody else's code.
        let peeked = catch_unwind(AssertUnwindSafe(|| journal.peek(ledger.events())));
        match peeked {
            Ok(Ok(news)) => self.take_news(ledger, snapshot_at, news),
            Ok(Err(_)) => {} // a report says as of when it is; whoever writes says why
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
        let clock = self.now();
        let mut is_alone = None;
        let end = |hold: HoldId, until: Timestamp| {
            if books.has_guard(hold) {
                // It may still be settled: charged as ever, and the truth is booked then.
                return (clock >= until).then_some(LostCall::ChargeHold);
            }
            let ahead = books.others.holds.lock().get(&hold).copied().unwrap_or_default();
            let is_over = clock >= until.plus(ahead)
                || (clock >= until && *is_alone.get_or_insert_with(|| journal.is_alone()));
            is_over.then_some(self.settings.on_lost)
        };
        let all = catch_up(ledger, now, end);
        books.others.times.lock().rest = if all { Timestamp::MIN } else { clock.plus(LOOK_AGAIN) };
    }

    /// Takes over what other processes have written. They have told of it.
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
