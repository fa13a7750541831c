//! The windows of the calendar: no gap, no overlap, and the lengths that the clocks of each zone
//! make of them.

use bursar::calendar::{CalendarUnit, Zone};
use bursar::clock::Timestamp;
use proptest::prelude::*;

const UNITS: [CalendarUnit; 6] = [
    CalendarUnit::Hour,
    CalendarUnit::Day,
    CalendarUnit::Week,
    CalendarUnit::Month,
    CalendarUnit::Quarter,
    CalendarUnit::Year,
];

/// Zones with something of their own: half hours, quarter hours, half-hour summer time, midnights
/// that are skipped or come twice, a day that never was, clocks moved at one minute past midnight,
/// summer time that pauses for Ramadan, two hours of summer time.
const ZONES: [&str; 18] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "America/Asuncion",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Shanghai",
    "Asia/Beirut",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Casablanca",
    "Antarctica/Troll",
];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(unit: CalendarUnit, zone: &str, moment: &str) -> (String, String) {
    let (start, end) = unit.window_around(&Zone::named(zone).unwrap(), at(moment));
    (start.to_string(), end.to_string())
}

fn just_before(moment: Timestamp) -> Timestamp {
    Timestamp::from_micros(moment.as_micros() - 1)
}

/// litellm #34896, #10288: resets late by the offset of the zone. PR #35326: a month of 30 days.
#[test]
fn windows_begin_and_end_with_the_local_calendar() {
    use CalendarUnit::{Day, Hour, Month, Quarter, Week, Year};
    for (unit, zone, moment, start, end) in [
        // Summer time begins and ends: 23 and 25 hours.
        (Day, "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-28T23:00", "2026-03-29T22:00"),
        (Day, "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-24T22:00", "2026-10-25T23:00"),
        (Day, "America/New_York", "2026-03-08T12:00Z", "2026-03-08T05:00", "2026-03-09T04:00"),
        (Day, "America/New_York", "2026-11-01T12:00Z", "2026-11-01T04:00", "2026-11-02T05:00"),
        // By half an hour only.
        (Day, "Australia/Lord_Howe", "2026-10-04T00:00Z", "2026-10-03T13:30", "2026-10-04T13:00"),
        (Day, "Australia/Lord_Howe", "2026-04-05T00:00Z", "2026-04-04T13:00", "2026-04-05T13:30"),
        // Midnight is skipped: the day begins at one o'clock, where the clocks jump.
        (Day, "America/Sao_Paulo", "2018-11-04T12:00Z", "2018-11-04T03:00", "2018-11-05T02:00"),
        (Day, "America/Sao_Paulo", "2018-11-03T12:00Z", "2018-11-03T03:00", "2018-11-04T03:00"),
        (Day, "Asia/Beirut", "2026-03-29T12:00Z", "2026-03-28T22:00", "2026-03-29T21:00"),
        // The hour before midnight comes twice: 25 hours.
        (Day, "America/Sao_Paulo", "2018-02-17T12:00Z", "2018-02-17T02:00", "2018-02-18T03:00"),
        // Midnight comes twice, an hour apart: the day begins with the first.
        (Day, "America/Havana", "2026-11-01T12:00Z", "2026-11-01T04:00", "2026-11-02T05:00"),
        // The day that never was, 30 December 2011: the 29th is followed by the 31st.
        (Day, "Pacific/Apia", "2011-12-30T09:59Z", "2011-12-29T10:00", "2011-12-30T10:00"),
        (Day, "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00", "2011-12-31T10:00"),
        (Week, "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-26T10:00", "2012-01-01T10:00"),
        (Month, "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-01T10:00", "2011-12-31T10:00"),
        // Ramadan pauses the summer time of Morocco.
        (Day, "Africa/Casablanca", "2026-02-15T12:00Z", "2026-02-14T23:00", "2026-02-16T00:00"),
        (Day, "Africa/Casablanca", "2026-03-22T12:00Z", "2026-03-22T00:00", "2026-03-22T23:00"),
        // Offsets that are no whole hours, and none that change.
        (Day, "Asia/Kolkata", "2026-11-24T20:00Z", "2026-11-24T18:30", "2026-11-25T18:30"),
        (Hour, "Asia/Kolkata", "2026-11-24T12:29Z", "2026-11-24T11:30", "2026-11-24T12:30"),
        (Hour, "Asia/Kathmandu", "2026-11-24T12:00Z", "2026-11-24T11:15", "2026-11-24T12:15"),
        (Day, "Asia/Shanghai", "2026-11-24T16:00Z", "2026-11-24T16:00", "2026-11-25T16:00"),
        // The hour that comes twice is two windows; half an hour ends where the clocks move.
        (Hour, "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T00:00", "2026-10-25T01:00"),
        (Hour, "Europe/Berlin", "2026-10-25T01:30Z", "2026-10-25T01:00", "2026-10-25T02:00"),
        (Hour, "Australia/Lord_Howe", "2026-04-04T14:45Z", "2026-04-04T14:00", "2026-04-04T15:00"),
        (Hour, "Australia/Lord_Howe", "2026-04-04T15:10Z", "2026-04-04T15:00", "2026-04-04T15:30"),
        (Hour, "Australia/Lord_Howe", "2026-10-03T15:40Z", "2026-10-03T15:30", "2026-10-03T16:00"),
        // Weeks are those of ISO 8601, over the end of a year and over a change of the clocks.
        (Week, "UTC", "2026-11-29T23:59Z", "2026-11-23T00:00", "2026-11-30T00:00"),
        (Week, "UTC", "2027-01-01T00:00Z", "2026-12-28T00:00", "2027-01-04T00:00"),
        (Week, "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-18T22:00", "2026-10-25T23:00"),
        // Months of 28, 29, 30 and 31 days, and the quarters and years they make.
        (Month, "UTC", "2026-02-28T23:59Z", "2026-02-01T00:00", "2026-03-01T00:00"),
        (Month, "UTC", "2028-02-29T12:00Z", "2028-02-01T00:00", "2028-03-01T00:00"),
        (Month, "UTC", "2100-02-28T12:00Z", "2100-02-01T00:00", "2100-03-01T00:00"),
        (Month, "America/New_York", "2026-03-31T12:00Z", "2026-03-01T05:00", "2026-04-01T04:00"),
        (Month, "UTC", "2026-01-31T12:00Z", "2026-01-01T00:00", "2026-02-01T00:00"),
        (Quarter, "UTC", "2026-03-31T23:59Z", "2026-01-01T00:00", "2026-04-01T00:00"),
        (Quarter, "UTC", "2026-12-31T23:59Z", "2026-10-01T00:00", "2027-01-01T00:00"),
        (Quarter, "Europe/Berlin", "2026-05-15T00:00Z", "2026-03-31T22:00", "2026-06-30T22:00"),
        (Year, "UTC", "2028-12-31T23:59Z", "2028-01-01T00:00", "2029-01-01T00:00"),
        (Year, "Asia/Shanghai", "2026-12-31T16:00Z", "2026-12-31T16:00", "2027-12-31T16:00"),
        // Before 1970, and in local mean time.
        (Day, "UTC", "1969-12-31T23:59Z", "1969-12-31T00:00", "1970-01-01T00:00"),
        (Day, "Europe/Berlin", "1890-01-01T12:00Z", "1889-12-31T23:06:32", "1890-01-01T23:06:32"),
    ] {
        let moment = moment.replace("Z", ":00Z");
        let full = |text: &str| match text.len() {
            16 => format!("{text}:00Z"),
            _ => format!("{text}Z"),
        };
        let expected = (full(start), full(end));
        assert_eq!(window(unit, zone, &moment), expected, "{unit:?} in {zone} around {moment}");
    }
}

/// A year of days in each zone: each begins where the last ended, and is between 22 and 26 hours.
#[test]
fn days_of_many_years_follow_each_other() {
    for (zone, from, days) in [
        ("Europe/Berlin", "2026-01-01T00:00:00Z", 366),
        ("America/Sao_Paulo", "2012-01-01T00:00:00Z", 2_600),
        ("Pacific/Apia", "2010-01-01T00:00:00Z", 1_500),
        ("America/St_Johns", "2005-01-01T00:00:00Z", 2_600),
        ("Africa/Casablanca", "2018-01-01T00:00:00Z", 3_000),
        ("Australia/Lord_Howe", "2026-01-01T00:00:00Z", 366),
        ("Asia/Shanghai", "1986-01-01T00:00:00Z", 2_000),
    ] {
        let named = Zone::named(zone).unwrap();
        let (_, mut next) = CalendarUnit::Day.window_around(&named, at(from));
        for _ in 0..days {
            let (start, end) = CalendarUnit::Day.window_around(&named, next);
            assert_eq!(start, next, "{zone}");
            let hours = end.since(start).as_secs_f64() / 3_600.0;
            assert!((22.0..=26.0).contains(&hours), "{zone}: {start} to {end}");
            next = end;
        }
    }
}

/// Where there is no calendar there is no end, and no panic.
#[test]
fn windows_at_the_ends_of_time() {
    for unit in UNITS {
        for moment in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_secs(253_402_300_799)] {
            let (start, end) = unit.window_around(&Zone::UTC, moment);
            assert!(start <= moment && (moment < end || end == Timestamp::MAX), "{unit:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// A window contains its moment, and every moment of it has the same window; what comes before
    /// ends where it starts, what comes after starts where it ends.
    #[test]
    fn windows_tile_the_time_line(
        zone in prop::sample::select(&ZONES[..]),
        unit in prop::sample::select(&UNITS[..]),
        secs in -2_500_000_000_i64..5_000_000_000,
        micros in 0_i64..1_000_000,
        inside in 0.0..1.0_f64,
    ) {
        let zone = Zone::named(zone).unwrap();
        let moment = Timestamp::from_micros(secs * 1_000_000 + micros);
        let (start, end) = unit.window_around(&zone, moment);
        prop_assert!(start <= moment && moment < end && end != Timestamp::MAX);
        let length = end.as_micros() - start.as_micros();
        let within = Timestamp::from_micros(start.as_micros() + (length as f64 * inside) as i64);
        for same in [start, within, just_before(end)] {
            prop_assert_eq!(unit.window_around(&zone, same), (start, end), "around {}", same);
        }
        prop_assert_eq!(unit.window_around(&zone, end).0, end);
        prop_assert_eq!(unit.window_around(&zone, just_before(start)).1, start);
    }

    /// The same around each change of the clocks of each zone, where mistakes are made.
    #[test]
    fn windows_tile_around_midnights(
        zone in prop::sample::select(&ZONES[..]),
        unit in prop::sample::select(&UNITS[..]),
        day in -20_000_i64..30_000,
        minutes in -180_i64..180,
    ) {
        let zone = Zone::named(zone).unwrap();
        let noon = Timestamp::from_secs(day * 86_400);
        let (_, midnight) = CalendarUnit::Day.window_around(&zone, noon);
        let near = Timestamp::from_micros(midnight.as_micros() + minutes * 60_000_000);
        let (start, end) = unit.window_around(&zone, near);
        prop_assert!(start <= near && near < end && end != Timestamp::MAX);
        prop_assert_eq!(unit.window_around(&zone, end).0, end);
        prop_assert_eq!(unit.window_around(&zone, just_before(end)), (start, end));
        prop_assert_eq!(unit.window_around(&zone, just_before(start)).1, start);
    }
}
