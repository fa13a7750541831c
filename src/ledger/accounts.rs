//! The tree of accounts: nodes, and what each has spent and holds.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "sums of possible amounts stay inside i128: see Amounts::MAX_COST"
)]

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Target;
use super::counter::Level;
use super::fast_path::Headroom;
use super::path::Path;
use super::{AccountId, ModelId};
use crate::usage::{Confidence, Usage};

/// No account, and no place of one.
pub(super) const NONE: u32 = u32::MAX;

/// Money of an account and everything below it, over its lifetime, in picodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Booked.
    pub spent: i128,
    /// Set aside for calls that are under way.
    pub held: i128,
    /// The largest sum of the two so far.
    pub peak: i128,
}

impl Balance {
    #[inline]
    pub(super) fn level(&self) -> Level {
        Level { spent: self.spent, held: self.held }
    }
}

/// What was charged directly to an account for one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Leaf calls.
    pub requests: u64,
    /// Picodollars by confidence: exact, reported, estimated, assumed.
    pub cost: [i128; 4],
    /// What was used. Of an assumed charge, the held input and output count as uncached input and
    /// visible output.
    pub usage: Usage,
}

impl Totals {
    /// All of the cost, in picodollars.
    pub fn total_cost(&self) -> i128 {
        self.cost.iter().sum()
    }

    /// The cost booked with this confidence, in picodollars.
    pub fn cost_with(&self, confidence: Confidence) -> i128 {
        self.cost[confidence as usize]
    }

    #[inline(always)]
    pub(super) fn charge(&mut self, charge: &Charge<'_>) {
        self.requests = self.requests.saturating_add(u64::from(charge.requests));
        self.cost[charge.confidence as usize] += charge.cost;
        self.usage.add(charge.usage, charge.is_plain);
    }

    /// Takes away what was charged before: the counts are at least as large.
    pub(super) fn take_back(&mut self, charge: &Charge<'_>) {
        self.requests = self.requests.saturating_sub(u64::from(charge.requests));
        self.cost[charge.confidence as usize] -= charge.cost;
        self.usage = self.usage.saturating_sub(charge.usage);
    }

    pub(super) fn add(&mut self, other: &Totals) {
        self.requests = self.requests.saturating_add(other.requests);
        self.usage = self.usage.saturating_add(&other.usage);
        for (cost, more) in self.cost.iter_mut().zip(other.cost) {
            *cost += more;
        }
    }
}

/// What one call adds to the totals of a model.
pub(super) struct Charge<'a> {
    pub(super) requests: u32,
    pub(super) cost: i128,
    pub(super) usage: &'a Usage,
    /// Whether the usage is a [plain](Usage::is_plain) one: asked once, for all accounts of the line.
    pub(super) is_plain: bool,
    pub(super) confidence: Confidence,
}

/// Whether an account takes new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Open,
    /// Refuses new calls and waits for its last hold to end.
    Closing,
    /// A free place.
    Free,
}

/// One account. What the fast path looks at comes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[repr(C)]
pub(super) struct Account {
    pub(super) headroom: Headroom,
    /// Its peak is that since its derived limits have last kept it.
    pub(super) balance: Balance,
    /// Those of its limits that are not derived from its balance.
    pub(super) counting: Vec<u32>,
    pub(super) parent: u32,
    /// The root of its tree; 0 in the main tree.
    pub(super) tree: u32,
    pub(super) generation: u32,
    /// The account, itself or above, whose freezing covers this one.
    pub(super) frozen_by: u32,
    pub(super) state: State,
    /// Holds charged directly to it.
    pub(super) holds: u32,
    /// Of its calls, those whose lease has ended and whose settlement is still to come.
    pub(super) late: u32,
    /// The largest sum of spent and held before that.
    pub(super) earlier_peak: i128,
    /// What was charged directly to it, by model. A few entries: searched from the front.
    pub(super) totals: Vec<(ModelId, Totals)>,
    pub(super) path: Path,
    pub(super) children: Vec<u32>,
    /// Its place among the children of its parent.
    child_place: u32,
    /// The counters of all its limits.
    pub(super) all_limits: Vec<u32>,
    pub(super) frozen_why: Option<Arc<str>>,
    /// What a cache has saved calls of this account, in picodollars.
    pub(super) saved: i128,
}

impl Account {
    fn new(path: Path, parent: u32, tree: u32) -> Account {
        Account {
            headroom: Headroom::UNSET,
            balance: Balance::default(),
            counting: Vec::new(),
            parent,
            tree,
            generation: 0,
            frozen_by: NONE,
            state: State::Open,
            holds: 0,
            late: 0,
            earlier_peak: 0,
            totals: Vec::new(),
            path,
            children: Vec::new(),
            child_place: 0,
            all_limits: Vec::new(),
            frozen_why: None,
            saved: 0,
        }
    }

    /// Spent and held, and the largest sum of the two so far.
    pub(super) fn balance_with_peak(&self) -> Balance {
        Balance { peak: self.balance.peak.max(self.earlier_peak), ..self.balance }
    }

    /// The direct totals for a model.
    #[inline]
    pub(super) fn totals_of(&mut self, model: ModelId) -> &mut Totals {
        let place = match self.totals.iter().position(|(known, _)| *known == model) {
            Some(place) => place,
            None => {
                self.totals.push((model, Totals::default()));
                self.totals.len() - 1
            }
        };
        &mut self.totals[place].1
    }
}

/// A walk over accounts: from one up to the root of its tree, then the same from each tag.
pub(super) struct Ancestors<'a> {
    next: u32,
    /// The place that was visited last.
    last: u32,
    tags: std::slice::Iter<'a, AccountId>,
}

impl<'a> Ancestors<'a> {
    /// Every account that a charge touches.
    #[inline(always)]
    pub(super) fn of(target: &'a Target) -> Ancestors<'a> {
        Ancestors { next: target.account.index, last: NONE, tags: target.tags.as_slice().iter() }
    }

    /// One account, and what is above it.
    #[inline]
    pub(super) fn of_account(index: u32) -> Ancestors<'static> {
        Ancestors { next: index, last: NONE, tags: [].iter() }
    }

    /// The next place; above a root, that of the next tag.
    #[inline(always)]
    fn place(&mut self, places: usize) -> Option<usize> {
        while self.next as usize >= places {
            self.next = self.tags.next()?.index;
        }
        self.last = self.next;
        Some(self.next as usize)
    }

    /// The next account.
    #[inline(always)]
    pub(super) fn next<'l>(&mut self, accounts: &'l Accounts) -> Option<&'l Account> {
        let place = self.place(accounts.nodes.len())?;
        let account = accounts.nodes.get(place)?;
        self.next = account.parent;
        Some(account)
    }

    /// The next account, to change.
    #[inline(always)]
    pub(super) fn next_mut<'l>(&mut self, accounts: &'l mut Accounts) -> Option<&'l mut Account> {
        let place = self.place(accounts.nodes.len())?;
        let account = accounts.nodes.get_mut(place)?;
        self.next = account.parent;
        Some(account)
    }

    /// All that is left of the walk: places and accounts.
    #[inline]
    pub(super) fn iter<'l>(
        mut self,
        accounts: &'l Accounts,
    ) -> impl Iterator<Item = (u32, &'l Account)> + use<'a, 'l> {
        std::iter::from_fn(move || {
            let account = self.next(accounts)?;
            Some((self.last, account))
        })
    }
}

/// All accounts, by index; the main tree's root is index 0.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Accounts {
    nodes: Vec<Account>,
    by_path: HashMap<Arc<str>, u32>,
    free: Vec<u32>,
}

impl Accounts {
    /// The account of that id, if it has not been closed.
    #[inline]
    pub(super) fn get(&self, id: AccountId) -> Option<&Account> {
        let account = self.nodes.get(id.index as usize)?;
        (account.generation == id.generation && account.state != State::Free).then_some(account)
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> &Account {
        &self.nodes[index as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Account {
        &mut self.nodes[index as usize]
    }

    pub(super) fn id(&self, index: u32) -> AccountId {
        AccountId { index, generation: self.at(index).generation }
    }

    pub(super) fn find(&self, path: &str) -> Option<AccountId> {
        self.by_path.get(path).map(|index| self.id(*index))
    }

    /// All accounts in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Account)> {
        let live = |(_, account): &(u32, &Account)| account.state != State::Free;
        (0..).zip(&self.nodes).filter(live)
    }

    /// The id that the next account will have; `None` if all places are taken.
    pub(super) fn next_id(&self) -> Option<AccountId> {
        match self.free.last() {
            Some(index) => Some(self.id(*index)),
            None => {
                let index = u32::try_from(self.nodes.len()).ok().filter(|index| *index < NONE)?;
                Some(AccountId { index, generation: 0 })
            }
        }
    }

    /// Puts a new account in the place of `id`, which is that of `next_id`.
    pub(super) fn insert(&mut self, id: AccountId, path: Path, parent: u32) {
        self.by_path.insert(Arc::clone(path.shared()), id.index);
        let tree = if parent == NONE { id.index } else { self.at(parent).tree };
        let mut account = Account::new(path, parent, tree);
        account.generation = id.generation;
        if parent != NONE {
            let above = self.at(parent);
            account.frozen_by = above.frozen_by;
            let siblings = &mut self.at_mut(parent).children;
            siblings.push(id.index);
            account.child_place = u32::try_from(siblings.len() - 1).unwrap_or(NONE);
        }
        match self.free.pop() {
            Some(index) => *self.at_mut(index) = account,
            None => self.nodes.push(account),
        }
    }

    /// Frees the place of an account without children, and returns what it was.
    pub(super) fn remove(&mut self, index: u32) -> Account {
        let parent = self.at(index).parent;
        let mut free = Account::new(Path::root(), NONE, NONE);
        free.state = State::Free;
        free.generation = self.at(index).generation.wrapping_add(1);
        let account = std::mem::replace(self.at_mut(index), free);
        self.by_path.remove(account.path.as_str());
        self.free.push(index);
        if parent != NONE {
            // The last child takes the free place, so that no search among thousands of runs is needed.
            let siblings = &mut self.at_mut(parent).children;
            siblings.swap_remove(account.child_place as usize);
            if let Some(moved) = siblings.get(account.child_place as usize).copied() {
                self.at_mut(moved).child_place = account.child_place;
            }
        }
        account
    }

    /// True if each child of an account knows its place among them.
    pub(super) fn knows_children(&self, index: u32) -> bool {
        let mut children = (0..).zip(&self.at(index).children);
        children.all(|(place, child)| self.at(*child).child_place == place)
    }

    /// How many accounts there are.
    pub(super) fn count(&self) -> usize {
        self.by_path.len()
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The places of the account itself, then of what is above it, up to the root of its tree.
    #[inline]
    pub(super) fn upward(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        Ancestors::of_account(index).iter(self).map(|(place, _)| place)
    }

    /// The account itself, then everything below it, parents before their children.
    pub(super) fn downward(&self, index: u32) -> Vec<u32> {
        let mut found = vec![index];
        let mut next = 0;
        while let Some(index) = found.get(next).copied() {
            found.extend(&self.at(index).children);
            next += 1;
        }
        found
    }
}
