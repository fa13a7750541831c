//! The holds: what is set aside for calls under way, in the parts it was reserved in, and
//! the order in which leases end.

use super::amounts::Amounts;
use super::command::Target;
use super::{AccountId, HoldId};
use crate::clock::Timestamp;

/// No hold.
const NONE: u32 = u32::MAX;

/// What was reserved at one moment. Growth and nesting give a hold more than one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    /// When it was reserved: the window that a charge against it belongs to.
    pub at: Timestamp,
    /// How much.
    pub amounts: Amounts,
    /// Nesting depth this part was borrowed from: 0 if this hold reserved it itself, 1 from its outer
    /// hold, 2 from that one's outer hold. Unused money returns to the nearest of them that is still
    /// open.
    pub depth: u32,
}

/// Where a hold is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum HoldState {
    Open,
    /// Its lease has ended, and what it held has been charged. Kept until its call has ended, so
    /// that the difference can be booked.
    Charged,
    /// Its lease has ended, and what it held has been given back. Kept in the same way, so that the
    /// truth can be booked.
    Released,
    Free,
}

/// One hold.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Hold {
    pub(super) generation: u32,
    pub(super) state: HoldState,
    pub(super) target: Target,
    pub(super) outer: Option<HoldId>,
    /// The holds around the outer one, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) beyond: Vec<HoldId>,
    pub(super) first: Part,
    pub(super) more: Vec<Part>,
    pub(super) lease_until: Timestamp,
    /// The number of the event that charged what was held, if its lease has ended.
    pub(super) charged_by: u64,
    /// The holds beside it in the list of leases; of a free place, the next one that is free.
    earlier: u32,
    later: u32,
}

impl Hold {
    pub(super) fn parts(&self) -> impl DoubleEndedIterator<Item = &Part> {
        std::iter::once(&self.first).chain(&self.more)
    }

    pub(super) fn parts_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Part> {
        std::iter::once(&mut self.first).chain(&mut self.more)
    }

    /// Its lease has ended, and its call may still be settled.
    pub(super) fn is_late(&self) -> bool {
        matches!(self.state, HoldState::Charged | HoldState::Released)
    }

    /// Its lease has ended, and what it held has been charged.
    pub(super) fn is_expired(&self) -> bool {
        self.state == HoldState::Charged
    }

    /// Adds a part, or adds to the one of the same moment.
    pub(super) fn add(&mut self, part: Part) {
        let alike = |own: &Part| own.at == part.at && own.depth == part.depth;
        if let Some(own) = self.parts_mut().find(|own| alike(own)) {
            own.amounts = own.amounts + part.amounts;
            return;
        }
        self.more.push(part);
    }

    pub(super) fn total(&self) -> Amounts {
        self.parts().fold(Amounts::NONE, |sum, part| sum + part.amounts)
    }
}

/// All holds by index, and the list of those with a lease, the first to end first.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Holds {
    slots: Vec<Hold>,
    /// The first free place; each knows the next one.
    first_free: u32,
    first_lease: u32,
    last_lease: u32,
}

impl Default for Holds {
    fn default() -> Holds {
        Holds { slots: Vec::new(), first_free: NONE, first_lease: NONE, last_lease: NONE }
    }
}

impl Holds {
    /// The hold of that id, open or late.
    #[inline]
    pub(super) fn get(&self, id: HoldId) -> Option<&Hold> {
        let hold = self.slots.get(id.index as usize)?;
        (hold.generation == id.generation && hold.state != HoldState::Free).then_some(hold)
    }

    /// The hold of that id, if it is open.
    #[inline]
    pub(super) fn open(&self, id: HoldId) -> Option<&Hold> {
        self.get(id).filter(|hold| hold.state == HoldState::Open)
    }

    /// The nearest open hold around another, and how many levels further out it is: 1 for the outer
    /// one.
    pub(super) fn open_around(&self, hold: &Hold) -> Option<(HoldId, u32)> {
        let around = hold.outer.iter().chain(&hold.beyond).zip(1..);
        let mut open = around.filter(|(id, _)| self.open(**id).is_some());
        open.next().map(|(id, levels)| (*id, levels))
    }

    #[inline]
    pub(super) fn at(&self, id: HoldId) -> &Hold {
        &self.slots[id.index as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, id: HoldId) -> &mut Hold {
        &mut self.slots[id.index as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (HoldId, &Hold)> {
        let slots = (0..).zip(&self.slots).filter(|(_, hold)| hold.state != HoldState::Free);
        slots.map(|(index, hold)| (HoldId { index, generation: hold.generation }, hold))
    }

    /// The id that the next hold will have; `None` if all places are taken.
    #[inline]
    pub(super) fn next_id(&self) -> Option<HoldId> {
        match self.slots.get(self.first_free as usize) {
            Some(hold) => Some(HoldId { index: self.first_free, generation: hold.generation }),
            None => {
                let index = u32::try_from(self.slots.len()).ok().filter(|index| *index < NONE)?;
                Some(HoldId { index, generation: 0 })
            }
        }
    }

    /// Puts a new hold in the place of `id`, which is that of `next_id`.
    #[inline(always)]
    pub(super) fn insert(
        &mut self,
        id: HoldId,
        target: &Target,
        first: &Part,
        lease_until: Timestamp,
    ) -> &mut Hold {
        match self.slots.get_mut(self.first_free as usize) {
            Some(hold) => {
                self.first_free = std::mem::replace(&mut hold.later, NONE);
                hold.state = HoldState::Open;
                hold.target = *target;
                hold.first = *first;
                hold.outer = None;
                hold.lease_until = lease_until;
                hold.charged_by = 0;
            }
            None => self.slots.push(Hold {
                generation: id.generation,
                state: HoldState::Open,
                target: *target,
                outer: None,
                beyond: Vec::new(),
                first: *first,
                more: Vec::new(),
                lease_until,
                charged_by: 0,
                earlier: NONE,
                later: NONE,
            }),
        }
        if lease_until != Timestamp::MAX {
            self.link(id.index);
        }
        self.at_mut(id)
    }

    /// Ends a hold for good.
    #[inline(always)]
    pub(super) fn free(&mut self, id: HoldId) {
        self.unlink(id.index);
        let hold = &mut self.slots[id.index as usize];
        hold.state = HoldState::Free;
        hold.generation = hold.generation.wrapping_add(1);
        hold.more.clear();
        hold.beyond.clear();
        hold.later = self.first_free;
        self.first_free = id.index;
    }

    /// Ends a hold's lease, and keeps what it was and which event charged it.
    pub(super) fn expire_charged(&mut self, id: HoldId, event: u64) {
        self.unlink(id.index);
        let hold = self.at_mut(id);
        hold.state = HoldState::Charged;
        hold.charged_by = event;
    }

    /// Ends a hold's lease, and keeps what it was.
    pub(super) fn expire_released(&mut self, id: HoldId) {
        self.unlink(id.index);
        self.at_mut(id).state = HoldState::Released;
    }

    /// Charges late settlements of holds of `old`, an account that is gone, to `heir`.
    pub(super) fn inherit(&mut self, old: AccountId, heir: AccountId) {
        for hold in self.slots.iter_mut().filter(|hold| hold.is_late()) {
            if hold.target.account == old {
                hold.target.account = heir;
            }
            hold.target.tags.replace(old, heir);
        }
    }

    /// Gives a hold a later lease.
    pub(super) fn renew(&mut self, id: HoldId, lease_until: Timestamp) {
        self.unlink(id.index);
        self.at_mut(id).lease_until = lease_until;
        if lease_until != Timestamp::MAX {
            self.link(id.index);
        }
    }

    /// The hold whose lease ends first, and when.
    pub(super) fn next_lease(&self) -> Option<(HoldId, Timestamp)> {
        let hold = self.slots.get(self.first_lease as usize)?;
        let id = HoldId { index: self.first_lease, generation: hold.generation };
        Some((id, hold.lease_until))
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Walks the list of leases: all of them, in their order, and nothing else.
    pub(super) fn check(&self) -> Result<(), String> {
        let leased = self.iter().filter(|(_, hold)| {
            hold.state == HoldState::Open && hold.lease_until != Timestamp::MAX
        });
        let (mut left, mut next, mut last) = (leased.count(), self.first_lease, Timestamp::MIN);
        while let Some(hold) = self.slots.get(next as usize) {
            if left == 0 || hold.state != HoldState::Open || hold.lease_until < last {
                return Err(format!("hold {next} is in the wrong place of the list of leases"));
            }
            left -= 1;
            next = hold.later;
            last = hold.lease_until;
        }
        if left > 0 { Err(format!("{left} leases are not in the list")) } else { Ok(()) }
    }

    /// Leases are equally long unless the setting changes, so the place is usually at the end.
    fn link(&mut self, index: u32) {
        let until = self.slots[index as usize].lease_until;
        let mut earlier = self.last_lease;
        while earlier != NONE && self.slots[earlier as usize].lease_until > until {
            earlier = self.slots[earlier as usize].earlier;
        }
        let later = match earlier {
            NONE => std::mem::replace(&mut self.first_lease, index),
            earlier => std::mem::replace(&mut self.slots[earlier as usize].later, index),
        };
        match later {
            NONE => self.last_lease = index,
            later => self.slots[later as usize].earlier = index,
        }
        let hold = &mut self.slots[index as usize];
        hold.earlier = earlier;
        hold.later = later;
    }

    #[inline]
    fn unlink(&mut self, index: u32) {
        if self.slots[index as usize].lease_until == Timestamp::MAX
            || (self.first_lease != index && self.slots[index as usize].earlier == NONE)
        {
            return;
        }
        let hold = &mut self.slots[index as usize];
        let earlier = std::mem::replace(&mut hold.earlier, NONE);
        let later = std::mem::replace(&mut hold.later, NONE);
        match earlier {
            NONE => self.first_lease = later,
            earlier => self.slots[earlier as usize].later = later,
        }
        match later {
            NONE => self.last_lease = earlier,
            later => self.slots[later as usize].earlier = earlier,
        }
    }
}
