//! Owns admitting: the one way in of a call that asks, what stops it, and the word to those who are
//! told.

use std::sync::Arc;

use super::account::Account;
use super::ask::{Who, Wishes};
use super::core::{Core, State, number_for};
use super::error::{InvalidCall, ReserveError};
use super::queue::{Asking, LAST, Queue};
use super::quote::Quote;
use super::reservation::{Admitted, Price, Reservation};
use super::trace;
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::{
    AccountId, Change, CostBound, Event, Ledger, LimitId, ModelId, Need, Path, Rejection, Reserve,
    Reserved, Retry, Target,
};
use crate::money::Usd;
use crate::price::{Estimate, Model, PriceError};

impl Core {
    /// The one way in: prices each alternative at the time inside the lock, and admits the first
    /// that fits.
    pub(super) fn reserve(
        self: &Arc<Core>,
        who: Who<'_>,
        first: &Estimate,
        others: &[Estimate],
        wishes: &Wishes<'_>,
    ) -> Result<Reservation, ReserveError> {
        wishes.check(self).map_err(ReserveError::Invalid)?;
        if self.books().is_some() {
            return self.reserve_in_books(who, first, others, wishes);
        }
        let mut entered = self.enter();
        let (state, now) = (&mut *entered.state, entered.now);
        if self.is_plain() && !state.queue.is_busy() {
            if let Some(admitted) = self.admit_plainly(&mut state.ledger, now, who, first, wishes) {
                self.leave(entered);
                return Ok(Reservation::new(self, who, &admitted, first));
            }
        }
        let State { ledger, queue } = state;
        let all = || std::iter::once(first).chain(others);
        let outcome = self.admit_at_length(ledger, queue, now, who, all(), wishes);
        self.leave(entered);
        self.told(who, outcome, all())
    }

    /// Admits the first alternative that fits, in whatever way.
    #[cold]
    #[inline(never)]
    fn admit_at_length<'e>(
        &self,
        ledger: &mut Ledger,
        queue: &mut Queue,
        now: Timestamp,
        who: Who<'_>,
        estimates: impl Iterator<Item = &'e Estimate>,
        wishes: &Wishes<'_>,
    ) -> Result<Admitted, ReserveError> {
        let asks = (who.find(ledger, now, &self.settings.account_caps)?, estimates);
        let asking = Asking { place: LAST, wrap_up: wishes.wrap_up };
        let mut refused = Refused::new(false);
        match self.admit_first(ledger, queue, now, asks, wishes, asking, &mut refused) {
            Some(admitted) => Ok(admitted),
            None => Err(self.in_words(ledger, refused, &who.path())),
        }
    }

    /// The same in the transaction that also writes it.
    #[cold]
    #[inline(never)]
    fn reserve_in_books(
        self: &Arc<Core>,
        who: Who<'_>,
        first: &Estimate,
        others: &[Estimate],
        wishes: &Wishes<'_>,
    ) -> Result<Reservation, ReserveError> {
        let core = Arc::clone(self);
        let ask = OwnedAsk::new(self, who, first, others, wishes);
        let written =
            self.change_with_queue(move |ledger, queue, now| ask.admit(&core, ledger, queue, now));
        let outcome = written.unwrap_or_else(|error| Err(error.into()));
        self.told(who, outcome, std::iter::once(first).chain(others))
    }

    /// Makes the guard, and tells of it.
    #[cold]
    #[inline(never)]
    pub(super) fn told<'e>(
        self: &Arc<Core>,
        who: Who<'_>,
        outcome: Result<Admitted, ReserveError>,
        estimates: impl Iterator<Item = &'e Estimate>,
    ) -> Result<Reservation, ReserveError> {
        let outcome = outcome.and_then(|admitted| self.guard(who, &admitted, estimates));
        self.tell_outcome(who, &outcome);
        outcome
    }

    /// Admits the first alternative that fits, and awaits that it is written.
    pub(super) async fn reserve_written(
        self: &Arc<Core>,
        account: &Account,
        first: &Estimate,
        others: &[Estimate],
        wishes: &Wishes<'_>,
    ) -> Result<Reservation, ReserveError> {
        wishes.check(self).map_err(ReserveError::Invalid)?;
        let ask = Arc::new(OwnedAsk::new(self, account.who(), first, others, wishes));
        let (core, asked) = (Arc::clone(self), Arc::clone(&ask));
        let work = move |ledger: &mut Ledger, queue: &mut Queue, now| {
            asked.admit(&core, ledger, queue, now)
        };
        let core = Arc::clone(self);
        let make = move |outcome: Result<Admitted, ReserveError>| {
            let guard = |admitted| core.guard(ask.who(), &admitted, ask.estimates.iter());
            let outcome = Some(outcome.and_then(guard));
            Answer { core, ask, outcome }
        };
        match self.change_later(work, make).await {
            Ok(answer) => answer.tell(),
            Err(error) => {
                let outcome = Err(error.into());
                self.tell_outcome(account.who(), &outcome);
                outcome
            }
        }
    }

    /// Admits the first alternative at its whole length, if it stands alone, no limit is in the way
    /// and the account is there. `None` says nothing.
    #[inline(always)]
    fn admit_plainly(
        &self,
        ledger: &mut Ledger,
        now: Timestamp,
        who: Who<'_>,
        estimate: &Estimate,
        wishes: &Wishes<'_>,
    ) -> Option<Admitted> {
        let account = match who {
            Who::Account(id, _) => id,
            Who::Named(name) => ledger.find(name)?,
        };
        if wishes.outer_hold().is_some() {
            return None;
        }
        let bound = estimate.bound(now).ok()?;
        let model = self.model_number(ledger, now, estimate.model());
        let target = Target { account, tags: wishes.tags, model };
        let bound = with_floor(bound, wishes.at_least);
        let lease_until = self.lease_until(now);
        let (hold, cost) =
            ledger.reserve_plainly(now, &target, &bound, wishes.wrap_up, lease_until)?;
        Some(Admitted {
            hold,
            at: now,
            held: Usd::from_pico(cost),
            max_output_tokens: bound.cap,
            output: price_of(&bound, wishes),
            alternative: 0,
        })
    }

    /// Admits the first alternative that fits and stands behind nobody, or notes what stops them and,
    /// if the call can wait, where it would have to.
    #[expect(clippy::too_many_arguments, reason = "what is asked, of whom, and from which place")]
    pub(super) fn admit_first<'e>(
        &self,
        ledger: &mut Ledger,
        queue: &mut Queue,
        now: Timestamp,
        (account, estimates): (AccountId, impl Iterator<Item = &'e Estimate>),
        wishes: &Wishes<'_>,
        asking: Asking,
        refused: &mut Refused,
    ) -> Option<Admitted> {
        for (alternative, estimate) in estimates.enumerate() {
            let bound = match estimate.bound(now) {
                Ok(bound) => bound,
                Err(error) => {
                    refused.add(Stop::Price(error));
                    continue;
                }
            };
            let reserve = self.reserve_of(ledger, now, account, estimate.model(), &bound, wishes);
            let assumed = assumed_output(estimate, &bound, wishes);
            let decided = examine(ledger, queue, now, &reserve, assumed, asking, refused);
            let Some(reserved) = decided else { continue };
            let admitted = Admitted {
                hold: reserved.hold,
                at: now,
                held: Usd::from_pico(reserved.amounts.cost),
                max_output_tokens: reserved.output_cap,
                output: price_of(&bound, wishes),
                alternative,
            };
            ledger.apply(&Event { at: now, change: Change::Reserved(reserved) });
            if reserve.outer.is_none() {
                queue.note_taken();
            }
            return Some(admitted);
        }
        None
    }

    /// The refusal that a caller sees.
    #[cold]
    pub(super) fn in_words(
        &self,
        ledger: &Ledger,
        refused: Refused,
        asked_by: &Path,
    ) -> ReserveError {
        match refused.stop {
            Some(Stop::Rejected(rejection, assumed)) => {
                let error = ReserveError::from_rejection(ledger, rejection, asked_by);
                error.with_assumed_output(assumed)
            }
            Some(Stop::Price(error)) => error.into(),
            Some(Stop::Behind(limit, ahead)) => {
                ReserveError::behind(ledger, limit, ahead, asked_by)
            }
            None => ReserveError::Invalid(InvalidCall::Impossible),
        }
    }

    #[inline]
    fn reserve_of(
        &self,
        ledger: &mut Ledger,
        now: Timestamp,
        account: AccountId,
        model: Option<&Model>,
        bound: &CostBound,
        wishes: &Wishes<'_>,
    ) -> Reserve {
        let model = self.model_number(ledger, now, model);
        self.reserve_with(now, account, model, bound, wishes)
    }

    #[inline]
    fn reserve_with(
        &self,
        now: Timestamp,
        account: AccountId,
        model: ModelId,
        bound: &CostBound,
        wishes: &Wishes<'_>,
    ) -> Reserve {
        Reserve {
            target: Target { account, tags: wishes.tags, model },
            bound: with_floor(*bound, wishes.at_least),
            wrap_up: wishes.wrap_up,
            outer: wishes.outer_hold(),
            lease_until: self.lease_until(now),
        }
    }

    /// What the call would hold if it asked at this moment, or why it would be refused. Nothing is
    /// held, no observer is notified and no account is opened; only a model without a number gets
    /// one.
    pub(super) fn quote(
        self: &Arc<Core>,
        who: Who<'_>,
        first: &Estimate,
        others: &[Estimate],
        wishes: &Wishes<'_>,
    ) -> Result<Quote, ReserveError> {
        wishes.check(self).map_err(ReserveError::Invalid)?;
        let mut all = Vec::with_capacity(others.len().saturating_add(1));
        for estimate in std::iter::once(first).chain(others) {
            all.push((self.number_to_quote(estimate.model())?, estimate));
        }
        self.read_with_queue(|ledger, queue, now| {
            let account = who.nearest(ledger)?;
            let asking = Asking { place: LAST, wrap_up: wishes.wrap_up };
            let mut refused = Refused::new(false);
            for (alternative, (model, estimate)) in all.iter().enumerate() {
                let bound = match estimate.bound(now) {
                    Ok(bound) => bound,
                    Err(error) => {
                        refused.add(Stop::Price(error));
                        continue;
                    }
                };
                let reserve = self.reserve_with(now, account, *model, &bound, wishes);
                let assumed = assumed_output(estimate, &bound, wishes);
                let decided = examine(ledger, queue, now, &reserve, assumed, asking, &mut refused);
                let Some(reserved) = decided else { continue };
                return Ok(Quote {
                    held: Usd::from_pico(reserved.amounts.cost),
                    max_output_tokens: reserved.output_cap,
                    alternative,
                    cap_is_assumed: estimate.cap_is_assumed(),
                });
            }
            Err(self.in_words(ledger, refused, &who.path()))
        })
    }

    /// The number of a model, which is given one if it has none.
    fn number_to_quote(&self, model: Option<&Model>) -> Result<ModelId, JournalError> {
        match model.map_or(Some(ModelId::NONE.0), |model| model.number_of(self.id)) {
            Some(number) => Ok(ModelId(number)),
            None => {
                let (owner, model) = (self.id, model.cloned());
                self.change(move |ledger, now| number_for(owner, ledger, now, model.as_ref()))
            }
        }
    }

    /// The guard of what was admitted: from now on this process has it.
    pub(super) fn guard<'e>(
        self: &Arc<Core>,
        who: Who<'_>,
        admitted: &Admitted,
        mut estimates: impl Iterator<Item = &'e Estimate>,
    ) -> Result<Reservation, ReserveError> {
        let estimate = estimates.nth(admitted.alternative);
        let estimate = estimate.ok_or(ReserveError::Invalid(InvalidCall::Impossible))?;
        let hold = Reservation::new(self, who, admitted, estimate);
        if let Some(books) = self.books() {
            books.note_guard(hold.id());
        }
        Ok(hold)
    }

    /// Tells what came of asking.
    #[cold]
    pub(super) fn tell_outcome(&self, who: Who<'_>, outcome: &Result<Reservation, ReserveError>) {
        if let Err(error) = outcome {
            trace::tell_refused(|| who.path(), error);
        }
        if self.is_watched() {
            let account = who.path();
            self.tell(|observer| match outcome {
                Ok(hold) => observer.on_reserve(&account, hold),
                Err(error) => observer.on_refuse(&account, error),
            });
        }
    }
}

/// A call that wants in, for a thread that does not know who asks.
struct OwnedAsk {
    account: Result<(AccountId, Path), String>,
    estimates: Vec<Estimate>,
    wishes: Wishes<'static>,
}

impl OwnedAsk {
    fn new(
        core: &Arc<Core>,
        who: Who<'_>,
        first: &Estimate,
        others: &[Estimate],
        wishes: &Wishes<'_>,
    ) -> OwnedAsk {
        let account = match who {
            Who::Account(id, path) => Ok((id, path.clone())),
            Who::Named(name) => Err(name.to_owned()),
        };
        let estimates = std::iter::once(first).chain(others).cloned().collect();
        OwnedAsk { account, estimates, wishes: wishes.owned(core) }
    }

    fn admit(
        &self,
        core: &Core,
        ledger: &mut Ledger,
        queue: &mut Queue,
        now: Timestamp,
    ) -> Result<Admitted, ReserveError> {
        let estimates = self.estimates.iter();
        core.admit_at_length(ledger, queue, now, self.who(), estimates, &self.wishes)
    }

    fn who(&self) -> Who<'_> {
        match &self.account {
            Ok((id, path)) => Who::Account(*id, path),
            Err(name) => Who::Named(name),
        }
    }
}

/// What came of asking, until it is told: to whoever asked and the observers, or to them alone.
struct Answer {
    core: Arc<Core>,
    ask: Arc<OwnedAsk>,
    outcome: Option<Result<Reservation, ReserveError>>,
}

impl Answer {
    fn tell(mut self) -> Result<Reservation, ReserveError> {
        let outcome = self.outcome.take();
        let outcome = outcome.unwrap_or(Err(ReserveError::Invalid(InvalidCall::Impossible)));
        self.core.tell_outcome(self.ask.who(), &outcome);
        outcome
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.core.tell_outcome(self.ask.who(), &outcome);
        }
    }
}

/// Decides an alternative that no earlier call is in the way of; else notes what stops it and, if
/// the call can wait, where it would have to.
#[inline]
fn examine(
    ledger: &Ledger,
    queue: &Queue,
    now: Timestamp,
    reserve: &Reserve,
    assumed_output: Option<u64>,
    asking: Asking,
    refused: &mut Refused,
) -> Option<Reserved> {
    let decided = ledger.decide_reserve(now, reserve);
    let looks = refused.can_wait || queue.is_busy();
    let needs = if looks { ledger.needs(now, reserve) } else { Vec::new() };
    let behind = needs.iter().find(|need| queue.is_before(asking, need));
    let stop = match (decided, behind) {
        (Ok(reserved), None) => return Some(reserved),
        (Err(rejection), _) if !may_pass_later(&rejection) => {
            refused.add(Stop::Rejected(rejection, assumed_output));
            return None;
        }
        (_, Some(need)) => Stop::Behind(need.limit, queue.ahead_of(asking, need)),
        (Err(rejection), None) => Stop::Rejected(rejection, assumed_output),
    };
    refused.add(stop);
    refused.add_hope(&needs, |need| queue.is_before(asking, need));
    None
}

/// The output cap that is asked for in full although the call names none.
fn assumed_output(estimate: &Estimate, bound: &CostBound, wishes: &Wishes<'_>) -> Option<u64> {
    (estimate.cap_is_assumed() && wishes.at_least.is_none()).then_some(bound.cap)
}

#[inline]
fn price_of(bound: &CostBound, wishes: &Wishes<'_>) -> Price {
    Price { per_output: bound.per_output, choices: bound.choices, wrap_up: wishes.wrap_up }
}

/// The bound with the shortest output that is of use to the call.
#[inline]
fn with_floor(bound: CostBound, at_least: Option<u64>) -> CostBound {
    CostBound { floor: at_least.unwrap_or(bound.cap).min(bound.cap), ..bound }
}

/// What stops an alternative.
#[derive(Debug)]
pub(super) enum Stop {
    /// With the output cap that was asked for because none was named.
    Rejected(Rejection, Option<u64>),
    Price(PriceError),
    /// Others who wait for a limit, and how many they are.
    Behind(LimitId, usize),
}

impl Stop {
    /// When a limit lets it pass; `None` if it is none that stops it.
    fn passes(&self) -> Option<Retry> {
        match self {
            Stop::Rejected(Rejection::Blocked(refusal), _) => Some(refusal.retry),
            Stop::Behind(..) => Some(Retry::WhenHoldsEnd),
            _ => None,
        }
    }
}

fn may_pass_later(rejection: &Rejection) -> bool {
    matches!(rejection, Rejection::Blocked(refusal) if refusal.retry != Retry::Never)
}

/// Why none of the alternatives is admitted, and what a call that waits has to know.
#[derive(Debug)]
pub(super) struct Refused {
    /// True if it is a call that can wait.
    can_wait: bool,
    /// Of several the one that could pass soonest, of equals the last.
    stop: Option<Stop>,
    /// The limits to stand in line at; none if there is nothing to hope for.
    pub(super) limits: Vec<LimitId>,
    /// When time alone will have made room.
    pub(super) again_at: Timestamp,
}

impl Refused {
    pub(super) fn new(can_wait: bool) -> Refused {
        Refused { can_wait, stop: None, limits: Vec::new(), again_at: Timestamp::MAX }
    }

    /// True if it could pass without anybody's raising a limit.
    pub(super) fn has_hope(&self) -> bool {
        !self.limits.is_empty()
    }

    pub(super) fn is_frozen(&self) -> bool {
        matches!(self.stop, Some(Stop::Rejected(Rejection::Frozen { .. }, _)))
    }

    fn add(&mut self, stop: Stop) {
        let stays = |before: &Stop| match before.passes() {
            None => true,
            Some(passes) => passes < stop.passes().unwrap_or(Retry::Never),
        };
        if !self.stop.as_ref().is_some_and(stays) {
            self.stop = Some(stop);
        }
    }

    /// One more alternative to hope for.
    fn add_hope(&mut self, needs: &[Need], has_line: impl Fn(&Need) -> bool) {
        let stops = |need: &&Need| need.is_in_the_way || has_line(need);
        self.limits.extend(needs.iter().filter(stops).map(|need| need.limit));
        // Several rolling limits have room together when the last of them has.
        let room_at = needs.iter().filter_map(|need| need.room_at).max();
        self.again_at = self.again_at.min(room_at.unwrap_or(Timestamp::MAX));
    }
}
