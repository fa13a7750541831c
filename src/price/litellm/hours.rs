//! LiteLLM's `off_peak_pricing`, which names the cheap hours where a [`Peak`] names the dear ones.

use serde_json::value::RawValue;

use crate::calendar::Zone;

use super::super::rates::{Peak, Rates};
use super::super::raw::{self, Object};

const MINUTES: usize = 24 * 60;

/// The minutes of a week that are off peak, by weekday.
type Week = [[bool; MINUTES]; 7];

/// The peak at `dear` rates: the hours that the windows leave. `None` if they cannot be read, or if
/// the days of the peak have different hours.
///
/// The hours are in UTC and so are the weekdays; a list that counts weekdays in another zone is not
/// understood.
pub(super) fn peak(block: &Object<'_>, dear: Rates) -> Option<Peak> {
    if block
        .get("weekday_timezone")
        .is_some_and(|zone| raw::text(zone).ok().as_deref() != Some("UTC"))
    {
        return None;
    }
    // Mark the minutes of the peak in a week.
    let mut week: Box<Week> = Box::new([[false; MINUTES]; 7]);
    if let Some(hours) = block.get("hours_utc") {
        mark(&mut week, 1..=7, hours)?;
    }
    for window in block.get("windows").map_or(Some(Vec::new()), |list| raw::list(list).ok())? {
        let window = raw::object(window).ok()?;
        let days = window.get("weekdays").map(|days| raw::list(days).ok());
        let days: Vec<u8> = match days {
            None => (1..=7).collect(),
            Some(days) => days?.iter().map(|day| day.get().parse().ok()).collect::<Option<_>>()?,
        };
        mark(&mut week, days, window.get("hours_utc")?)?;
    }
    // Read them back as hours, which have to be the same on all days.
    let mut hours: Option<Vec<String>> = None;
    let mut days = Vec::new();
    for (day, minutes) in (1_u8..).zip(week.iter()) {
        let left = rest(minutes);
        if !left.is_empty() {
            if hours.as_ref().is_some_and(|hours| *hours != left) {
                return None;
            }
            days.push(day);
            hours = Some(left);
        }
    }
    Peak::new(Zone::UTC, days, hours?, dear).ok()
}

fn mark(week: &mut Week, days: impl IntoIterator<Item = u8>, hours: &RawValue) -> Option<()> {
    let hours = match raw::list(hours) {
        Ok(list) => {
            list.into_iter().map(|range| raw::text(range).ok()).collect::<Option<Vec<_>>>()?
        }
        Err(_) => vec![raw::text(hours).ok()?],
    };
    for day in days {
        let minutes = week.get_mut(usize::from(day.checked_sub(1)?))?;
        for range in &hours {
            let (start, end) = range.split_once('-')?;
            let (start, end) = (minute(start)?, minute(end)?);
            // One that ends no later than it begins runs on at the beginning of the same day.
            for (place, off) in minutes.iter_mut().enumerate() {
                let is_after = place >= start;
                *off |= if start < end { is_after && place < end } else { is_after || place < end };
            }
        }
    }
    Some(())
}

fn minute(text: &str) -> Option<usize> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (usize, usize) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// The ranges of a day that are not marked.
fn rest(minutes: &[bool; MINUTES]) -> Vec<String> {
    let mut ranges = Vec::new();
    let mut begun = None;
    for place in 0..=MINUTES {
        let is_peak = minutes.get(place).is_some_and(|off| !off);
        match (begun, is_peak) {
            (None, true) => begun = Some(place),
            (Some(start), false) => {
                ranges.push(format!("{}-{}", clock(start), clock(place)));
                begun = None;
            }
            _ => {}
        }
    }
    ranges
}

fn clock(minute: usize) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Peak> {
        peak(&serde_json::from_str(json).unwrap(), Rates::none())
    }

    fn expected(days: &[u8], hours: &[&str]) -> Option<Peak> {
        Peak::new(Zone::UTC, days.iter().copied(), hours.iter().copied(), Rates::none()).ok()
    }

    #[test]
    fn the_peak_is_what_the_cheap_hours_leave_over() {
        for (json, peak) in [
            (
                r#"{"windows": [{"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"],
                    "weekdays": [1, 2, 3, 4, 5]}, {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]}"#,
                expected(&[1, 2, 3, 4, 5], &["01:00-04:00", "06:00-10:00"]),
            ),
            (r#"{"hours_utc": "16:30-00:30"}"#, expected(&[1, 2, 3, 4, 5, 6, 7], &["00:30-16:30"])),
            (
                r#"{"hours_utc": ["00:00-08:00", "20:00-00:00"]}"#,
                expected(&[1, 2, 3, 4, 5, 6, 7], &["08:00-20:00"]),
            ),
            (r#"{"hours_utc": "00:00-00:00"}"#, None),
            (r#"{"hours_utc": "16:30"}"#, None),
            (r#"{"hours_utc": "16:30-24:00"}"#, None),
            (r#"{"windows": [{"hours_utc": "01:00-02:00", "weekdays": [1]}]}"#, None),
            (r#"{"windows": [{"hours_utc": "01:00-02:00", "weekdays": [0]}]}"#, None),
            (r#"{"windows": [{"hours_utc": "01:00-02:00", "weekdays": ["mon"]}]}"#, None),
            (r#"{"windows": [7]}"#, None),
            (r#"{"windows": {}}"#, None),
            (r#"{"hours_utc": "01:00-02:00", "weekday_timezone": "Asia/Shanghai"}"#, None),
        ] {
            assert_eq!(read(json), peak, "{json}");
        }
        let always = expected(&[1, 2, 3, 4, 5, 6, 7], &["00:00-24:00"]);
        assert_eq!(read("{}"), always, "no cheap hours");
    }
}
