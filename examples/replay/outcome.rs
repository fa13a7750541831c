//! What came of a replay: how many calls were admitted and refused, and why.

use std::collections::BTreeMap;
use std::fmt;

use bursar::{Quantity, Report, ReserveError};
use serde_json::{Map, Value, json};

/// What came of a replay.
#[derive(Default)]
pub struct Outcome {
    pub calls: u64,
    pub admitted: u64,
    pub denied: u64,
    /// Refusals by the limit that was in the way.
    pub denied_by: BTreeMap<String, u64>,
    pub bad_rows: u64,
    pub alerts: Vec<String>,
    pub seconds: f64,
}

impl Outcome {
    /// Counts a refusal. An error that is none, such as counts that no call can have, is returned.
    pub fn refuse(&mut self, error: &ReserveError) -> Result<(), String> {
        let why = match error {
            ReserveError::Denied(denied) => {
                let account = match denied.account.as_str() {
                    "" => "(all)",
                    path => path,
                };
                format!("{account}: {}", denied.limit)
            }
            ReserveError::Frozen { .. } => error.to_string(),
            _ => return Err(error.to_string()),
        };
        self.calls += 1;
        self.denied += 1;
        *self.denied_by.entry(why).or_default() += 1;
        Ok(())
    }

    fn calls_per_second(&self) -> f64 {
        self.calls as f64 / self.seconds.max(1e-9)
    }

    pub fn to_json(&self, report: &Report) -> Value {
        let root = report.account("");
        let usd = |amount: Option<bursar::Usd>| amount.unwrap_or_default().exact().to_string();
        let peaks: Map<String, Value> = report
            .limits
            .iter()
            .filter(|limit| limit.account.as_str().is_empty())
            .map(|limit| (limit.limit.clone(), plain(limit.peak)))
            .collect();
        json!({
            "calls": self.calls,
            "admitted": self.admitted,
            "denied": self.denied,
            "denied_by": self.denied_by,
            "bad_rows": self.bad_rows,
            "spent_usd": usd(root.map(|root| root.spent)),
            "held_usd": usd(root.map(|root| root.held)),
            "peak_committed_usd": usd(root.map(|root| root.peak)),
            "peak_by_limit": peaks,
            "alerts": self.alerts.len(),
            "alert_messages": self.alerts,
            "calls_per_second": self.calls_per_second().round(),
            "report": report,
        })
    }
}

/// Money as decimal text, a count as a number.
fn plain(quantity: Quantity) -> Value {
    match quantity {
        Quantity::Money(amount) => json!(amount),
        Quantity::Count(count) => json!(count),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { calls, admitted, denied, .. } = self;
        writeln!(f, "{calls} calls: {admitted} admitted, {denied} refused")?;
        let mut why: Vec<_> = self.denied_by.iter().collect();
        why.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (limit, count) in why.iter().take(10) {
            writeln!(f, "{count:>9} by {limit}")?;
        }
        if why.len() > 10 {
            writeln!(f, "          … and {} more limits", why.len() - 10)?;
        }
        if self.bad_rows > 0 {
            writeln!(f, "{} rows left out", self.bad_rows)?;
        }
        for alert in self.alerts.iter().take(10) {
            writeln!(f, "alert: {alert}")?;
        }
        if self.alerts.len() > 10 {
            writeln!(f, "… and {} more alerts", self.alerts.len() - 10)?;
        }
        write!(f, "{:.0} calls a second", self.calls_per_second())
    }
}
