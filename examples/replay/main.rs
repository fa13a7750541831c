//! Replays a trace of real traffic through a budget, on the trace's own clock.
//!
//! `cargo run --release --example replay` runs on the small bundled trace;
//! `cargo run --release --example replay -- --help` says what else it can do.

mod options;
mod outcome;
mod trace;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bursar::clock::{ManualClock, Timestamp};
use bursar::{Account, BudgetManager, Model, Reservation, Usage};

use options::Options;
use outcome::Outcome;
use trace::{Row, Rows};

/// Output tokens that a model writes in a second.
const TOKENS_PER_SECOND: u64 = 50;
/// Bad rows that are told of one by one.
const TOLD: u64 = 100;
/// Rows between two words of progress.
const PROGRESS: u64 = 5_000;

fn main() {
    if let Err(error) = run() {
        eprintln!("replay: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::read(std::env::args().skip(1))? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let mut rows = Rows::open(options.trace.as_deref())?;
    let mut replay = Replay::new(&options)?;
    let mut outcome = Outcome::default();
    let started = Instant::now();
    while let Some(row) = rows.next() {
        let called = row.and_then(|row| replay.call(&row, &mut outcome));
        if let Err(problem) = called {
            let problem = format!("line {}: {problem}", rows.line());
            if options.strict {
                return Err(problem.into());
            }
            outcome.bad_rows += 1;
            if outcome.bad_rows <= TOLD {
                eprintln!("replay: {problem}; the row is left out");
            }
        }
        if rows.line() % PROGRESS == 0 {
            progress(rows.line(), &outcome);
        }
    }
    replay.finish();
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.alerts = replay.alerts.lock().map(|alerts| alerts.clone()).unwrap_or_default();

    let report = replay.budget.report();
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", outcome.to_json(&report))?;
    } else {
        writeln!(out, "{report}\n{outcome}")?;
    }
    Ok(())
}

/// The agents, the clock of the trace, and the calls in flight.
struct Replay {
    budget: BudgetManager,
    clock: ManualClock,
    model: Model,
    agents: Vec<Account>,
    max_output: u64,
    /// The next call to end comes first; of several at one moment the first that began.
    in_flight: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    calls: Vec<Option<(Reservation, Usage)>>,
    free: Vec<usize>,
    begun: u64,
    alerts: Arc<Mutex<Vec<String>>>,
}

impl Replay {
    fn new(options: &Options) -> Result<Replay, Box<dyn Error>> {
        let clock = ManualClock::at(Timestamp::from_secs(0));
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&alerts);
        let budget = BudgetManager::builder()
            .policy(options.policy.clone())
            .clock(clock.clone())
            .on_alert(move |alert| {
                if let Ok(mut alerts) = heard.lock() {
                    alerts.push(format!("{} {alert}", alert.at()));
                }
            });
        // Windows open at the first row: the clock is set before the first call, and rolls them.
        let budget = budget.build()?;
        let model = budget.model(&options.model)?;
        let agents = (1..=options.agents).map(|n| budget.account(&format!("agents/agent-{n}")));
        Ok(Replay {
            agents: agents.collect::<Result<_, _>>()?,
            budget,
            clock,
            model,
            max_output: options.max_output,
            in_flight: BinaryHeap::new(),
            calls: Vec::new(),
            free: Vec::new(),
            begun: 0,
            alerts,
        })
    }

    /// One row: what has ended by now is settled, then the call asks.
    fn call(&mut self, row: &Row, outcome: &mut Outcome) -> Result<(), String> {
        self.settle_until(row.at);
        self.clock.set(row.at);
        let turn = usize::try_from(outcome.calls).unwrap_or(0) % self.agents.len();
        let estimate = self.model.estimate().input(row.context).max_output(self.max_output);
        match self.agents[turn].reserve(&estimate) {
            Ok(hold) => {
                outcome.calls += 1;
                outcome.admitted += 1;
                // The provider stops at the cap.
                let output = row.generated.min(hold.max_output_tokens());
                let lasts = Duration::from_millis(output.saturating_mul(1_000) / TOKENS_PER_SECOND);
                self.begin(row.at.plus(lasts), hold, Usage::tokens(row.context, output));
                Ok(())
            }
            Err(refusal) => outcome.refuse(&refusal),
        }
    }

    fn begin(&mut self, ends: Timestamp, hold: Reservation, usage: Usage) {
        hold.mark_sent();
        let place = self.free.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        self.calls[place] = Some((hold, usage));
        self.in_flight.push(Reverse((ends, self.begun, place)));
        self.begun += 1;
    }

    fn settle_until(&mut self, now: Timestamp) {
        while let Some(Reverse((ends, _, place))) = self.in_flight.peek().copied() {
            if ends > now {
                return;
            }
            self.in_flight.pop();
            self.clock.set(ends);
            if let Some((hold, usage)) = self.calls[place].take() {
                hold.settle(usage);
            }
            self.free.push(place);
        }
    }

    fn finish(&mut self) {
        self.settle_until(Timestamp::MAX);
    }
}

fn progress(rows: u64, outcome: &Outcome) {
    let Outcome { admitted, denied, .. } = outcome;
    let end = if io::stderr().is_terminal() { "\r" } else { "\n" };
    eprint!("replay: {rows} rows, {admitted} admitted, {denied} refused{end}");
}
