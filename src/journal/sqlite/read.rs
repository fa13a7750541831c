//! Reading: the events and snapshots that other processes have appended, each checked against its
//! checksum.

use super::super::{JournalError, News};
use super::{Seen, SqliteJournal, rows, seals};
use crate::ledger::{Event, Ledger};

impl SqliteJournal {
    /// What other processes have appended; reads nothing if the file has not changed.
    pub(super) fn news(&mut self, after: u64) -> Result<News, JournalError> {
        let version = self.version().map_err(|error| self.told(&error))?;
        let nothing_new = Seen { version, number: after };
        if self.seen == Some(nothing_new) {
            return Ok(News::default());
        }
        let news = self.read(after)?;
        let snapshot = news.snapshot.as_ref().map_or(after, Ledger::events);
        let number = snapshot.saturating_add(news.events.len() as u64);
        self.seen = Some(Seen { version, number });
        Ok(news)
    }

    fn version(&self) -> rusqlite::Result<i64> {
        let mut ask = self.connection.prepare_cached("PRAGMA data_version")?;
        ask.query_row([], |row| row.get(0))
    }

    fn read(&self, after: u64) -> Result<News, JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let (first, last) = self.range().map_err(told)?;
        if last < after {
            return Err(self.damaged(&format!(
                "it ends at event {last}, and this process has seen {after}: an older copy was put \
                 in its place while it was in use; restart the process to go on from that copy"
            )));
        }
        if after == 0 {
            self.check_end(last)?;
        }
        let forgotten = first > after.saturating_add(1);
        let snapshot = if forgotten || (after == 0 && self.has_snapshot().map_err(told)?) {
            Some(self.snapshot(after)?)
        } else {
            None
        };
        let events = self.events(snapshot.as_ref().map_or(after, Ledger::events))?;
        Ok(News { snapshot, events })
    }

    /// The numbers of the first event that is kept and of the last that there ever was.
    pub(super) fn range(&self) -> rusqlite::Result<(u64, u64)> {
        let text = "SELECT (SELECT min(number) FROM events), (SELECT max(number) FROM events), \
                    (SELECT max(number) FROM snapshots)";
        let mut ask = self.connection.prepare_cached(text)?;
        ask.query_row([], |row| {
            let number = |place| row.get::<_, Option<i64>>(place).map(|n| n.map(rows::number));
            let kept = number(2)?.unwrap_or(0);
            let first = number(0)?.unwrap_or(kept.saturating_add(1));
            Ok((first, number(1)?.unwrap_or(kept)))
        })
    }

    /// A charge without its event: the last events were removed.
    pub(super) fn check_end(&self, last: u64) -> Result<(), JournalError> {
        let newest = seals::newest_event(&self.connection).map_err(|error| self.told(&error))?;
        if newest > last {
            Err(self
                .damaged(&format!("it has charges of event {newest}, and no event after {last}")))
        } else {
            Ok(())
        }
    }

    fn has_snapshot(&self) -> rusqlite::Result<bool> {
        self.connection.query_row("SELECT EXISTS (SELECT 1 FROM snapshots)", [], |row| row.get(0))
    }

    fn events(&self, after: u64) -> Result<Vec<Event>, JournalError> {
        let mut events = Vec::new();
        self.each_event(after, |event| {
            events.push(event);
            Ok(())
        })?;
        Ok(events)
    }

    /// Reads the events after a number, each as it was written and without a gap.
    pub(super) fn each_event(
        &self,
        after: u64,
        mut visit: impl FnMut(Event) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let text = "SELECT number, event, seal FROM events WHERE number > ?1 ORDER BY number";
        let mut ask = self.connection.prepare_cached(text).map_err(told)?;
        let mut found = ask.query([rows::signed(after)]).map_err(told)?;
        let mut expected = rows::signed(after).checked_add(1);
        while let Some(row) = found.next().map_err(told)? {
            let number: i64 = row.get(0).map_err(told)?;
            let event = row.get_ref(1).and_then(|text| Ok(text.as_str()?)).map_err(told)?;
            let seal: i64 = row.get(2).map_err(told)?;
            if expected != Some(number) || seal != rows::seal(number, event) {
                return Err(self.damaged(&format!("event {number} is not what was written")));
            }
            let event = serde_json::from_str(event)
                .map_err(|error| self.damaged(&format!("event {number}: {error}")))?;
            visit(event)?;
            expected = number.checked_add(1);
        }
        Ok(())
    }

    /// The newest snapshot that is whole; an older one if it is not, because the events since the
    /// one before are kept.
    fn snapshot(&self, after: u64) -> Result<Ledger, JournalError> {
        let mut newest = None;
        self.each_snapshot(after, "DESC", |_, snapshot| {
            newest = snapshot;
            Ok(newest.is_none())
        })?;
        newest.ok_or_else(|| self.damaged("no snapshot is what was written"))
    }

    /// All snapshots, the oldest first, each as it was written.
    pub(super) fn all_snapshots(&self) -> Result<Vec<Ledger>, JournalError> {
        let mut all = Vec::new();
        self.each_snapshot(0, "ASC", |number, snapshot| {
            let damaged = || self.damaged(&format!("snapshot {number} is not what was written"));
            all.push(snapshot.ok_or_else(damaged)?);
            Ok(true)
        })?;
        Ok(all)
    }

    /// Reads snapshots until `visit` has enough; `None` is one that is not what was written.
    fn each_snapshot(
        &self,
        from: u64,
        order: &str,
        mut visit: impl FnMut(i64, Option<Ledger>) -> Result<bool, JournalError>,
    ) -> Result<(), JournalError> {
        let told = |error: rusqlite::Error| self.told(&error);
        let text = format!(
            "SELECT number, ledger, seal FROM snapshots WHERE number >= ?1 ORDER BY number {order}"
        );
        let mut ask = self.connection.prepare_cached(&text).map_err(told)?;
        let mut found = ask.query([rows::signed(from)]).map_err(told)?;
        while let Some(row) = found.next().map_err(told)? {
            let number: i64 = row.get(0).map_err(told)?;
            let text = row.get_ref(1).and_then(|text| Ok(text.as_str()?)).map_err(told)?;
            let seal: i64 = row.get(2).map_err(told)?;
            let whole = seal == rows::seal(number, text);
            let snapshot: Option<Ledger> =
                if whole { serde_json::from_str(text).ok() } else { None };
            let snapshot = snapshot.filter(|ledger| ledger.events() == rows::number(number));
            if !visit(number, snapshot)? {
                break;
            }
        }
        Ok(())
    }
}
