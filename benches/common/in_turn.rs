//! How two works are measured beside each other: in turn, in short rounds of the same run, so
//! that their ratio holds on a machine that is shared.

use std::time::Instant;

/// Medians over the rounds.
pub struct Medians {
    /// Nanoseconds of one call of ours, and of theirs.
    pub ours: f64,
    pub theirs: f64,
    /// Of the ratios of each round, theirs to ours.
    pub ratio: f64,
}

/// Measures two calls in turn; `rounds` is told how long one of theirs takes, in nanoseconds, if it
/// is longer than a round.
pub fn in_turn(
    ours: &mut dyn FnMut(),
    theirs: &mut dyn FnMut(),
    rounds: impl FnOnce(Option<f64>) -> usize,
) -> Medians {
    let times = [fitting(ours), fitting(theirs)];
    let rounds = rounds((times[1] == 1).then(|| nanos(theirs, 1)));
    let (mut our, mut their, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (one, other) = (nanos(ours, times[0]), nanos(theirs, times[1]));
        our.push(one);
        their.push(other);
        ratio.push(other / one);
    }
    Medians { ours: median(our), theirs: median(their), ratio: median(ratio) }
}

/// How often a call fits into a fifth of a millisecond: short enough that most rounds are not
/// interrupted.
fn fitting(call: &mut dyn FnMut()) -> u32 {
    let mut times = 1;
    while nanos(call, times) * f64::from(times) < 2e5 {
        times *= 2;
    }
    times
}

fn nanos(call: &mut dyn FnMut(), times: u32) -> f64 {
    let started = Instant::now();
    (0..times).for_each(|_| call());
    started.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
