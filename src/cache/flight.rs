//! [`Flights`]: the calls that are under way, so that equal calls run once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use dashmap::DashMap;

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

/// The calls under way, one flight for each key.
///
/// A shard of the table is never locked together with a flight; wakers and values are cloned,
/// woken and dropped outside both.
pub(super) struct Flights<V> {
    table: DashMap<CacheKey, Arc<Flight<V>>, OwnHash>,
}

struct Flight<V> {
    /// Those who run or wait. With the last of them the flight leaves the table.
    seats: AtomicUsize,
    state: Lock<State<V>>,
}

struct State<V> {
    phase: Phase<V>,
    /// Those who wait and want to be woken, by ticket.
    waiting: BTreeMap<u64, Waker>,
    next_ticket: u64,
}

enum Phase<V> {
    /// No call runs: the first to be polled runs it.
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
/// woken and the first to be polled takes it, so that one that is never polled again does not stop the others.
pub(super) struct Seat<'a, V> {
    flights: &'a Flights<V>,
    flight: Arc<Flight<V>>,
    key: CacheKey,
    ticket: u64,
    running: bool,
}

impl<V> Flights<V> {
    pub(super) fn new() -> Flights<V> {
        Flights { table: DashMap::default() }
    }

    /// Takes a seat in the flight of that key, the first one if there is none.
    pub(super) fn join(&self, key: CacheKey) -> Seat<'_, V> {
        // Counted while the table is locked, so that the flight stays in it.
        let entry = self.table.entry(key).or_insert_with(|| Arc::new(Flight::new()));
        entry.seats.fetch_add(1, Ordering::Relaxed);
        let flight = Arc::clone(&entry);
        drop(entry);
        let mut state = flight.state.lock();
        state.next_ticket += 1;
        let ticket = state.next_ticket;
        drop(state);
        Seat { flights: self, flight, key, ticket, running: false }
    }
}

impl<V> Flight<V> {
    fn new() -> Flight<V> {
        let state = State { phase: Phase::Vacant, waiting: BTreeMap::new(), next_ticket: 0 };
        Flight { seats: AtomicUsize::new(0), state: Lock::new(state) }
    }
}

impl<V> Seat<'_, V> {
    /// Waits until there is a result, or no call that runs.
    pub(super) fn poll_turn(&mut self, context: &Context<'_>) -> Poll<Turn<V>> {
        let waker = context.waker().clone();
        let mut state = self.flight.state.lock();
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
        let left = self.flights.table.remove(&self.key);
        let mut state = self.flight.state.lock();
        state.phase = Phase::Landed(landed);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(left);
        wake(waiting);
    }
}

impl<V> Drop for Seat<'_, V> {
    fn drop(&mut self) {
        // The last one takes the flight out of the table, unless it has landed and left before.
        let left = self.flights.table.remove_if(&self.key, |_, flight| {
            Arc::ptr_eq(flight, &self.flight) && flight.seats.fetch_sub(1, Ordering::Relaxed) == 1
        });
        let mut state = self.flight.state.lock();
        let own = state.waiting.remove(&self.ticket);
        let mut waiting = BTreeMap::new();
        if self.running {
            state.phase = Phase::Vacant;
            waiting = std::mem::take(&mut state.waiting);
        }
        drop(state);
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
        self.table.is_empty()
    }
}
