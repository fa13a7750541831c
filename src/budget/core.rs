//! [`Core`]: the shared state behind `BudgetManager`: the lock, the clock that is read under it, the
//! numbers of names, and the effects after unlock.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::alert::{Alert, Observer};
use super::books::{After, Books};
use super::error::SetLimitError;
use super::opening::AccountCaps;
use super::queue::Queue;
use super::trace;
use crate::calendar::window_around;
use crate::clock::{Clock, Timestamp, wake_all};
use crate::ledger::{
    Change, Command, Due, HoldId, Ledger, Limit, ModelId, Period, Rejection, Scope,
};
use crate::price::{Model, PriceBook, UnknownModel};
use crate::sync::{Held, Lock};
use crate::usage::{Doubt, FailedCalls, Service};

/// What a lost call costs: one that was sent and whose result is unknown, because it failed without
/// a bill, timed out, was cancelled or panicked. Such a call has usually been billed.
///
/// ```
/// use bursar::budget::LostCall;
/// use bursar::{BudgetManager, Estimate, Limit, Usd};
///
/// let budget = BudgetManager::builder()
///     .limit("", Limit::spend(Usd::dollars(1)))
///     .on_lost_call(LostCall::Release)
///     .build()?;
/// let hold = budget.reserve("search", &Estimate::fixed(Usd::cents(3)))?;
/// hold.mark_sent();
/// drop(hold); // an error, a timeout
/// assert_eq!(budget.spent(), Usd::ZERO);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostCall {
    /// What was held, as [`Assumed`](crate::Confidence::Assumed). Never too little.
    #[default]
    ChargeHold,
    /// What was held without the output, as [`Estimated`](crate::Confidence::Estimated): the input at
    /// the highest rate that it can reach, and fees. For providers that stop, and bill no output, when
    /// the connection is cut. A hold without a model, and one whose lease ends, is charged whole.
    ChargeInput,
    /// Nothing; an [`Alert::Refunded`] says so. With a journal it is so too when a lease
    /// ends of a hold that has no guard in this process. Should that call live on in another and
    /// settle late, the truth is booked in the windows of its reserve, once.
    Release,
}

/// The observers.
pub(super) struct Watch {
    pub(super) observers: Box<[Arc<dyn Observer>]>,
    /// False if all of them are closures that receive alerts alone.
    pub(super) each_call: bool,
}

/// What the one lock guards: the ledger, and who waits for room in it.
pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) queue: Queue,
}

/// The locked state, and the time that was read inside.
pub(super) struct Entered<'a> {
    pub(super) state: Held<'a, State>,
    pub(super) now: Timestamp,
}

/// What a change leaves to do, in this order, once all locks are free.
pub(super) struct PostLockEffects {
    /// When the clock is to wake us.
    pub(super) alarm: Option<Timestamp>,
    pub(super) woken: Vec<Waker>,
    pub(super) alerts: Vec<Alert>,
    pub(super) after: Vec<After>,
}

/// The settings of the builder that the manager keeps.
pub(super) struct Settings {
    pub(super) lease: Option<Duration>,
    pub(super) on_lost: LostCall,
    /// What failed calls cost.
    pub(super) failed: FailedCalls,
    /// How many accounts may be open.
    pub(super) account_caps: AccountCaps,
    /// The tier on which a call that names none may be served.
    pub(super) auto_tier: Service,
    /// Calls that end wait until that is written.
    pub(super) waits_for_disk: bool,
}

/// What a manager, its accounts and its reservations share.
pub(super) struct Core {
    /// Tells the handles of one manager from those of another.
    pub(super) id: u64,
    clock: Arc<dyn Clock>,
    state: Lock<State>,
    /// What the clock wakes on behalf of those who wait.
    alarm: Waker,
    prices: Lock<PriceBook>,
    watch: Watch,
    pub(super) settings: Settings,
    /// What writes, if there is a journal; then `ledger` has only what is written.
    books: Option<Books>,
    /// True if a call may take the fast path: no observer hears of it and nothing is written.
    plain: bool,
    /// The unread fields that have raised an alert, by hash of the name.
    unread: Lock<HashSet<u128>>,
}

/// The most unread fields that raise an alert, because their names come from outside.
const MOST_UNREAD: usize = 1_000;

impl Core {
    pub(super) fn new(
        clock: Arc<dyn Clock>,
        prices: PriceBook,
        watch: Watch,
        settings: Settings,
        books: Option<(Books, Ledger)>,
    ) -> Arc<Core> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let plain = !watch.each_call && books.is_none();
        let queue = Queue::new(books.is_some());
        let (mut books, ledger) = match books {
            Some((books, ledger)) => (Some(books), ledger),
            None => (None, Ledger::new()),
        };
        Arc::new_cyclic(|core| {
            if let Some(books) = &mut books {
                books.belong_to(core);
            }
            Core {
                id: NEXT.fetch_add(1, Ordering::Relaxed),
                clock,
                state: Lock::new(State { ledger, queue }),
                alarm: Waker::from(Arc::new(Alarm(core.clone()))),
                prices: Lock::new(prices),
                watch,
                settings,
                books,
                plain,
                unread: Lock::new(HashSet::new()),
            }
        })
    }

    #[inline]
    pub(super) fn books(&self) -> Option<&Books> {
        self.books.as_ref()
    }

    /// True if a call may go the short way.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time for a ledger: it never goes back ([law 6](crate::guide::laws)).
    #[inline(always)]
    pub(super) fn time_for(&self, ledger: &Ledger) -> Timestamp {
        self.clock.now().max(ledger.now()).min(Timestamp::LAST)
    }

    /// The ledger as it stands, to look at or, by what writes, to bring up to date.
    pub(super) fn view(&self) -> Held<'_, State> {
        self.state.lock()
    }

    /// Reads the ledger. With a journal it is the written ledger: events of other processes are
    /// read first if the last read is too old, and windows and leases that are due have ended in it.
    #[inline]
    pub(super) fn read<R>(&self, look: impl FnOnce(&Ledger, Timestamp) -> R) -> R {
        self.read_with_queue(|ledger, _, now| look(ledger, now))
    }

    /// The same, with the queue of those who wait.
    #[inline]
    pub(super) fn read_with_queue<R>(
        &self,
        look: impl FnOnce(&Ledger, &Queue, Timestamp) -> R,
    ) -> R {
        let Some(books) = &self.books else {
            return self.locked_with_queue(|ledger, queue, now| look(ledger, queue, now));
        };
        if books.wants_news(self.now()) {
            self.look_for_news(books);
        }
        let state = self.view();
        let now = self.time_for(&state.ledger);
        if !books.has_due(&state.ledger, now, self.now()) {
            return look(&state.ledger, &state.queue, now);
        }
        // Until another thread has written what is due, a copy shows it.
        let mut ledger = state.ledger.clone();
        self.end_due(books, &mut ledger, now, || false);
        let result = look(&ledger, &state.queue, now);
        drop(state);
        books.request_service();
        result
    }

    /// Works on the ledger under its lock, at a time that never goes back ([law 6](crate::guide::laws)); then, with the
    /// lock free, tells the observers what the work has brought about ([law
    /// 7](crate::guide::laws)). Not with a journal.
    #[inline(always)]
    pub(super) fn locked<R>(&self, work: impl FnOnce(&mut Ledger, Timestamp) -> R) -> R {
        self.locked_with_queue(|ledger, _, now| work(ledger, now))
    }

    /// The same, with the queue of those who wait. Room that there is before the work, or that the
    /// work makes, is given to them under the same lock.
    #[inline(always)]
    pub(super) fn locked_with_queue<R>(
        &self,
        work: impl FnOnce(&mut Ledger, &mut Queue, Timestamp) -> R,
    ) -> R {
        let mut entered = self.enter();
        let State { ledger, queue } = &mut *entered.state;
        let result = work(ledger, queue, entered.now);
        self.leave(entered);
        result
    }

    /// Takes the lock for work that may change the ledger, and does what is due before it. Not with a
    /// journal. [`leave`](Core::leave) follows the work.
    #[inline(always)]
    pub(super) fn enter(&self) -> Entered<'_> {
        debug_assert!(self.books.is_none(), "with a journal only the writer changes the ledger");
        let mut state = self.state.lock();
        let State { ledger, queue } = &mut *state;
        let now = self.time_for(ledger);
        if (now >= ledger.next_due()) | queue.is_busy() {
            self.come_up_to(ledger, queue, now);
        }
        Entered { state, now }
    }

    /// Lets go of the lock, and does what is to be done then.
    #[inline(always)]
    pub(super) fn leave(&self, mut entered: Entered<'_>) {
        let State { ledger, queue } = &mut *entered.state;
        if ledger.has_notices() | queue.is_busy() {
            let effects = self.finish(ledger, queue, entered.now);
            drop(entered);
            self.run_effects(effects);
        }
    }

    /// Does what is due, and gives out the room that time has made.
    #[cold]
    #[inline(never)]
    fn come_up_to(&self, ledger: &mut Ledger, queue: &mut Queue, now: Timestamp) {
        catch_up(ledger, now, |_, _| Some(LostCall::ChargeHold));
        self.serve(ledger, queue, now);
    }

    /// Gives out the room that the work has made, and gathers what is to be done with the lock free.
    #[cold]
    #[inline(never)]
    fn finish(&self, ledger: &mut Ledger, queue: &mut Queue, now: Timestamp) -> PostLockEffects {
        self.serve(ledger, queue, now);
        let alerts = alerts_of(ledger);
        let (woken, alarm) = (queue.take_woken(), queue.alarm_to_set(ledger, now));
        PostLockEffects { alarm, woken, alerts, after: Vec::new() }
    }

    #[cold]
    pub(super) fn run_effects(&self, effects: PostLockEffects) {
        if let Some(at) = effects.alarm {
            self.set_alarm(at);
        }
        wake_all(effects.woken);
        effects.alerts.iter().for_each(|alert| self.raise(alert));
        effects.after.into_iter().for_each(|after| after(self));
    }

    /// Looks at the ledger as it was left, without the time: nothing that is due is done before.
    #[inline]
    pub(super) fn peek<R>(&self, look: impl FnOnce(&Ledger) -> R) -> R {
        look(&self.state.lock().ledger)
    }

    /// Has the clock wake us at a moment, on behalf of those who wait.
    pub(super) fn set_alarm(&self, at: Timestamp) {
        self.clock.wake_at(at, &self.alarm);
    }

    /// When a lease that starts now ends.
    #[inline]
    pub(super) fn lease_until(&self, now: Timestamp) -> Timestamp {
        self.settings.lease.map_or(Timestamp::MAX, |lease| now.plus(lease))
    }

    /// True if an observer hears of each call.
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
        trace::tell_alert(alert);
        self.tell(|observer| observer.on_alert(alert));
    }

    /// False for a doubt about an unread field that has raised an alert before.
    pub(super) fn is_new(&self, doubt: &Doubt) -> bool {
        let Doubt::UnknownField { field } = doubt else { return true };
        let name = first_half(blake3::Hasher::new().update(field.as_bytes()));
        let mut unread = self.unread.lock();
        unread.len() < MOST_UNREAD && unread.insert(name)
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
        let model = match self.settings.auto_tier {
            Service::Standard => model,
            ref tier => model.with_auto_tier(tier),
        };
        let name = Arc::clone(model.name());
        let mut number = self.peek(|ledger| ledger.find_model(&name));
        if number.is_none() {
            let named = Arc::clone(&name);
            self.change_soon(move |ledger, now| {
                number_of(ledger, now, &named);
                None
            });
            number = self.peek(|ledger| ledger.find_model(&name));
        }
        Ok(match number {
            Some(number) => model.registered(self.id, number.0),
            None => model, // with a journal it is found by its name until the number is written
        })
    }

    /// The number of a model in this manager's ledger.
    #[inline]
    pub(super) fn model_number(
        &self,
        ledger: &mut Ledger,
        now: Timestamp,
        model: Option<&Model>,
    ) -> ModelId {
        number_for(self.id, ledger, now, model)
    }
}

/// What the clock wakes when a deadline, a new window or the end of a lease has come.
struct Alarm(Weak<Core>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let Some(core) = self.0.upgrade() else { return };
        let someone_waits = core.with_queue(|_, queue, _| {
            queue.forget_alarm();
            queue.len() > 0
        });
        if let Some(books) = core.books().filter(|_| someone_waits) {
            books.request_service();
        }
    }
}

/// What waits is written once more.
impl Drop for Core {
    fn drop(&mut self) {
        if let Some(books) = &self.books {
            books.close(self);
        }
    }
}

/// The number of a model in the ledger of the manager `owner`.
#[inline]
pub(super) fn number_for(
    owner: u64,
    ledger: &mut Ledger,
    now: Timestamp,
    model: Option<&Model>,
) -> ModelId {
    let Some(model) = model else { return ModelId::NONE };
    match model.number_of(owner) {
        Some(number) => ModelId(number),
        None => number_of(ledger, now, model.name()),
    }
}

/// Rolls the windows and ends the leases that are due, as events of their own (fine print). `end` says
/// what becomes of a hold whose lease has ended at a moment; `None` is nothing yet. False if there is
/// such a hold.
pub(super) fn catch_up(
    ledger: &mut Ledger,
    now: Timestamp,
    mut end: impl FnMut(HoldId, Timestamp) -> Option<LostCall>,
) -> bool {
    while let Some(due) = ledger.due(now) {
        let command = match due {
            Due::LeaseEnd(hold) => match end(hold, ledger.next_due()) {
                Some(lost) => ending(hold, lost),
                None => {
                    catch_up_around(ledger, now, end);
                    return false;
                }
            },
            Due::Roll { window, unit, zone } => {
                Command::RollWindow { window, bounds: window_around(unit, zone, now) }
            }
        };
        if !is_done(ledger, now, &command) {
            break;
        }
    }
    true
}

/// The same, around holds that are not to end yet.
#[cold]
fn catch_up_around(
    ledger: &mut Ledger,
    now: Timestamp,
    mut end: impl FnMut(HoldId, Timestamp) -> Option<LostCall>,
) {
    while let Some(Due::Roll { window, unit, zone }) = ledger.roll_due(now) {
        let bounds = window_around(unit, zone, now);
        if !is_done(ledger, now, &Command::RollWindow { window, bounds }) {
            return;
        }
    }
    let mut due: Vec<(Timestamp, HoldId)> = ledger
        .holds()
        .filter(|(.., until)| *until <= now)
        .map(|(hold, _, at)| (at, hold))
        .collect();
    due.sort_by_key(|(until, _)| *until);
    for (until, hold) in due {
        if let Some(lost) = end(hold, until) {
            is_done(ledger, now, &ending(hold, lost));
        }
    }
}

fn ending(hold: HoldId, lost: LostCall) -> Command {
    match lost {
        LostCall::ChargeHold | LostCall::ChargeInput => Command::ExpireCharged { hold },
        LostCall::Release => Command::ExpireReleased { hold },
    }
}

fn is_done(ledger: &mut Ledger, now: Timestamp, command: &Command) -> bool {
    let done = ledger.execute(now, command);
    debug_assert!(done.is_ok(), "what is due is refused: {done:?}");
    done.is_ok()
}

pub(super) fn alerts_of(ledger: &mut Ledger) -> Vec<Alert> {
    let at = ledger.now();
    ledger.take_notices().into_iter().map(|notice| Alert::from_notice(at, notice)).collect()
}

/// The number of a model, given one if it has none. Without a place left it counts as no model.
#[cold]
pub(super) fn number_of(ledger: &mut Ledger, now: Timestamp, name: &Arc<str>) -> ModelId {
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

/// The first half of a hash, as a number.
pub(super) fn first_half(hasher: &blake3::Hasher) -> u128 {
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(half)
}
