//! Owns the one lock: everything that a manager's handles share, the time read inside the lock, the
//! turning of names into numbers, and the telling of observers after the lock is free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::alert::{Alert, Observer};
use super::error::{AccountError, SetLimitError};
use crate::calendar::window_around;
use crate::clock::{Clock, Timestamp};
use crate::ledger::{
    AccountId, Change, Command, Due, Ledger, Limit, ModelId, Path, Period, Rejection, Scope,
};
use crate::price::{Model, PriceBook, UnknownModel};
use crate::sync::Lock;

/// What becomes of a hold whose guard is dropped after its call was sent, because the call failed,
/// timed out, was cancelled or panicked. Such a call has usually been billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostCall {
    /// What was held is charged, as assumed.
    #[default]
    ChargeHold,
    /// Nothing is charged; an [`Alert::Refunded`] says so.
    Release,
}

/// Who is told.
pub(super) struct Watch {
    pub(super) observers: Box<[Arc<dyn Observer>]>,
    /// False if all of them are closures that are told of alerts alone.
    pub(super) each_call: bool,
}

/// What a manager, its accounts and its reservations share.
pub(super) struct Core {
    /// Tells the handles of one manager from those of another.
    pub(super) id: u64,
    clock: Arc<dyn Clock>,
    ledger: Lock<Ledger>,
    prices: Lock<PriceBook>,
    watch: Watch,
    lease: Option<Duration>,
    pub(super) on_lost: LostCall,
}

impl Core {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        prices: PriceBook,
        watch: Watch,
        lease: Option<Duration>,
        on_lost: LostCall,
    ) -> Core {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Core {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            clock,
            ledger: Lock::new(Ledger::new()),
            prices: Lock::new(prices),
            watch,
            lease,
            on_lost,
        }
    }

    /// Works on the ledger under its lock, at a time that never goes back (law 6); then, with the
    /// lock free, tells the observers what the work has brought about (law 7).
    #[inline(always)]
    pub(super) fn locked<R>(&self, work: impl FnOnce(&mut Ledger, Timestamp) -> R) -> R {
        let mut ledger = self.ledger.lock();
        let now = self.clock.now().max(ledger.now()).min(Timestamp::LAST);
        if now >= ledger.next_due() {
            catch_up(&mut ledger, now);
        }
        let result = work(&mut ledger, now);
        if ledger.has_notices() {
            let alerts = alerts_of(&mut ledger);
            drop(ledger);
            self.raise_all(&alerts);
        }
        result
    }

    /// Looks at the ledger as it was left, without the time: nothing that is due is done before.
    #[inline]
    pub(super) fn peek<R>(&self, look: impl FnOnce(&Ledger) -> R) -> R {
        look(&self.ledger.lock())
    }

    /// When a lease that starts now ends.
    #[inline]
    pub(super) fn lease_until(&self, now: Timestamp) -> Timestamp {
        self.lease.map_or(Timestamp::MAX, |lease| now.plus(lease))
    }

    /// True if anybody is to be told of each call.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.watch.each_call
    }

    /// Tells every observer. The lock is free.
    #[cold]
    pub(super) fn tell(&self, tell: impl Fn(&dyn Observer)) {
        for observer in &self.watch.observers {
            // A panic of theirs has been reported by the panic hook; it must lose no charge of
            // ours, nor abort the process when a guard is dropped while another panic unwinds.
            let told = catch_unwind(AssertUnwindSafe(|| tell(&**observer)));
            // What a panic carries may itself panic when it is dropped.
            told.unwrap_or_else(std::mem::forget);
        }
    }

    pub(super) fn raise(&self, alert: &Alert) {
        self.tell(|observer| observer.on_alert(alert));
    }

    #[cold]
    fn raise_all(&self, alerts: &[Alert]) {
        alerts.iter().for_each(|alert| self.raise(alert));
    }

    /// The price book as it stands.
    pub(super) fn prices(&self) -> PriceBook {
        self.prices.lock().clone()
    }

    /// Changes the price book.
    pub(super) fn change_prices<R>(&self, change: impl FnOnce(&mut PriceBook) -> R) -> R {
        change(&mut self.prices.lock())
    }

    /// Finds a model and gives it a number.
    pub(super) fn model(&self, name: &str) -> Result<Model, UnknownModel> {
        let model = self.prices.lock().find(name)?;
        let number = self.locked(|ledger, now| number_of(ledger, now, model.name()));
        Ok(model.registered(self.id, number.0))
    }

    /// The model that answered, if it is another than the one that was asked.
    pub(super) fn model_that_answered(
        &self,
        asked: Option<&Model>,
        answered: &str,
    ) -> Result<Option<Model>, UnknownModel> {
        let Some(asked) = asked else { return self.prices.lock().find(answered).map(Some) };
        if answered == asked.price().id() || *answered == **asked.name() {
            return Ok(None);
        }
        let found = self.prices.lock().find_from(asked.price().provider(), answered)?;
        Ok((found.name() != asked.name()).then_some(found))
    }

    /// The number of a model in this manager's ledger.
    #[inline]
    pub(super) fn model_number(
        &self,
        ledger: &mut Ledger,
        now: Timestamp,
        model: Option<&Model>,
    ) -> ModelId {
        let Some(model) = model else { return ModelId::NONE };
        match model.number_of(self.id) {
            Some(number) => ModelId(number),
            None => number_of(ledger, now, model.name()),
        }
    }
}

/// Rolls the windows and ends the leases that are due, as events of their own (fine print).
#[cold]
#[inline(never)]
fn catch_up(ledger: &mut Ledger, now: Timestamp) {
    while let Some(due) = ledger.due(now) {
        let command = match due {
            Due::Expire(hold) => Command::Expire { hold },
            Due::Roll { window, unit, zone } => {
                Command::RollWindow { window, bounds: window_around(unit, zone, now) }
            }
        };
        if let Err(rejection) = ledger.execute(now, &command) {
            debug_assert!(false, "what is due is refused: {rejection}");
            return;
        }
    }
}

#[cold]
fn alerts_of(ledger: &mut Ledger) -> Vec<Alert> {
    let at = ledger.now();
    ledger.take_notices().into_iter().map(|notice| Alert::from_notice(at, notice)).collect()
}

/// The number of a model, given one if it has none. Without a place left it counts as no model.
#[cold]
fn number_of(ledger: &mut Ledger, now: Timestamp, name: &Arc<str>) -> ModelId {
    if let Some(number) = ledger.find_model(name) {
        return number;
    }
    match ledger.execute(now, &Command::NameModel { name: Arc::clone(name) }) {
        Ok(event) => match event.change {
            Change::ModelNamed { model, .. } => model,
            _ => ModelId::NONE,
        },
        Err(_) => ModelId::NONE,
    }
}

/// The account of that path, opened with everything above it if it is not there.
pub(super) fn open_account(
    ledger: &mut Ledger,
    now: Timestamp,
    path: &Path,
) -> Result<AccountId, AccountError> {
    if let Some(account) = ledger.find(path.as_str()) {
        let is_open = ledger.account(account).is_some_and(|view| view.is_open);
        return if is_open { Ok(account) } else { Err(AccountError::Closed(path.clone())) };
    }
    if let Some(above) = path.parent() {
        open_account(ledger, now, &above)?;
    }
    open_below(ledger, now, path)
}

/// Opens an account that is not there; the one above it is.
pub(super) fn open_below(
    ledger: &mut Ledger,
    now: Timestamp,
    path: &Path,
) -> Result<AccountId, AccountError> {
    let refused = |rejection| AccountError::from_rejection(&rejection, path);
    let event = ledger.execute(now, &Command::OpenAccount { path: path.clone() });
    match event.map_err(refused)?.change {
        Change::Opened { account, .. } => Ok(account),
        _ => Err(AccountError::Full),
    }
}

/// Sets a limit, and opens the window that it counts over.
pub(super) fn set_limit(
    ledger: &mut Ledger,
    now: Timestamp,
    scope: &Scope,
    limit: &Limit,
) -> Result<(), SetLimitError> {
    let command = Command::SetLimit { scope: scope.clone(), limit: limit.clone() };
    match ledger.execute(now, &command) {
        Err(Rejection::NoSuchWindow) => {}
        other => return Ok(other.map(|_| ())?),
    }
    if let Period::Calendar(unit, zone) = limit.period() {
        let (unit, zone) = (*unit, zone.clone());
        let bounds = window_around(unit, &zone, now);
        ledger.execute(now, &Command::OpenWindow { unit, zone, bounds })?;
    }
    ledger.execute(now, &command)?;
    Ok(())
}
