//! `Core::admit` decides whether a call gets its money. It is the one way in: for a call that is
//! decided at once, one that waits, and one that is written.

use std::sync::Arc;

use super::call_request::{CallRequest, Options};
use super::core::{Core, State, number_for};
use super::error::{AccountError, InvalidCall, Queued, ReserveError};
use super::queue::{Admitted, LAST, Place, Price, Queue};
use super::quote::Quote;
use super::reservation::Reservation;
use super::trace;
use crate::clock::Timestamp;
use crate::journal::JournalError;
use crate::ledger::{
    AccountId, Change, CostBound, Event, Ledger, Limit, LimitId, ModelId, Need, Path, Rejection,
    Reserve, Reserved, Retry, Target,
};
use crate::money::Usd;
use crate::price::{Estimate, Model, PriceError};

impl Core {
    /// Reserves for a call, and notifies the observers.
    pub(super) fn reserve(
        self: &Arc<Core>,
        request: &CallRequest<'_>,
    ) -> Result<Reservation, ReserveError> {
        if let Some(invalid) = request.options.invalid {
            return Err(ReserveError::Invalid(invalid));
        }
        if self.books().is_some() {
            return self.reserve_in_books(request.clone().into_owned());
        }
        let mut entered = self.enter();
        let State { ledger, queue } = &mut *entered.state;
        match self.admit(ledger, queue, entered.now, request, LAST) {
            Ok(admitted) => {
                self.leave(entered);
                if self.is_plain() {
                    return Ok(Reservation::new(self, request, &admitted));
                }
                self.finish_reserve(request, Ok(admitted))
            }
            Err(refused) => {
                let error = refused.into_error(queue, request, LAST);
                self.leave(entered);
                self.finish_reserve(request, Err(error))
            }
        }
    }

    /// The same in the transaction that also writes it, for which the caller waits.
    #[cold]
    #[inline(never)]
    fn reserve_in_books(
        self: &Arc<Core>,
        request: CallRequest<'static>,
    ) -> Result<Reservation, ReserveError> {
        let request = Arc::new(request);
        let written = self.change_with_queue(self.admission(&request));
        let outcome = written.unwrap_or_else(|error| Err(error.into()));
        self.finish_reserve(&request, outcome)
    }

    /// The same without blocking the thread.
    pub(super) async fn reserve_written(
        self: &Arc<Core>,
        request: CallRequest<'static>,
    ) -> Result<Reservation, ReserveError> {
        if let Some(invalid) = request.options.invalid {
            return Err(ReserveError::Invalid(invalid));
        }
        let (core, request) = (Arc::clone(self), Arc::new(request));
        let (work, asked) = (self.admission(&request), Arc::clone(&request));
        let make = move |outcome: Result<Admitted, ReserveError>| {
            let outcome = outcome.map(|admitted| core.guard(&asked, &admitted));
            Answer { core, request: asked, outcome: Some(outcome) }
        };
        match self.change_later(work, make).await {
            Ok(answer) => answer.tell(),
            Err(error) => self.finish_reserve(&request, Err(error.into())),
        }
    }

    /// Admits a call in a transaction, again if need be.
    fn admission(
        self: &Arc<Core>,
        request: &Arc<CallRequest<'static>>,
    ) -> impl FnMut(&mut Ledger, &mut Queue, Timestamp) -> Result<Admitted, ReserveError> + Send + 'static
    {
        let (core, request) = (Arc::clone(self), Arc::clone(request));
        move |ledger, queue, now| {
            let admitted = core.admit(ledger, queue, now, &request, LAST);
            admitted.map_err(|refused| refused.into_error(queue, &request, LAST))
        }
    }

    /// Makes the guard, and notifies the observers.
    #[cold]
    #[inline(never)]
    pub(super) fn finish_reserve(
        self: &Arc<Core>,
        request: &CallRequest<'_>,
        outcome: Result<Admitted, ReserveError>,
    ) -> Result<Reservation, ReserveError> {
        let outcome = outcome.map(|admitted| self.guard(request, &admitted));
        self.notify_reserve(request, &outcome);
        outcome
    }

    /// The guard of what was admitted: from now on this process has it.
    fn guard(self: &Arc<Core>, request: &CallRequest<'_>, admitted: &Admitted) -> Reservation {
        if let Some(books) = self.books() {
            books.note_guard(admitted.hold);
        }
        Reservation::new(self, request, admitted)
    }

    #[cold]
    fn notify_reserve(
        &self,
        request: &CallRequest<'_>,
        outcome: &Result<Reservation, ReserveError>,
    ) {
        if let Err(error) = outcome {
            trace::tell_refused(|| request.account.path(), error);
        }
        if self.is_watched() {
            let account = request.account.path();
            self.tell(|observer| match outcome {
                Ok(hold) => observer.on_reserve(&account, hold),
                Err(error) => observer.on_refuse(&account, error),
            });
        }
    }

    /// Admits the first alternative that fits and that no call before `place` waits for.
    #[inline(always)]
    pub(super) fn admit(
        &self,
        ledger: &mut Ledger,
        queue: &mut Queue,
        now: Timestamp,
        request: &CallRequest<'_>,
        place: Place,
    ) -> Result<Admitted, Refused> {
        // No call waits, no observer listens and no journal writes: no event is needed.
        if self.is_plain() && !queue.is_busy() {
            if let Some(admitted) = self.admit_fast(ledger, now, request) {
                return Ok(admitted);
            }
        }
        self.admit_any(ledger, queue, now, request, place)
    }

    /// Admits the first alternative at its whole length, if no limit is in the way, it is not inside
    /// another call and the account is there. `None` leaves it to `admit_any`.
    #[inline(always)]
    fn admit_fast(
        &self,
        ledger: &mut Ledger,
        now: Timestamp,
        request: &CallRequest<'_>,
    ) -> Option<Admitted> {
        let (estimate, options): (_, &Options) = (request.first(), &request.options);
        let account = request.account.find(ledger)?;
        if options.outer.is_some() {
            return None;
        }
        let bound = estimate.bound(now).ok()?;
        let model = number_for(self.id, ledger, now, estimate.model());
        let target = Target { account, tags: options.tags, model };
        let bound = with_floor(bound, options.at_least);
        let lease_until = self.lease_until(now);
        let (hold, cost) =
            ledger.try_reserve(now, &target, &bound, options.wrap_up, lease_until)?;
        Some(Admitted {
            hold,
            at: now,
            held: Usd::from_pico(cost),
            max_output_tokens: bound.cap,
            output: price_of(&bound, options.wrap_up),
            alternative: 0,
        })
    }

    #[cold]
    #[inline(never)]
    fn admit_any(
        &self,
        ledger: &mut Ledger,
        queue: &mut Queue,
        now: Timestamp,
        request: &CallRequest<'_>,
        place: Place,
    ) -> Result<Admitted, Refused> {
        // What has no number in the ledger yet gets one.
        let account = request.account.open(ledger, now, &self.settings.account_caps);
        let account = account.map_err(|error| Refused::by(Stop::Account(error)))?;
        for estimate in request.alternatives() {
            number_for(self.id, ledger, now, estimate.model());
        }
        let Choice { reserved, bound, alternative } =
            self.choose(ledger, queue, now, request, account, place)?;
        let admitted = Admitted {
            hold: reserved.hold,
            at: now,
            held: Usd::from_pico(reserved.amounts.cost),
            max_output_tokens: reserved.output_cap,
            output: price_of(&bound, request.options.wrap_up),
            alternative,
        };
        ledger.apply(&Event { at: now, change: Change::Reserved(reserved) });
        Ok(admitted)
    }

    /// Decides on the alternatives one after the other, and changes nothing.
    fn choose(
        &self,
        ledger: &Ledger,
        queue: &Queue,
        now: Timestamp,
        request: &CallRequest<'_>,
        account: AccountId,
        place: Place,
    ) -> Result<Choice, Refused> {
        let Options { at_least, tags, wrap_up, outer, .. } = *request.options;
        let lease_until = self.lease_until(now);
        let mut refused = Refused::default();
        for (alternative, estimate) in request.alternatives().enumerate() {
            // What it can cost, at the prices of this moment.
            let bound = match estimate.bound(now) {
                Ok(bound) => bound,
                Err(error) => {
                    refused.add(Stop::Price(error));
                    continue;
                }
            };
            let target =
                Target { account, tags, model: self.known_number(ledger, estimate.model()) };
            let bound = with_floor(bound, at_least);
            let reserve = Reserve { target, bound, wrap_up, outer, lease_until };

            // Whether every limit has room, and whether others wait for one of them.
            let decided = ledger.decide_reserve(now, &reserve);
            let may_wait = place != LAST || queue.is_busy();
            let needs = if may_wait { ledger.needs(now, &reserve) } else { Vec::new() };
            let is_before =
                |need: &Need<'_>| queue.is_before(place, wrap_up && need.keeps_a_part, need.id);
            let behind = needs.iter().find(|need| is_before(need));
            let mut stop = match (decided.map_err(Stop::Rejected), behind) {
                (Ok(reserved), None) => return Ok(Choice { reserved, bound, alternative }),
                (Ok(_), Some(need)) => Stop::behind(need),
                (Err(stop), Some(need)) if stop.may_pass_later() => Stop::behind(need),
                (Err(stop), _) => stop,
            };

            // What it would have to wait for.
            if stop.may_pass_later() {
                refused.add_hope(&needs, is_before);
            }
            if estimate.cap_is_assumed() && at_least.is_none() {
                stop.note_assumed_output(bound.cap);
            }
            refused.add(stop);
        }
        Err(refused)
    }

    /// What the call would hold if it asked at this moment, or why it would be refused. Nothing is
    /// held, no observer is notified and no account is opened; only a model without a number gets
    /// one.
    pub(super) fn quote(&self, request: &CallRequest<'_>) -> Result<Quote, ReserveError> {
        if let Some(invalid) = request.options.invalid {
            return Err(ReserveError::Invalid(invalid));
        }
        for model in request.alternatives().filter_map(Estimate::model) {
            self.give_number(model)?;
        }
        self.read_with_queue(|ledger, queue, now| {
            let account = request.account.nearest(ledger)?;
            match self.choose(ledger, queue, now, request, account, LAST) {
                Ok(Choice { reserved, alternative, .. }) => Ok(Quote {
                    held: Usd::from_pico(reserved.amounts.cost),
                    max_output_tokens: reserved.output_cap,
                    alternative,
                    cap_is_assumed: request.alternative(alternative).cap_is_assumed(),
                }),
                Err(refused) => Err(refused.into_error(queue, request, LAST)),
            }
        })
    }

    /// The number of a model; of one that has none, that of no model.
    fn known_number(&self, ledger: &Ledger, model: Option<&Model>) -> ModelId {
        let Some(model) = model else { return ModelId::NONE };
        let number = model.number_of(self.id).map(ModelId);
        number.or_else(|| ledger.find_model(model.name())).unwrap_or(ModelId::NONE)
    }

    fn give_number(&self, model: &Model) -> Result<(), JournalError> {
        if model.number_of(self.id).is_some() {
            return Ok(());
        }
        let (owner, model) = (self.id, model.clone());
        self.change(move |ledger, now| {
            number_for(owner, ledger, now, Some(&model));
        })
    }
}

/// The answer to a call, until its observers are notified: by the caller, or if no task awaits it any
/// more, when it is dropped.
struct Answer {
    core: Arc<Core>,
    request: Arc<CallRequest<'static>>,
    outcome: Option<Result<Reservation, ReserveError>>,
}

impl Answer {
    fn tell(mut self) -> Result<Reservation, ReserveError> {
        let outcome = self.outcome.take();
        let outcome = outcome.unwrap_or(Err(ReserveError::Invalid(InvalidCall::Impossible)));
        self.core.notify_reserve(&self.request, &outcome);
        outcome
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            self.core.notify_reserve(&self.request, &outcome);
        }
    }
}

/// The alternative that can be admitted.
struct Choice {
    reserved: Reserved,
    bound: CostBound,
    alternative: usize,
}

#[inline]
fn price_of(bound: &CostBound, wrap_up: bool) -> Price {
    Price { per_output: bound.per_output, choices: bound.choices, wrap_up }
}

/// The bound with the shortest output that is of use to the call.
#[inline]
fn with_floor(bound: CostBound, at_least: Option<u64>) -> CostBound {
    CostBound { floor: at_least.unwrap_or(bound.cap).min(bound.cap), ..bound }
}

/// What stops an alternative.
#[derive(Debug)]
enum Stop {
    Account(AccountError),
    Price(PriceError),
    Rejected(Rejection),
    /// Earlier calls wait for a limit of that account.
    Behind {
        id: LimitId,
        keeps_a_part: bool,
        account: Path,
        limit: Arc<Limit>,
    },
}

impl Stop {
    fn behind(need: &Need<'_>) -> Stop {
        let Need { id, keeps_a_part, account, limit, .. } = *need;
        Stop::Behind { id, keeps_a_part, account: account.clone(), limit: Arc::clone(limit) }
    }

    /// When a limit lets it pass; `None` if it is none that stops it.
    fn passes(&self) -> Option<Retry> {
        match self {
            Stop::Rejected(Rejection::Blocked(denied)) => Some(denied.retry),
            Stop::Behind { .. } => Some(Retry::WhenHoldsEnd),
            _ => None,
        }
    }

    /// The call names no output cap, and this one was asked for in its place.
    fn note_assumed_output(&mut self, cap: u64) {
        if let Stop::Rejected(Rejection::Blocked(denied)) = self {
            denied.assumed_output_tokens = Some(cap);
        }
    }

    fn may_pass_later(&self) -> bool {
        self.passes().is_some_and(|passes| passes != Retry::Never)
    }
}

/// Why none of the alternatives is admitted, and what the call would have to wait for.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Of several the one that could pass soonest, of equals the last.
    stop: Option<Stop>,
    /// The limits to wait for, each with the moment at which time will have made room there; none if
    /// waiting does not help.
    pub(super) limits: Vec<(LimitId, Option<Timestamp>)>,
}

impl Refused {
    fn by(stop: Stop) -> Refused {
        Refused { stop: Some(stop), ..Refused::default() }
    }

    /// True if it could pass without anybody's raising a limit.
    pub(super) fn has_hope(&self) -> bool {
        !self.limits.is_empty()
    }

    pub(super) fn is_frozen(&self) -> bool {
        matches!(self.stop, Some(Stop::Rejected(Rejection::Frozen { .. })))
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
    fn add_hope(&mut self, needs: &[Need<'_>], is_before: impl Fn(&Need<'_>) -> bool) {
        let stops = |need: &&Need<'_>| need.is_in_the_way || is_before(need);
        self.limits.extend(needs.iter().filter(stops).map(|need| (need.id, need.room_at)));
    }

    /// The refusal that a caller sees.
    #[cold]
    pub(super) fn into_error(
        self,
        queue: &Queue,
        request: &CallRequest<'_>,
        place: Place,
    ) -> ReserveError {
        match self.stop {
            Some(Stop::Account(error)) => error.into(),
            Some(Stop::Price(error)) => error.into(),
            Some(Stop::Rejected(rejection)) => {
                ReserveError::from_rejection(rejection, &request.account.path())
            }
            Some(Stop::Behind { id, keeps_a_part, account, limit }) => {
                let passes = request.options.wrap_up && keeps_a_part;
                let ahead = queue.ahead_of(place, passes, id);
                let asked_by = request.account.path();
                ReserveError::Queued(Box::new(Queued { asked_by, account, limit, ahead }))
            }
            None => ReserveError::Invalid(InvalidCall::Impossible),
        }
    }
}
