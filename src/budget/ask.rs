//! Owns asking: [`Ask`], a call that wants in with all its wishes, and what stops it.

use std::borrow::Cow;
use std::sync::Arc;

use super::account::{Account, Tag};
use super::core::{Core, number_for, open_account};
use super::error::{AccountError, InvalidCall, ReserveError};
use super::queue::{Asking, LAST, Queue};
use super::reservation::{Admitted, OuterHold, Price, Reservation};
use super::trace;
use crate::clock::Timestamp;
use crate::ledger::{
    AccountId, Bid, Change, Event, HoldId, Ledger, LimitId, ModelId, Need, Path, Rejection,
    Reserve, Retry, Tags, Target,
};
use crate::money::Usd;
use crate::price::{Bound, Estimate, Model, PriceError};

/// A call that wants in: made by [`Account::ask`], ended by [`reserve`](Ask::reserve) or
/// [`wait`](Ask::wait).
///
/// The first alternative that fits is admitted, all limits or none, under one lock:
///
/// ```
/// use bursar::{BudgetManager, Usd};
///
/// let budget = BudgetManager::new(Usd::cents(2))?;
/// let crawler = budget.account("crawler")?;
/// let user = budget.tag("user:42")?;
/// let (sol, luna) = (budget.model("gpt-6.1-sol")?, budget.model("gpt-6-luna")?);
///
/// let hold = crawler
///     .ask(sol.estimate().input(9_000).max_output(4_000)) // up to $0.06
///     .or(luna.estimate().input(9_000).max_output(4_000)) // up to $0.0032
///     .at_least(1_000)
///     .tag(&user)
///     .reserve()?;
/// assert_eq!(hold.alternative(), 1);
/// # hold.release();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is held until `reserve` or `wait` is called"]
pub struct Ask<'a> {
    pub(super) account: &'a Account,
    pub(super) first: Cow<'a, Estimate>,
    pub(super) others: Cow<'a, [Estimate]>,
    pub(super) wishes: Wishes<'a>,
}

/// What a call wants beside its estimate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes<'a> {
    at_least: Option<u64>,
    pub(super) tags: Tags,
    pub(super) wrap_up: bool,
    outer: Option<&'a Reservation>,
    /// The outer call's hold, if somebody else guards it.
    lent: Option<HoldId>,
    /// A wish that cannot be: told when it is asked for.
    pub(super) wrong: Option<InvalidCall>,
}

impl Wishes<'_> {
    pub(super) const NONE: Wishes<'static> = Wishes {
        at_least: None,
        tags: Tags::NONE,
        wrap_up: false,
        outer: None,
        lent: None,
        wrong: None,
    };

    /// The hold that the call is to come out of.
    #[inline]
    pub(super) fn outer_hold(&self) -> Option<HoldId> {
        self.outer.map(Reservation::id).or(self.lent)
    }

    /// The same wishes, with a number in the place of a borrowed guard.
    pub(super) fn owned(&self, core: &Arc<Core>) -> Wishes<'static> {
        let (outer, lent, wrong) = (None, self.outer_hold(), self.check(core).err());
        Wishes {
            outer,
            lent,
            wrong,
            at_least: self.at_least,
            tags: self.tags,
            wrap_up: self.wrap_up,
        }
    }

    /// A wish that cannot be is an error.
    fn check(&self, core: &Arc<Core>) -> Result<(), InvalidCall> {
        let foreign = self.outer.is_some_and(|outer| !core.is_same(outer));
        match self.wrong.or(foreign.then_some(InvalidCall::ForeignHandle)) {
            Some(wrong) => Err(wrong),
            None => Ok(()),
        }
    }

    pub(super) fn tag(&mut self, core: &Core, tag: &Tag) {
        match self.tags.with(tag.id()) {
            _ if tag.owner() != core.id => self.wrong = Some(InvalidCall::ForeignHandle),
            Some(tags) => self.tags = tags,
            None => self.wrong = Some(InvalidCall::Tags),
        }
    }
}

impl<'a> Ask<'a> {
    #[inline]
    pub(super) fn new(account: &'a Account, first: Estimate) -> Ask<'a> {
        let (first, others) = (Cow::Owned(first), Cow::Borrowed(&[][..]));
        Ask { account, first, others, wishes: Wishes::NONE }
    }

    /// The same for estimates that stay where they are.
    #[inline]
    pub(super) fn lent(
        account: &'a Account,
        first: &'a Estimate,
        others: &'a [Estimate],
    ) -> Ask<'a> {
        let (first, others) = (Cow::Borrowed(first), Cow::Borrowed(others));
        Ask { account, first, others, wishes: Wishes::NONE }
    }

    /// What to take if nothing before fits.
    #[inline]
    pub fn or(mut self, estimate: Estimate) -> Ask<'a> {
        self.others.to_mut().push(estimate);
        self
    }

    /// Makes do with a shorter output, if this many tokens at least can be had for each choice.
    /// Without it the whole output cap is asked for, or nothing.
    #[inline]
    pub fn at_least(mut self, output_tokens: u64) -> Ask<'a> {
        self.wishes.at_least = Some(output_tokens.max(1));
        self
    }

    /// Charges the call to this tag as well. At most four, each of a tag tree of its own.
    #[inline]
    pub fn tag(mut self, tag: &Tag) -> Ask<'a> {
        self.wishes.tag(&self.account.core, tag);
        self
    }

    /// Takes the part of each limit that is kept for wrapping up, see
    /// [`Limit::keep_for_wrap_up`](crate::Limit::keep_for_wrap_up).
    #[inline]
    pub fn wrap_up(mut self) -> Ask<'a> {
        self.wishes.wrap_up = true;
        self
    }

    /// Makes the call inside another: the money comes out of the outer hold as far as it goes, what
    /// is left over goes back to it, and only limits below the outer account are asked for that
    /// part. The outer call settles only what its inner calls have not.
    pub fn inside(mut self, outer: &'a Reservation) -> Ask<'a> {
        self.wishes.outer = Some(outer);
        self
    }

    /// Makes the call inside another whose guard is elsewhere.
    #[inline]
    pub(crate) fn inside_lent(mut self, outer: OuterHold) -> Ask<'a> {
        match outer.core == self.account.core.id {
            true => self.wishes.lent = Some(outer.hold),
            false => self.wishes.wrong = Some(InvalidCall::ForeignHandle),
        }
        self
    }

    /// Sets the money and the tokens aside.
    ///
    /// # Errors
    /// [`ReserveError`]. Of several alternatives that are all refused, the refusal that could pass
    /// soonest, of equals the last. [`ReserveError::Queued`] if others [`wait`](Ask::wait) for room
    /// that it would take. Nothing has been held then.
    #[inline]
    pub fn reserve(self) -> Result<Reservation, ReserveError> {
        self.account.core.reserve(self.account.who(), &self.first, &self.others, &self.wishes)
    }

    /// The same without blocking the thread where there is a journal. A future that is dropped before
    /// it has answered holds nothing.
    ///
    /// # Errors
    /// As for [`reserve`](Ask::reserve).
    pub async fn reserve_async(self) -> Result<Reservation, ReserveError> {
        let core = &self.account.core;
        if core.books().is_none() {
            return self.reserve();
        }
        core.reserve_written(self.account, &self.first, &self.others, &self.wishes).await
    }

    /// Advice, not a promise: whether one of the alternatives would be admitted at this very moment,
    /// see [`Account::can_afford`].
    pub fn can_afford(&self) -> bool {
        let mut all = std::iter::once(&*self.first).chain(&*self.others);
        all.any(|estimate| {
            self.account.core.would_admit(self.account.who(), estimate, &self.wishes)
        })
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) enum Who<'a> {
    Account(AccountId, &'a Path),
    /// By name; opened if it is not there.
    Named(&'a str),
}

impl Who<'_> {
    #[inline]
    fn find(self, ledger: &mut Ledger, now: Timestamp) -> Result<AccountId, AccountError> {
        match self {
            Who::Account(id, _) => Ok(id),
            Who::Named(name) => match ledger.find(name) {
                Some(id) => Ok(id),
                None => open_account(ledger, now, &account_path(name)?),
            },
        }
    }

    /// The account as it was asked for; of a name that is none, the root.
    pub(super) fn path(self) -> Path {
        match self {
            Who::Account(_, path) => path.clone(),
            Who::Named(name) => Path::new(name).unwrap_or_else(|_| Path::root()),
        }
    }

    /// Looks without opening: the account, or the nearest one above it that is there.
    fn nearest(self, ledger: &Ledger) -> Option<AccountId> {
        let Who::Named(name) = self else { return self.id() };
        let mut path = account_path(name).ok()?;
        loop {
            match ledger.find(path.as_str()) {
                Some(account) => return Some(account),
                None => path = path.parent()?,
            }
        }
    }

    fn id(self) -> Option<AccountId> {
        match self {
            Who::Account(id, _) => Some(id),
            Who::Named(_) => None,
        }
    }
}

/// A path of the main tree.
pub(super) fn account_path(name: &str) -> Result<Path, AccountError> {
    let path = Path::new(name)?;
    match path.is_tag() {
        true => Err(AccountError::WrongTree(path, "an account; ask for it with `tag`")),
        false => Ok(path),
    }
}

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
        let plainly = match self.is_plain() {
            false => None,
            true => self.locked_with_queue(|ledger, queue, now| match queue.is_busy() {
                true => None,
                false => self.admit_plainly(ledger, now, who, first, wishes),
            }),
        };
        match plainly {
            Some(admitted) => Ok(Reservation::new(self, who, &admitted, first)),
            None => self.reserve_at_length(who, first, others, wishes),
        }
    }

    /// Admits the first alternative that fits, in whatever way, and tells of it.
    #[cold]
    #[inline(never)]
    fn reserve_at_length(
        self: &Arc<Core>,
        who: Who<'_>,
        first: &Estimate,
        others: &[Estimate],
        wishes: &Wishes<'_>,
    ) -> Result<Reservation, ReserveError> {
        let all = || std::iter::once(first).chain(others);
        let outcome = match self.books() {
            None => self.locked_with_queue(|ledger, queue, now| {
                let asks = (who.find(ledger, now)?, all());
                let asking = Asking { place: LAST, wrap_up: wishes.wrap_up };
                let admitted = self.admit_first(ledger, queue, now, asks, wishes, asking, false);
                admitted.map_err(|refused| self.in_words(ledger, *refused, &who.path()))
            }),
            Some(_) => {
                let core = Arc::clone(self);
                let ask = OwnedAsk::new(self, who, first, others, wishes);
                let written = self.change_with_queue(move |ledger, queue, now| {
                    ask.admit(&core, ledger, queue, now)
                });
                written.unwrap_or_else(|error| Err(error.into()))
            }
        };
        let outcome = outcome.and_then(|admitted| self.guard(who, &admitted, all()));
        self.tell_outcome(who, &outcome);
        outcome
    }

    /// Admits the first alternative that fits, and awaits that it is written.
    async fn reserve_written(
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
            core.guard(ask.who(), &outcome?, ask.estimates.iter())
        };
        let written = self.change_later(work, make).await;
        let outcome = written.unwrap_or_else(|error| Err(error.into()));
        self.tell_outcome(account.who(), &outcome);
        outcome
    }

    /// Admits the first alternative at its whole length, if no limit is in the way and the account
    /// is there. `None` says nothing.
    #[inline]
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
        let bound = estimate.bound(now).ok()?;
        let reserve = self.reserve_of(ledger, now, account, estimate.model(), &bound, wishes);
        let (hold, cost) = ledger.reserve_plainly(now, &reserve)?;
        Some(Admitted {
            hold,
            at: now,
            held: Usd::from_pico(cost),
            max_output_tokens: bound.cap,
            output: price_of(&bound, wishes),
            alternative: 0,
        })
    }

    /// Admits the first alternative that fits and stands behind nobody, or says what stops them and,
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
        can_wait: bool,
    ) -> Result<Admitted, Box<Refused>> {
        let mut refused = Refused::new();
        for (alternative, estimate) in estimates.enumerate() {
            let bound = match estimate.bound(now) {
                Ok(bound) => bound,
                Err(error) => {
                    refused.add(Stop::Price(error));
                    continue;
                }
            };
            let reserve = self.reserve_of(ledger, now, account, estimate.model(), &bound, wishes);
            let decided = ledger.decide_reserve(now, &reserve);
            let looks = can_wait || queue.is_busy();
            let needs = if looks { ledger.needs(now, &reserve) } else { Vec::new() };
            let behind = needs.iter().find(|need| queue.is_before(asking, need));
            let stop = match (decided, behind) {
                (Err(rejection), _) if !may_pass_later(&rejection) => {
                    refused.add(Stop::Rejected(rejection));
                    continue;
                }
                (_, Some(need)) => Stop::Behind(need.limit, queue.ahead_of(asking, need)),
                (Err(rejection), None) => Stop::Rejected(rejection),
                (Ok(reserved), None) => {
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
                    return Ok(admitted);
                }
            };
            refused.add(stop);
            refused.add_hope(&needs, |need| queue.is_before(asking, need));
        }
        Err(Box::new(refused))
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
            Some(Stop::Rejected(rejection)) => {
                ReserveError::from_rejection(ledger, rejection, asked_by)
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
        bound: &Bound,
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
        bound: &Bound,
        wishes: &Wishes<'_>,
    ) -> Reserve {
        Reserve {
            target: Target { account, tags: wishes.tags, model },
            bid: bid(bound, wishes.at_least),
            wrap_up: wishes.wrap_up,
            outer: wishes.outer_hold(),
            lease_until: self.lease_until(now),
        }
    }

    /// Whether the call would be admitted at this moment.
    pub(super) fn would_admit(
        &self,
        who: Who<'_>,
        estimate: &Estimate,
        wishes: &Wishes<'_>,
    ) -> bool {
        if self.books().is_some() {
            return self.would_admit_written(who, estimate, wishes);
        }
        wishes.wrong.is_none()
            && self.locked_with_queue(|ledger, queue, now| {
                let (Some(account), Ok(bound)) = (who.nearest(ledger), estimate.bound(now)) else {
                    return false;
                };
                let model = estimate.model();
                let reserve = self.reserve_of(ledger, now, account, model, &bound, wishes);
                let asking = Asking { place: LAST, wrap_up: wishes.wrap_up };
                ledger.decide_reserve(now, &reserve).is_ok()
                    && !queue.stops(ledger, now, &reserve, asking)
            })
    }

    /// The same by what is written. A model that has no number yet gets one.
    fn would_admit_written(&self, who: Who<'_>, estimate: &Estimate, wishes: &Wishes<'_>) -> bool {
        let known =
            estimate.model().map_or(Some(ModelId::NONE.0), |model| model.number_of(self.id));
        let named = match known {
            Some(number) => Ok(ModelId(number)),
            None => {
                let (owner, model) = (self.id, estimate.model().cloned());
                self.change(move |ledger, now| number_for(owner, ledger, now, model.as_ref()))
            }
        };
        let Ok(model) = named else { return false };
        wishes.wrong.is_none()
            && self.read_with_queue(|ledger, queue, now| {
                let (Some(account), Ok(bound)) = (who.nearest(ledger), estimate.bound(now)) else {
                    return false;
                };
                let reserve = self.reserve_with(now, account, model, &bound, wishes);
                let asking = Asking { place: LAST, wrap_up: wishes.wrap_up };
                ledger.decide_reserve(now, &reserve).is_ok()
                    && !queue.stops(ledger, now, &reserve, asking)
            })
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
            books.note_guard(hold.id(), true);
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
        let who = self.who();
        let asks = (who.find(ledger, now)?, self.estimates.iter());
        let asking = Asking { place: LAST, wrap_up: self.wishes.wrap_up };
        let admitted = core.admit_first(ledger, queue, now, asks, &self.wishes, asking, false);
        admitted.map_err(|refused| core.in_words(ledger, *refused, &who.path()))
    }

    fn who(&self) -> Who<'_> {
        match &self.account {
            Ok((id, path)) => Who::Account(*id, path),
            Err(name) => Who::Named(name),
        }
    }
}

#[inline]
fn price_of(bound: &Bound, wishes: &Wishes<'_>) -> Price {
    Price { per_output: bound.per_output, choices: bound.choices, wrap_up: wishes.wrap_up }
}

#[inline]
fn bid(bound: &Bound, at_least: Option<u64>) -> Bid {
    Bid {
        fixed: bound.fixed,
        per_output: bound.per_output,
        input: bound.input,
        choices: bound.choices,
        floor: at_least.unwrap_or(bound.cap).min(bound.cap),
        cap: bound.cap,
    }
}

/// What stops an alternative.
#[derive(Debug)]
pub(super) enum Stop {
    Rejected(Rejection),
    Price(PriceError),
    /// Others who wait for a limit, and how many they are.
    Behind(LimitId, usize),
}

impl Stop {
    /// When a limit lets it pass; `None` if it is none that stops it.
    fn passes(&self) -> Option<Retry> {
        match self {
            Stop::Rejected(Rejection::Blocked(refusal)) => Some(refusal.retry),
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
    /// Of several the one that could pass soonest, of equals the last.
    stop: Option<Stop>,
    /// The limits to stand in line at; none if there is nothing to hope for.
    pub(super) limits: Vec<LimitId>,
    /// When time alone will have made room.
    pub(super) again_at: Timestamp,
}

impl Refused {
    fn new() -> Refused {
        Refused { stop: None, limits: Vec::new(), again_at: Timestamp::MAX }
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
    fn add_hope(&mut self, needs: &[Need], has_line: impl Fn(&Need) -> bool) {
        let stops = |need: &&Need| need.is_in_the_way || has_line(need);
        self.limits.extend(needs.iter().filter(stops).map(|need| need.limit));
        // Several rolling limits have room together when the last of them has.
        let room_at = needs.iter().filter_map(|need| need.room_at).max();
        self.again_at = self.again_at.min(room_at.unwrap_or(Timestamp::MAX));
    }
}
