//! The table: how a row is measured, and how it is printed.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::in_turn::{Medians, in_turn};

/// Of the two works of a row, and of ours and its floor.
const ROUNDS: usize = 501;
const FLOOR_ROUNDS: usize = 101;
/// Of works that take longer than 10 ms.
const LONG_ROUNDS: usize = 5;

pub type Call = Box<dyn FnMut()>;

/// Two works to measure beside each other.
pub struct Row<'a> {
    pub work: &'a str,
    pub ours: Call,
    pub peer: &'a str,
    pub theirs: Call,
    pub floor: Option<Floor>,
    /// What the peer leaves out of the work, if anything.
    pub note: &'a str,
}

/// What no work of a kind can do without.
pub struct Floor {
    name: &'static str,
    call: Call,
}

impl Floor {
    pub fn new(name: &'static str, call: impl FnMut() + 'static) -> Floor {
        Floor { name, call: Box::new(call) }
    }

    /// One uncontended atomic add.
    pub fn add() -> Floor {
        let atomic = AtomicU64::new(0);
        Floor::new("atomic add", move || {
            black_box(atomic.fetch_add(1, Ordering::SeqCst));
        })
    }

    /// One uncontended lock and unlock.
    pub fn lock() -> Floor {
        let lock = parking_lot::Mutex::new(0_u64);
        Floor::new("lock", move || *lock.lock() += 1)
    }

    /// One `Arc` cloned and dropped.
    pub fn arc() -> Floor {
        let shared = Arc::new(0_u64);
        Floor::new("`Arc` clone", move || drop(black_box(shared.clone())))
    }
}

pub struct Table {
    started: Instant,
    lines: Vec<String>,
    /// Nanoseconds of each floor, beside each row that has it.
    floors: BTreeMap<&'static str, Vec<f64>>,
}

impl Table {
    pub fn new() -> Table {
        Table { started: Instant::now(), lines: Vec::new(), floors: BTreeMap::new() }
    }

    /// Measures the row now, so that what it holds is freed before the next.
    pub fn add(&mut self, row: Row<'_>) {
        let Row { work, mut ours, peer, mut theirs, floor, note } = row;
        eprintln!("{:4} s  {work} | {peer}", self.started.elapsed().as_secs());
        let rounds = |long: Option<f64>| match long {
            Some(nanos) if nanos > 1e7 => LONG_ROUNDS,
            _ => ROUNDS,
        };
        let pair = in_turn(&mut ours, &mut theirs, rounds);
        let floor = match floor {
            Some(floor) => self.above(floor, &mut ours),
            None => "–".to_owned(),
        };
        let Medians { ours, theirs, ratio } = pair;
        let (ours, theirs, ratio) = (time(ours), time(theirs), said(ratio));
        self.lines
            .push(format!("| {work} | {ours} | {peer}, {theirs} | {ratio} | {floor} | {note} |"));
    }

    /// How many of its floor ours takes.
    fn above(&mut self, mut floor: Floor, ours: &mut Call) -> String {
        let Medians { ours: nanos, ratio, .. } = in_turn(&mut floor.call, ours, |_| FLOOR_ROUNDS);
        self.floors.entry(floor.name).or_default().push(nanos);
        format!("{} × {}", digits(ratio), floor.name)
    }

    pub fn print(mut self) {
        println!("| work | ours | peer | ratio | floor | note |");
        println!("|---|---:|---|---:|---:|---|");
        self.lines.iter().for_each(|line| println!("{line}"));
        let floor = |(name, nanos): (&&str, &mut Vec<f64>)| {
            nanos.sort_by(f64::total_cmp);
            format!("one {name} took {}", time(nanos[nanos.len() / 2]))
        };
        let floors: Vec<String> = self.floors.iter_mut().map(floor).collect();
        println!("\nFloors, beside ours: {}.", floors.join(", "));
        eprintln!("{:4} s in all", self.started.elapsed().as_secs());
    }
}

/// What theirs takes of ours, in words: who is ahead must not be read out of a number.
fn said(ratio: f64) -> String {
    match ratio {
        0.95..1.05 => "as fast".to_owned(),
        1.05.. => format!("{} times faster", digits(ratio)),
        _ => format!("**{} times slower**", digits(1.0 / ratio)),
    }
}

fn time(nanos: f64) -> String {
    match nanos {
        ..1e3 => format!("{} ns", digits(nanos)),
        ..1e6 => format!("{} µs", digits(nanos / 1e3)),
        _ => format!("{} ms", digits(nanos / 1e6)),
    }
}

/// Two digits that count, at least.
fn digits(value: f64) -> String {
    let places = match value {
        ..0.095 => 3,
        ..0.95 => 2,
        ..9.5 => 1,
        _ => 0,
    };
    format!("{value:.places$}")
}
