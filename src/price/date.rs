//! [`Date`]: the day on which a price begins, was checked, or a model retires.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::Timestamp;
use crate::parse::ParseError;

/// A day of the calendar in UTC, written `2026-12-01`.
///
/// ```
/// use bursar::price::Date;
///
/// let date: Date = "2026-12-01".parse()?;
/// assert_eq!(date.start(), "2026-12-01T00:00:00Z".parse()?);
/// assert!("2026-02-30".parse::<Date>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl Date {
    /// The day of that moment, in UTC.
    pub fn of(at: Timestamp) -> Date {
        match jiff::Timestamp::from_microsecond(at.as_micros()) {
            Ok(moment) => Date(jiff::tz::TimeZone::UTC.to_datetime(moment).date()),
            Err(_) if at.as_micros() < 0 => Date(jiff::civil::Date::MIN),
            Err(_) => Date(jiff::civil::Date::MAX),
        }
    }

    /// The first moment of the day, in UTC.
    pub fn start(self) -> Timestamp {
        match jiff::tz::TimeZone::UTC
            .to_timestamp(self.0.to_datetime(jiff::civil::Time::midnight()))
        {
            Ok(moment) => Timestamp::from_micros(moment.as_microsecond()),
            Err(_) if self.0.year() < 0 => Timestamp::MIN,
            Err(_) => Timestamp::MAX,
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Date {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Date, ParseError> {
        let shaped = text.len() == 10 && text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        match text.parse() {
            Ok(date) if shaped => Ok(Date(date)),
            _ => Err(ParseError::new(text, "a day; write it as text, such as \"2026-12-01\"")),
        }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_utc() {
        let day: Date = "2026-12-01".parse().unwrap();
        assert_eq!(day.start(), "2026-12-01T00:00:00Z".parse().unwrap());
        assert_eq!(day.to_string(), "2026-12-01");
        assert_eq!(Date::of(day.start()), day);
        assert_eq!(Date::of("2026-12-02T00:30:00+01:00".parse().unwrap()), day);
        assert_eq!(Date::of(Timestamp::MIN).to_string(), "-009999-01-01");
        assert_eq!(Date::of(Timestamp::MAX).to_string(), "9999-12-31");
        for text in ["2026-13-01", "2026-12-1", "20261201", "2026-12-01T00:00:00Z", "", "soon"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }
}
