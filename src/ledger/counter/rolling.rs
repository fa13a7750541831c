//! [`Rolling`]: what was spent in each slot of a rolling period, which ends sixty slots back.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Slots of a rolling period.
const SLOTS: i64 = 60;

/// A rolling period and its slots, the oldest first. A slot leaves the period as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ledger) struct Rolling {
    /// The length of the period in microseconds.
    length: i64,
    slots: VecDeque<Slot>,
}

/// What was spent in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Slot {
    number: i64,
    spent: i128,
}

impl Rolling {
    /// A period of this many microseconds, in which nothing is spent.
    pub(super) fn new(length: i64) -> Rolling {
        Rolling { length, slots: VecDeque::new() }
    }

    /// True if a whole period has passed since a moment.
    pub(super) fn has_passed(&self, since: Timestamp, now: Timestamp) -> bool {
        now.as_micros().saturating_sub(since.as_micros()) >= self.length
    }

    /// When the oldest slot leaves the period; [`Timestamp::MAX`] if there is none.
    pub(super) fn next_leave(&self) -> Timestamp {
        self.slots.front().map_or(Timestamp::MAX, |slot| self.leaves(slot.number))
    }

    /// Adds to what was spent at `at`, or does nothing and returns false if that slot has left by
    /// `now`.
    #[inline]
    pub(super) fn spend(&mut self, at: Timestamp, now: Timestamp, amount: i128) -> bool {
        let number = self.slot_of(at);
        if self.leaves(number) <= now {
            return false;
        }
        let place = self.slots.partition_point(|slot| slot.number < number);
        match self.slots.get_mut(place) {
            Some(slot) if slot.number == number => slot.spent += amount,
            _ => self.slots.insert(place, Slot { number, spent: amount }),
        }
        true
    }

    /// Adds to what was spent at `at` if that lies in the youngest slot that there is; else returns
    /// false.
    #[inline]
    pub(super) fn spend_in_last(&mut self, at: Timestamp, amount: i128) -> bool {
        let number = self.slot_of(at);
        match self.slots.back_mut() {
            Some(slot) if slot.number == number => slot.spent += amount,
            _ => return false,
        }
        true
    }

    /// What was spent in the slot of a moment.
    pub(super) fn spent_at(&self, at: Timestamp) -> i128 {
        let number = self.slot_of(at);
        let place = self.slots.binary_search_by_key(&number, |slot| slot.number);
        place.ok().and_then(|place| self.slots.get(place)).map_or(0, |slot| slot.spent)
    }

    /// What has left the period by `now` and is still counted.
    pub(super) fn left(&self, now: Timestamp) -> i128 {
        let gone = self.slots.iter().take_while(|slot| self.leaves(slot.number) <= now);
        gone.map(|slot| slot.spent).sum()
    }

    /// Removes the slots that have left the period by `now`; returns what was spent in them.
    pub(super) fn drop_left(&mut self, now: Timestamp) -> i128 {
        let mut left = 0;
        while let Some(slot) = self.slots.front().copied() {
            if self.leaves(slot.number) > now {
                break;
            }
            left += slot.spent;
            self.slots.pop_front();
        }
        left
    }

    /// The first moment at which `asked` fits below `cap`, of which `spent` is spent now, if nothing
    /// else is charged. The caller has made sure that it fits into an empty period.
    pub(super) fn room_at(&self, spent: i128, asked: i128, cap: i128) -> Option<Timestamp> {
        let mut spent = spent;
        let fits = self.slots.iter().find(|slot| {
            spent -= slot.spent;
            spent + asked <= cap
        });
        fits.map(|slot| self.leaves(slot.number))
    }

    /// Recounts the slots, of which `spent` should be the sum.
    pub(super) fn check(&self, spent: i128) -> Result<(), String> {
        let slots: i128 = self.slots.iter().map(|slot| slot.spent).sum();
        if slots != spent {
            return Err(format!("the slots hold {slots}, the counter says {spent}"));
        }
        if self.slots.len() > 2 * SLOTS as usize {
            return Err(format!("{} slots are kept", self.slots.len()));
        }
        Ok(())
    }

    /// A slot's length in microseconds.
    fn slot_length(&self) -> i64 {
        self.length / SLOTS + i64::from(self.length % SLOTS != 0)
    }

    fn slot_of(&self, at: Timestamp) -> i64 {
        at.as_micros().div_euclid(self.slot_length())
    }

    /// The moment at which a slot is wholly outside the period.
    fn leaves(&self, number: i64) -> Timestamp {
        let end = number.saturating_add(1).saturating_mul(self.slot_length());
        Timestamp::from_micros(end.saturating_add(self.length))
    }
}
