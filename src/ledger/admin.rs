//! What happens between calls: accounts opened, closed and folded, limits set and lifted,
//! windows opened and rolled, freezing and thawing, leases, savings.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::sync::Arc;

use super::accounts::{NONE, State};
use super::amounts::Amounts;
use super::command::{Change, Command, Rejection};
use super::counter::Window;
use super::path::Path;
use super::{AccountId, Ledger, ModelId, WindowId};
use crate::calendar::{CalendarUnit, Zone};
use crate::clock::Timestamp;

impl Ledger {
    pub(crate) fn decide_admin(
        &self,
        now: Timestamp,
        command: &Command,
    ) -> Result<Change, Rejection> {
        match command {
            Command::OpenAccount { path } => self.decide_open(path),
            Command::NameModel { name } => self.decide_name(name),
            Command::OpenWindow { unit, zone, bounds } => {
                if self.window(*unit, zone).is_some() {
                    return Err(Rejection::Exists);
                }
                check_bounds(*bounds, now)?;
                let window = WindowId(index_of(self.windows.len())?);
                Ok(Change::WindowOpened {
                    window,
                    unit: *unit,
                    zone: zone.clone(),
                    bounds: *bounds,
                })
            }
            Command::RollWindow { window, bounds } => {
                let old = self.windows.get(window.0 as usize).ok_or(Rejection::NoSuchWindow)?;
                check_bounds(*bounds, now)?;
                if old.end > now {
                    return Err(Rejection::NoSuchWindow);
                }
                // Forward only, even if the rules of the zone have changed since.
                let bounds = (bounds.0.max(old.end), bounds.1);
                Ok(Change::WindowRolled { window: *window, bounds })
            }
            Command::SetLimit { scope, limit } => self.decide_limit(scope, limit),
            Command::LiftLimit { scope, limit } => self.decide_lift(scope, limit),
            Command::Freeze { account, why } => {
                self.accounts.get(*account).ok_or(Rejection::Closed)?;
                Ok(Change::Frozen { account: *account, why: Arc::clone(why) })
            }
            Command::Thaw { account } => {
                self.accounts.get(*account).ok_or(Rejection::Closed)?;
                Ok(Change::Thawed { account: *account })
            }
            Command::Close { account } => {
                let node = self.accounts.get(*account).ok_or(Rejection::Closed)?;
                let waits_for = if node.path.is_tag() { self.calls_below(*account) } else { None };
                match waits_for.unwrap_or(0) {
                    _ if node.parent == NONE => Err(Rejection::NotClosable),
                    0 => Ok(Change::Closed { account: *account }),
                    calls => Err(Rejection::InUse { calls }),
                }
            }
            Command::ExpireCharged { hold } => {
                Ok(Change::ExpiredCharged { hold: self.decide_expire(now, *hold)? })
            }
            Command::ExpireReleased { hold } => {
                Ok(Change::ExpiredReleased { hold: self.decide_expire(now, *hold)? })
            }
            Command::Renew { hold, lease_until } => {
                self.holds.open(*hold).ok_or(Rejection::NoSuchHold)?;
                Ok(Change::Renewed { hold: *hold, lease_until: *lease_until })
            }
            Command::RecordSaving { account, saved } => {
                self.accounts.get(*account).ok_or(Rejection::Closed)?;
                if (0..=Amounts::MAX_COST).contains(saved) {
                    Ok(Change::SavingRecorded { account: *account, saved: *saved })
                } else {
                    Err(Rejection::Impossible)
                }
            }
            // `decide` deals with these itself.
            Command::Reserve(_)
            | Command::Grow(_)
            | Command::Settle(_)
            | Command::Release { .. }
            | Command::Record(_)
            | Command::Adjust(_) => Err(Rejection::Impossible),
        }
    }

    pub(crate) fn apply_admin(&mut self, at: Timestamp, change: &Change) {
        match change {
            Change::ExpiredCharged { hold } => return self.apply_expired_charged(at, *hold),
            Change::ExpiredReleased { hold } => return self.apply_expired_released(at, *hold),
            Change::LimitSet(change) => {
                self.step(at);
                return self.apply_limit(change);
            }
            _ => self.step(at),
        }
        match change {
            Change::Opened { account, path, parent } => {
                let parent = parent.map_or(NONE, |parent| parent.index);
                self.accounts.insert(*account, path.clone(), parent);
                self.limit_new_account(account.index);
            }
            Change::ModelNamed { model, name } => {
                self.models.push(Arc::clone(name));
                self.model_ids.insert(Arc::clone(name), *model);
                self.filters.name_model(name);
            }
            Change::WindowOpened { unit, zone, bounds, .. } => {
                let (start, end) = *bounds;
                let (unit, zone, number) = (*unit, zone.clone(), 0);
                let window = Window { unit, zone, number, start, end, previous_start: start };
                self.windows.push(window);
                self.note_windows();
            }
            Change::WindowRolled { window, bounds } => {
                self.windows[window.0 as usize].roll(bounds.0, bounds.1);
                self.note_windows();
            }
            Change::LimitLifted { rule } => self.lift(*rule),
            Change::Frozen { account, why } => {
                self.accounts.at_mut(account.index).frozen_why = Some(Arc::clone(why));
                self.propagate_freeze(account.index);
            }
            Change::Thawed { account } => {
                self.accounts.at_mut(account.index).frozen_why = None;
                self.propagate_freeze(account.index);
            }
            Change::Closed { account } => self.close(account.index),
            Change::Renewed { hold, lease_until } => self.holds.renew(*hold, *lease_until),
            Change::SavingRecorded { account, saved } => {
                self.accounts.at_mut(account.index).saved += saved;
            }
            _ => {}
        }
    }

    fn decide_open(&self, path: &Path) -> Result<Change, Rejection> {
        if self.accounts.find(path.as_str()).is_some() {
            return Err(Rejection::Exists);
        }
        let parent = match path.parent() {
            None => None,
            Some(above) => {
                let parent = self.accounts.find(above.as_str()).ok_or(Rejection::NoParent)?;
                match self.accounts.at(parent.index).state {
                    State::Open => Some(parent),
                    _ => return Err(Rejection::Closed),
                }
            }
        };
        let account = self.accounts.next_id().ok_or(Rejection::Full)?;
        Ok(Change::Opened { account, path: path.clone(), parent })
    }

    fn decide_name(&self, name: &Arc<str>) -> Result<Change, Rejection> {
        if self.model_ids.contains_key(name) {
            return Err(Rejection::Exists);
        }
        let model = ModelId(index_of(self.models.len())?);
        Ok(Change::ModelNamed { model, name: Arc::clone(name) })
    }

    /// The shared window of that unit and zone.
    pub(crate) fn window(&self, unit: CalendarUnit, zone: &Zone) -> Option<WindowId> {
        let same = |window: &Window| window.unit == unit && window.zone == *zone;
        let place = self.windows.iter().position(same)?;
        u32::try_from(place).ok().map(WindowId)
    }

    /// The windows have changed.
    fn note_windows(&mut self) {
        self.window_epoch = self.window_epoch.saturating_add(1);
        let ends = self.windows.iter().map(|window| window.end);
        self.next_roll = ends.min().unwrap_or(Timestamp::MAX);
        let starts = self.windows.iter().map(|window| window.start);
        self.latest_start = starts.max().unwrap_or(Timestamp::MIN);
    }

    /// Everything held: each part with the account it is charged to, and the model.
    pub(super) fn held_parts(
        &self,
    ) -> impl Iterator<Item = (u32, &super::holds::Part, ModelId)> + '_ {
        let open = self.holds.iter().filter(|(id, _)| self.holds.open(*id).is_some());
        open.flat_map(|(_, hold)| {
            let charged = std::iter::once(&hold.target.account).chain(hold.target.tags.as_slice());
            charged.flat_map(|id| hold.parts().map(|part| (id.index, part, hold.target.model)))
        })
    }

    /// True if `above` is the account, or lies above it.
    pub(super) fn is_above(&self, above: u32, account: u32) -> bool {
        self.accounts.upward(account).any(|index| index == above)
    }

    /// Sets, for an account and all below it, which account has frozen them.
    fn propagate_freeze(&mut self, account: u32) {
        for index in self.accounts.downward(account) {
            let node = self.accounts.at(index);
            let above = match node.parent {
                NONE => NONE,
                parent => self.accounts.at(parent).frozen_by,
            };
            let frozen_by = match (above, &node.frozen_why) {
                (NONE, Some(_)) => index,
                (above, _) => above,
            };
            self.accounts.at_mut(index).frozen_by = frozen_by;
        }
    }

    fn close(&mut self, account: u32) {
        let closing = self.accounts.downward(account);
        for index in &closing {
            self.accounts.at_mut(*index).state = State::Closing;
        }
        // An account waits for those below it: the last of them takes it along.
        for index in closing {
            self.fold_upward(index);
        }
    }

    /// Folds an account that is closing and has come to its end into the one above, then that.
    pub(super) fn fold_upward(&mut self, account: u32) {
        let mut next = account;
        while next != NONE {
            let node = self.accounts.at(next);
            let ended = node.state == State::Closing && node.holds == 0 && node.children.is_empty();
            if !ended {
                return;
            }
            let parent = node.parent;
            self.fold(next, parent);
            next = parent;
        }
    }

    fn fold(&mut self, index: u32, parent: u32) {
        let (old, heir) = (self.accounts.id(index), self.accounts.id(parent));
        let gone = self.accounts.remove(index);
        for place in gone.all_limits {
            self.take_counter(place);
        }
        let above = self.accounts.at_mut(parent);
        above.saved += gone.saved;
        for (model, totals) in &gone.totals {
            above.totals_of(*model).add(totals);
        }
        above.late += gone.late;
        // Late holds are not counted for tags.
        if gone.late > 0 || gone.path.is_tag() {
            self.holds.inherit(old, heir);
        }
    }

    /// The id of an account, by its path.
    #[doc(hidden)]
    pub fn find(&self, path: &str) -> Option<AccountId> {
        self.accounts.find(path)
    }

    /// How many calls of an account and all below it are under way; `None` if it is not there.
    pub(crate) fn calls_below(&self, account: AccountId) -> Option<u64> {
        self.accounts.get(account)?;
        let all = self.accounts.downward(account.index).into_iter();
        Some(all.map(|index| u64::from(self.accounts.at(index).holds)).sum())
    }

    /// How many accounts are open, roots and tags included.
    pub(crate) fn open_accounts(&self) -> usize {
        self.accounts.count()
    }

    /// How many accounts lie directly below an account; none if it is not there.
    pub(crate) fn children(&self, account: &Path) -> usize {
        let found = self.accounts.find(account.as_str());
        found.map_or(0, |id| self.accounts.at(id.index).children.len())
    }

    /// The number of a model, by its name.
    #[doc(hidden)]
    pub fn find_model(&self, name: &str) -> Option<ModelId> {
        self.model_ids.get(name).copied()
    }
}

fn check_bounds(bounds: (Timestamp, Timestamp), now: Timestamp) -> Result<(), Rejection> {
    if bounds.0 <= now && now < bounds.1 { Ok(()) } else { Err(Rejection::NoSuchWindow) }
}

pub(super) fn index_of(len: usize) -> Result<u32, Rejection> {
    u32::try_from(len).ok().filter(|index| *index < u32::MAX).ok_or(Rejection::Full)
}
