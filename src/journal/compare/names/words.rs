//! [`Words`]: the parts of a model's name, to compare names that are spelled differently.

use crate::price::{Date, shorter};

/// Companies whose names are put in front of a model's name.
const COMPANIES: [&str; 12] = [
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "google",
    "meta",
    "microsoft",
    "mistralai",
    "moonshotai",
    "nvidia",
    "openai",
    "xai",
];

/// The words of a name in the order of the alphabet, its numbers in their own, and its date.
#[derive(Debug, PartialEq)]
pub(super) struct Words {
    words: Vec<String>,
    numbers: Vec<String>,
    date: Option<Date>,
}

impl Words {
    fn of(name: &str) -> Words {
        let lower = name.to_lowercase();
        let mut parts: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
        parts.retain(|part| !part.is_empty() && *part != "latest" && !COMPANIES.contains(part));
        let date = take_date(&mut parts);
        let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (mut numbers, mut words): (Vec<&str>, Vec<&str>) =
            parts.into_iter().partition(is_number);
        // `2.0` is `2`.
        while numbers.len() > 1 && numbers.last() == Some(&"0") {
            numbers.pop();
        }
        words.sort_unstable();
        let owned = |parts: Vec<&str>| parts.into_iter().map(str::to_owned).collect();
        Words { words: owned(words), numbers: owned(numbers), date }
    }

    /// A name, and what is left of it without a region and a version; nothing of a mere date or company.
    pub(super) fn forms(name: &str) -> Vec<Words> {
        let whole = Words::of(name);
        let shorter = shorter(name).map(Words::of).filter(|form| form.date == whole.date);
        let mut forms: Vec<Words> = shorter.collect();
        forms.push(whole);
        forms.retain(|form| !form.words.is_empty());
        forms
    }

    /// True if both say the same: with the same date or, if that is not asked for, one of them without.
    pub(super) fn is(&self, other: &Words, same_date: bool) -> bool {
        let dates = match (self.date, other.date) {
            (Some(one), Some(other)) => one == other,
            (None, None) => true,
            _ => !same_date,
        };
        dates && self.words == other.words && self.numbers == other.numbers
    }
}

/// Takes a date off: `20241022`, or `2024`, `10`, `22`.
fn take_date(parts: &mut Vec<&str>) -> Option<Date> {
    let read =
        |text: String| -> Option<Date> { text.parse().ok().filter(|_| text.starts_with("20")) };
    let whole = |part: &str| match part.len() {
        8 if part.is_ascii() => read(format!("{}-{}-{}", &part[..4], &part[4..6], &part[6..])),
        _ => None,
    };
    if let Some((place, date)) = parts.iter().enumerate().find_map(|(at, p)| Some((at, whole(p)?)))
    {
        parts.remove(place);
        return Some(date);
    }
    let three = parts.windows(3).map(|three| read(three.join("-")));
    let (place, date) = three.enumerate().find_map(|(at, date)| Some((at, date?)))?;
    parts.drain(place..place.saturating_add(3));
    Some(date)
}
