//! Owns the calls that are under way: who runs, who waits, and who takes over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::key::CacheKey;
use super::store::OwnHash;
use crate::clock::Timestamp;
use crate::money::Usd;
use crate::sync::Lock;

/// A result, what it cost, and when it was kept.
pub(super) struct Landed<V> {
    pub(super) value: Arc<V>,
    pub(super) cost: Usd,
    pub(super) stored: Timestamp,
}

impl<V> Clone for Landed<V> {
    fn clone(&self) -> Landed<V> {
        Landed { value: Arc::clone(&self.value), ..*self }
    }
}

/// The flights, one for each key that somebody waits for.
///
/// The table is locked before a flight, never the other way round; wakers and values are cloned,
/// woken and dropped outside both.
pub(super) struct Flights<V> {
    table: Lock<HashMap<CacheKey, Arc<Flight<V>>, OwnHash>>,
}

type Flight<V> = Lock<State<V>>;

struct State<V> {
    phase: Phase<V>,
    /// Those who run or wait. With the last of them the flight leaves the table.
    seats: usize,
    /// Those who wait and want to be woken, by ticket.
    waiting: BTreeMap<u64, Waker>,
    next_ticket: u64,
}

enum Phase<V> {
    /// Nobody runs: whoever is polled first does.
    Vacant,
    Running,
    /// The result is there, and the flight is out of the table.
    Landed(Landed<V>),
}

/// What a seat comes to.
pub(super) enum Turn<V> {
    /// To run the call.
    Run,
    /// To take what another brought.
    Landed(Landed<V>),
}

/// A place in a flight. Dropped while it runs, it leaves the run to those who wait: all of them are
/// woken and the first to be polled takes it, so that one that is never polled again stops nobody.
pub(super) struct Seat<'a, V> {
    flights: &'a Flights<V>,
    flight: Arc<Flight<V>>,
    key: CacheKey,
    ticket: u64,
    running: bool,
}

impl<V> Flights<V> {
    pub(super) fn new() -> Flights<V> {
        Flights { table: Lock::new(HashMap::default()) }
    }

    /// Takes a seat in the flight of that key, the first one if there is none.
    pub(super) fn join(&self, key: CacheKey) -> Seat<'_, V> {
        let mut table = self.table.lock();
        let flight =
            Arc::clone(table.entry(key).or_insert_with(|| Arc::new(Lock::new(State::new()))));
        let mut state = flight.lock();
        state.seats += 1;
        state.next_ticket += 1;
        let ticket = state.next_ticket;
        drop(state);
        Seat { flights: self, flight, key, ticket, running: false }
    }
}

impl<V> State<V> {
    const fn new() -> State<V> {
        State { phase: Phase::Vacant, seats: 0, waiting: BTreeMap::new(), next_ticket: 0 }
    }
}

impl<V> Seat<'_, V> {
    /// Waits until there is a result, or nobody who runs.
    pub(super) fn poll_turn(&mut self, context: &Context<'_>) -> Poll<Turn<V>> {
        let waker = context.waker().clone();
        let mut state = self.flight.lock();
        match &state.phase {
            Phase::Landed(landed) => Poll::Ready(Turn::Landed(landed.clone())),
            Phase::Vacant => {
                state.phase = Phase::Running;
                self.running = true;
                let old = state.waiting.remove(&self.ticket);
                drop(state);
                drop(old);
                Poll::Ready(Turn::Run)
            }
            Phase::Running => {
                let old = state.waiting.insert(self.ticket, waker);
                drop(state);
                drop(old);
                Poll::Pending
            }
        }
    }

    /// Brings the result, and wakes all who wait for it.
    pub(super) fn land(mut self, landed: Landed<V>) {
        self.running = false;
        let left = self.flights.table.lock().remove(&self.key);
        let mut state = self.flight.lock();
        state.phase = Phase::Landed(landed);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(left);
        wake(waiting);
    }
}

impl<V> Drop for Seat<'_, V> {
    fn drop(&mut self) {
        let mut table = self.flights.table.lock();
        let mut state = self.flight.lock();
        state.seats -= 1;
        let mut waiting = BTreeMap::new();
        let own = state.waiting.remove(&self.ticket);
        if self.running {
            state.phase = Phase::Vacant;
            waiting = std::mem::take(&mut state.waiting);
        }
        let last = state.seats == 0 && !matches!(state.phase, Phase::Landed(_));
        let left = if last { table.remove(&self.key) } else { None };
        drop(state);
        drop(table);
        drop((own, left));
        wake(waiting);
    }
}

fn wake(waiting: BTreeMap<u64, Waker>) {
    waiting.into_values().for_each(Waker::wake);
}

#[cfg(test)]
impl<V> Flights<V> {
    pub(super) fn is_empty(&self) -> bool {
        self.table.lock().is_empty()
    }
}
