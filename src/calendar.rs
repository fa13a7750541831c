//! Time zones and calendar windows: when the hour, day, week, month, quarter or year around a
//! moment begins and ends.
//!
//! You need it only for a [`Period`](crate::Period) that has no constructor of its own, such as the
//! quarter in Tokyo: `Period::calendar(CalendarUnit::Quarter, "Asia/Tokyo")`.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::parse::{ParseError, named};

/// A time zone of the IANA database, such as `Europe/Berlin`, or `UTC`.
///
/// The machine's own database is asked first, so that it can be kept up to date, then the one that
/// is compiled in.
///
/// ```
/// use bursar::calendar::Zone;
///
/// assert_eq!(Zone::named("Europe/Berlin")?.name(), "Europe/Berlin");
/// assert!(Zone::named("Mars/Olympus").is_err());
/// # Ok::<(), bursar::parse::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Zone {
    name: Cow<'static, str>,
    zone: TimeZone,
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone { name: Cow::Borrowed("UTC"), zone: TimeZone::UTC };

    /// The zone of that name.
    ///
    /// # Errors
    /// [`ParseError`] if neither the machine nor the compiled-in database has it.
    pub fn named(name: &str) -> Result<Zone, ParseError> {
        if name == "UTC" {
            return Ok(Zone::UTC);
        }
        match TimeZone::get(name) {
            Ok(zone) => {
                let name = zone.iana_name().unwrap_or(name).to_owned();
                Ok(Zone { name: Cow::Owned(name), zone })
            }
            Err(_) => Err(ParseError::new(name, NO_ZONE)),
        }
    }

    /// The name it was found by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The weekday (Monday is 1, Sunday 7) and the second of the local day at a moment.
    pub(crate) fn weekday_and_second(&self, at: Timestamp) -> Option<(u8, u32)> {
        let local = self.local(at)?;
        let weekday = local.weekday().to_monday_one_offset().unsigned_abs();
        let time = local.time();
        let second = u32::from(time.hour().unsigned_abs()) * 3_600
            + u32::from(time.minute().unsigned_abs()) * 60
            + u32::from(time.second().unsigned_abs());
        Some((weekday, second))
    }

    fn local(&self, at: Timestamp) -> Option<DateTime> {
        let moment = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
        Some(self.zone.to_datetime(moment))
    }

    /// The first moment of a local time. Where the clocks skip it, the moment they jump; where
    /// they show it twice, the earlier one.
    fn first_moment(&self, local: DateTime) -> Option<Timestamp> {
        let moment = self.zone.to_ambiguous_timestamp(local);
        let chosen = match moment.offset() {
            jiff::tz::AmbiguousOffset::Gap { before, .. } => {
                // `preceding` means strictly before, and midnight is often where the jump begins.
                let shifted = before.to_timestamp(local).ok()?;
                let after = shifted.checked_add(1.nanosecond()).ok()?;
                self.zone.preceding(after).next().map_or(shifted, |jump| jump.timestamp())
            }
            _ => moment.earlier().ok()?,
        };
        Some(Timestamp::from_micros(chosen.as_microsecond()))
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
        let name = String::deserialize(deserializer)?;
        Zone::named(&name).map_err(serde::de::Error::custom)
    }
}

const NO_ZONE: &str =
    "a time zone; write a name of the IANA database, such as `Europe/Berlin` or `UTC`";

/// A unit of the calendar.
///
/// ```
/// use bursar::calendar::{CalendarUnit, Zone};
///
/// // A day in Berlin is UTC's from 23:00 to 23:00, in winter.
/// let (start, end) =
///     CalendarUnit::Day.window_around(&Zone::named("Europe/Berlin")?, "2026-11-24T12:00:00Z".parse()?);
/// assert_eq!(start, "2026-11-23T23:00:00Z".parse()?);
/// assert_eq!(end, "2026-11-24T23:00:00Z".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CalendarUnit {
    /// From minute 0 to minute 0 of the local clock.
    Hour,
    /// From midnight to midnight; 23 or 25 hours long when the clocks change.
    Day,
    /// From Monday to Monday (ISO 8601).
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// From January, April, July or October, three months.
    Quarter,
    /// From the first of January.
    Year,
}

impl CalendarUnit {
    /// Every one, in order.
    const ALL: [CalendarUnit; 6] = [
        CalendarUnit::Hour,
        CalendarUnit::Day,
        CalendarUnit::Week,
        CalendarUnit::Month,
        CalendarUnit::Quarter,
        CalendarUnit::Year,
    ];

    /// The name of the unit: `hour`, `day`, …
    pub const fn as_str(self) -> &'static str {
        match self {
            CalendarUnit::Hour => "hour",
            CalendarUnit::Day => "day",
            CalendarUnit::Week => "week",
            CalendarUnit::Month => "month",
            CalendarUnit::Quarter => "quarter",
            CalendarUnit::Year => "year",
        }
    }

    /// The window of the calendar that `at` lies in: its first moment, and the first one after it.
    ///
    /// The end is the *local* start of the next unit, never the start plus a fixed number of hours. Outside
    /// the years ±9999, which the calendar does not cover, the window has no end.
    ///
    /// ```
    /// use bursar::calendar::{CalendarUnit, Zone};
    /// use bursar::clock::Timestamp;
    ///
    /// let noon: Timestamp = "2026-03-29T12:00:00Z".parse()?;
    /// let (start, end) = CalendarUnit::Day.window_around(&Zone::named("Europe/Berlin")?, noon);
    /// assert_eq!(start.to_string(), "2026-03-28T23:00:00Z");
    /// assert_eq!(end.to_string(), "2026-03-29T22:00:00Z"); // 23 hours: the clocks go forward
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn window_around(self, zone: &Zone, at: Timestamp) -> (Timestamp, Timestamp) {
        window_around(self, zone, at)
    }
}

impl fmt::Display for CalendarUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// By its name, as [`as_str`](CalendarUnit::as_str) and serde have it.
impl FromStr for CalendarUnit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<CalendarUnit, ParseError> {
        named(text, "a unit of the calendar", &CalendarUnit::ALL, CalendarUnit::as_str)
    }
}

/// [`CalendarUnit::window_around`].
pub(crate) fn window_around(
    unit: CalendarUnit,
    zone: &Zone,
    at: Timestamp,
) -> (Timestamp, Timestamp) {
    let found = match unit {
        CalendarUnit::Hour => hour_around(zone, at),
        _ => dates_around(unit, zone, at),
    };
    match found {
        Some((start, end)) if start <= at && at < end => (start, end),
        _ => (at, Timestamp::MAX),
    }
}

fn dates_around(unit: CalendarUnit, zone: &Zone, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let today = zone.local(at)?.date();
    let (first, length) = first_date(unit, today)?;
    let midnight = |date: Date| zone.first_moment(date.to_datetime(Time::midnight()));
    let (start, end) = (midnight(first)?, midnight(first.checked_add(length).ok()?)?);
    // A zone that leaves out midnight, or repeats it, can put `at` just beside the window that its
    // date names; the neighbour is then the one.
    if at < start {
        let (first, _) = first_date(unit, first.yesterday().ok()?)?;
        return Some((midnight(first)?, start));
    }
    if at >= end {
        let (first, length) = first_date(unit, first.checked_add(length).ok()?)?;
        return Some((end, midnight(first.checked_add(length).ok()?)?));
    }
    Some((start, end))
}

/// The first date of the unit that `date` lies in, and the unit's length.
fn first_date(unit: CalendarUnit, date: Date) -> Option<(Date, Span)> {
    let first = |month: i8| Date::new(date.year(), month, 1).ok();
    Some(match unit {
        CalendarUnit::Hour | CalendarUnit::Day => (date, 1.day()),
        CalendarUnit::Week => {
            let since_monday = i32::from(date.weekday().to_monday_zero_offset());
            (date.checked_sub(since_monday.days()).ok()?, 1.week())
        }
        CalendarUnit::Month => (first(date.month())?, 1.month()),
        CalendarUnit::Quarter => (first((date.month() - 1) / 3 * 3 + 1)?, 3.months()),
        CalendarUnit::Year => (first(1)?, 1.year()),
    })
}

/// Local hours. The hour that the clocks show twice is two windows; a change of the clocks inside
/// an hour (Lord Howe Island moves by thirty minutes) ends the window.
fn hour_around(zone: &Zone, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let local = zone.local(at)?;
    let minute = i64::from(local.minute()) * 60 + i64::from(local.second());
    let into = minute * 1_000_000 + i64::from(local.subsec_nanosecond()) / 1_000;
    let nominal = at.as_micros().checked_sub(into)?;
    let moment = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
    let nanosecond = 1.nanosecond();
    let change_before = zone.zone.preceding(moment.checked_add(nanosecond).ok()?).next();
    let change_after = zone.zone.following(moment).next();
    let start = change_before.map_or(nominal, |c| c.timestamp().as_microsecond().max(nominal));
    let end = nominal.checked_add(3_600_000_000)?;
    let end = change_after.map_or(end, |change| change.timestamp().as_microsecond().min(end));
    Some((Timestamp::from_micros(start), Timestamp::from_micros(end)))
}
