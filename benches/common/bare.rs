//! [`BareAccount`]: the floor of a pair. A small ledger of its own that reserves and settles with the
//! promises of a budget (exact money, every limit of the path or none, an owned guard that gives back,
//! charges in the window they were reserved in, one lock, a clock that never goes back), and nothing
//! else: no prices, tags, models, filters, alerts, leases, queue, journal or `dyn`.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use std::sync::Arc;

use bursar::clock::{Clock, SystemClock, Timestamp};
use parking_lot::{Mutex, MutexGuard};

const NONE: u32 = u32::MAX;
const DAY: i64 = 86_400_000_000;

/// One account of three, with a day and a month limit on each level.
pub struct BareAccount {
    shared: Arc<Shared>,
    index: u32,
}

struct Shared {
    clock: SystemClock,
    state: Mutex<State>,
}

struct State {
    now: Timestamp,
    /// When the next window ends, and when the youngest began.
    next_roll: Timestamp,
    latest_start: Timestamp,
    accounts: Vec<Account>,
    holds: Vec<Hold>,
    first_free: u32,
}

struct Account {
    parent: u32,
    open_holds: u32,
    spent: i128,
    held: i128,
    peak: i128,
    limits: [Limit; 2],
}

/// A limit on what is spent and held in a window of so many days.
struct Limit {
    amount: i128,
    spent: i128,
    held: i128,
    previous: (i128, i128),
    days: i64,
    start: Timestamp,
}

struct Hold {
    generation: u32,
    account: u32,
    cost: i128,
    at: Timestamp,
    next_free: u32,
}

/// Money that is set aside; dropped, it is given back.
pub struct BareHold {
    shared: Option<Arc<Shared>>,
    index: u32,
    generation: u32,
}

impl BareAccount {
    /// Three accounts, one below the other, with limits that are never reached.
    pub fn new() -> BareAccount {
        let clock = SystemClock::new();
        let now = clock.now();
        let limit = |days| Limit::new(1_000_000_000_000_000_000_000, days, now);
        let account = |parent| Account {
            parent,
            open_holds: 0,
            spent: 0,
            held: 0,
            peak: 0,
            limits: [limit(1), limit(30)],
        };
        let accounts = vec![account(NONE), account(0), account(1)];
        let mut state = State {
            now,
            next_roll: now,
            latest_start: now,
            accounts,
            holds: Vec::new(),
            first_free: NONE,
        };
        state.roll(now);
        BareAccount { shared: Arc::new(Shared { clock, state: Mutex::new(state) }), index: 2 }
    }

    /// One reserve and its settle.
    #[inline]
    pub fn call(&self) {
        let hold = self.reserve(30_000_000_000).expect("the limits are wide");
        std::hint::black_box(hold.settle(20_000_000_000));
    }

    pub fn reserve(&self, cost: i128) -> Option<BareHold> {
        let mut state = self.shared.lock();
        let (index, generation) = state.reserve(self.index, cost)?;
        drop(state);
        Some(BareHold { shared: Some(Arc::clone(&self.shared)), index, generation })
    }
}

impl BareHold {
    /// Books what the call cost, and returns what the account has spent.
    pub fn settle(mut self, cost: i128) -> i128 {
        let shared = self.shared.take();
        shared.map_or(0, |shared| shared.lock().end(self.index, self.generation, cost))
    }
}

impl Drop for BareHold {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.lock().end(self.index, self.generation, 0);
        }
    }
}

impl Shared {
    /// The state, at a time that never goes back and in the windows of that time.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        let now = self.clock.now().max(state.now);
        state.now = now;
        if now >= state.next_roll {
            state.roll(now);
        }
        state
    }
}

impl State {
    #[inline]
    fn reserve(&mut self, index: u32, cost: i128) -> Option<(u32, u32)> {
        let mut next = index;
        while let Some(account) = self.accounts.get(next as usize) {
            let fits = |limit: &Limit| limit.spent + limit.held + cost <= limit.amount;
            if !account.limits.iter().all(fits) {
                return None;
            }
            next = account.parent;
        }
        let mut next = index;
        while let Some(account) = self.accounts.get_mut(next as usize) {
            account.held += cost;
            account.peak = account.peak.max(account.spent + account.held);
            for limit in &mut account.limits {
                limit.held += cost;
            }
            next = account.parent;
        }
        self.accounts[index as usize].open_holds += 1;
        let at = self.now;
        match self.holds.get_mut(self.first_free as usize) {
            Some(hold) => {
                let place = std::mem::replace(&mut self.first_free, hold.next_free);
                (hold.account, hold.cost, hold.at) = (index, cost, at);
                Some((place, hold.generation))
            }
            None => {
                let hold = Hold { generation: 0, account: index, cost, at, next_free: NONE };
                self.holds.push(hold);
                Some((u32::try_from(self.holds.len()).ok()? - 1, 0))
            }
        }
    }

    /// Ends a hold; a hold that has ended books nothing.
    #[inline]
    fn end(&mut self, place: u32, generation: u32, cost: i128) -> i128 {
        let hold = &mut self.holds[place as usize];
        if hold.generation != generation {
            return 0;
        }
        hold.generation = generation.wrapping_add(1);
        hold.next_free = std::mem::replace(&mut self.first_free, place);
        let (index, held, at) = (hold.account, hold.cost, hold.at);
        let is_current = at >= self.latest_start;
        let mut next = index;
        while let Some(account) = self.accounts.get_mut(next as usize) {
            account.spent += cost;
            account.held -= held;
            account.peak = account.peak.max(account.spent + account.held);
            for limit in &mut account.limits {
                if is_current {
                    limit.spent += cost;
                    limit.held -= held;
                } else {
                    limit.end_earlier(at, held, cost);
                }
            }
            next = account.parent;
        }
        let account = &mut self.accounts[index as usize];
        account.open_holds -= 1;
        account.spent
    }

    #[cold]
    fn roll(&mut self, now: Timestamp) {
        let limits = self.accounts.iter_mut().flat_map(|account| &mut account.limits);
        for limit in limits {
            limit.roll(now);
            self.latest_start = self.latest_start.max(limit.start);
        }
        let ends = self.accounts.iter().flat_map(|account| &account.limits).map(Limit::end);
        self.next_roll = ends.min().unwrap_or(Timestamp::MAX);
    }
}

impl Limit {
    fn new(amount: i128, days: i64, start: Timestamp) -> Limit {
        Limit { amount, spent: 0, held: 0, previous: (0, 0), days, start }
    }

    fn end(&self) -> Timestamp {
        Timestamp::from_micros(self.start.as_micros() + self.days * DAY)
    }

    fn roll(&mut self, now: Timestamp) {
        if now >= self.end() {
            let length = self.days * DAY;
            self.previous = (self.spent, self.held);
            (self.spent, self.held) = (0, 0);
            let start = now.as_micros().div_euclid(length) * length;
            self.start = Timestamp::from_micros(start);
        }
    }

    /// A charge that may lie in the window before.
    #[cold]
    fn end_earlier(&mut self, at: Timestamp, held: i128, cost: i128) {
        if at >= self.start {
            self.spent += cost;
            self.held -= held;
        } else {
            self.previous.0 += cost;
            self.previous.1 -= held;
        }
    }
}
