//! Tests that every small enum parses the name that it displays.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use bursar::calendar::CalendarUnit;
use bursar::ledger::PostingKind;
use bursar::parse::ParseError;
use bursar::select::Complexity;
use bursar::usage::Bucket;
use bursar::{Confidence, Measure};

/// By what it prints as, and by its serde form if it has one.
fn reads_back<T>(all: &[T], json: impl Fn(&T) -> Option<String>)
where
    T: FromStr<Err = ParseError> + Display + Debug + PartialEq + Clone,
{
    for one in all {
        assert_eq!(one.to_string().parse::<T>().as_ref(), Ok(one));
        if let Some(json) = json(one) {
            assert_eq!(json.trim_matches('"').parse::<T>().as_ref(), Ok(one), "{json}");
        }
    }
    for bad in ["", " ", "x", "SIMPLE", "exact ", "per call"] {
        let error = bad.parse::<T>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{bad}` is not a")), "{error}");
        assert!(all.iter().all(|one| error.contains(&format!("`{one}`"))), "{error}");
    }
}

fn json<T: serde::Serialize>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok()
}

#[test]
fn a_name_reads_back() {
    use Complexity::{Complex, Medium, Simple, Unknown};
    reads_back(&[Simple, Medium, Complex, Unknown], json);
    use Confidence::{Assumed, Estimated, Exact, Reported};
    reads_back(&[Exact, Reported, Estimated, Assumed], json);
    use CalendarUnit::{Day, Hour, Month, Quarter, Week, Year};
    reads_back(&[Hour, Day, Week, Month, Quarter, Year], json);
    reads_back(
        &[
            Measure::Cost,
            Measure::PerCall,
            Measure::Tokens,
            Measure::InputTokens,
            Measure::UncachedInputTokens,
            Measure::OutputTokens,
            Measure::Requests,
            Measure::InFlight,
        ],
        json,
    );
    use PostingKind::{Adjusted, Expired, Recorded, Reversed, Settled};
    reads_back(&[Settled, Recorded, Expired, Reversed, Adjusted], |_| None);
    reads_back(&[Bucket::Input, Bucket::CacheWrite1h, Bucket::OutputAudio], |_| None);
}
