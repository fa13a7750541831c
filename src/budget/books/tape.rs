//! [`Tape`]: a journal in memory that fails on request, and lets a test act while it writes.

use std::sync::Arc;

use crate::journal::{Journal, JournalError, News};
use crate::ledger::{Entry, Event, Ledger};
use crate::sync::Lock;

/// Where a journal fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::budget) enum Fault {
    Begin,
    Commit,
    /// The commit lasts, and says that it has failed.
    Lie,
}

/// Its clones are the same journal.
#[derive(Clone, Default)]
pub(in crate::budget) struct Tape(Arc<Lock<Paper>>);

#[derive(Default)]
struct Paper {
    written: Vec<Event>,
    open: Vec<Event>,
    fault: Option<Fault>,
    lasts: bool,
    begun: u64,
    at_commit: Option<Box<dyn FnOnce() + Send>>,
}

impl Tape {
    /// Fails there from now on.
    pub(in crate::budget) fn fail(&self, fault: Option<Fault>) {
        self.0.lock().fault = fault;
    }

    /// Whether an error will not be over by itself.
    pub(in crate::budget) fn fail_for_good(&self) {
        self.0.lock().lasts = true;
    }

    /// Calls this in the middle of the next commit.
    pub(in crate::budget) fn at_commit(&self, call: impl FnOnce() + Send + 'static) {
        self.0.lock().at_commit = Some(Box::new(call));
    }

    /// How many transactions have begun.
    pub(in crate::budget) fn begun(&self) -> u64 {
        self.0.lock().begun
    }

    /// How many hold it.
    pub(in crate::budget) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    fn check(&self, here: Fault) -> Result<(), JournalError> {
        let paper = self.0.lock();
        match (paper.fault == Some(here), paper.lasts) {
            (false, _) => Ok(()),
            (true, false) => Err(JournalError::temporary("the disk is full")),
            (true, true) => Err(JournalError::new("the disk is gone")),
        }
    }
}

impl Journal for Tape {
    fn begin(&mut self, after: u64) -> Result<News, JournalError> {
        self.0.lock().begun += 1;
        self.check(Fault::Begin)?;
        let after = usize::try_from(after).unwrap();
        Ok(News { snapshot: None, events: self.0.lock().written[after..].to_vec() })
    }

    fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), JournalError> {
        let mut paper = self.0.lock();
        assert_eq!(first, paper.written.len() as u64 + 1);
        paper.open = entries.iter().map(|entry| entry.event.clone()).collect();
        Ok(())
    }

    fn keep(&mut self, _: &Ledger) -> Result<(), JournalError> {
        Ok(())
    }

    fn commit(&mut self) -> Result<(), JournalError> {
        let call = self.0.lock().at_commit.take();
        if let Some(call) = call {
            call();
        }
        self.check(Fault::Commit)?;
        let mut paper = self.0.lock();
        let open = std::mem::take(&mut paper.open);
        paper.written.extend(open);
        drop(paper);
        self.check(Fault::Lie)
    }

    fn roll_back(&mut self) {
        self.0.lock().open.clear();
    }
}
