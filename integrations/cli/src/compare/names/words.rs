//! [`Words`]: the parts of a model's name, to compare names that are spelled differently.

use bursar::PriceBook;
use bursar::price::Date;

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

/// Where Bedrock runs a model, in front of its name: `us.anthropic.…`.
const REGIONS: [&str; 8] = ["apac", "au", "ca", "eu", "global", "jp", "us", "us-gov"];

/// The words of a name in alphabetical order, its numbers in their own order, its date and region.
#[derive(Debug, PartialEq)]
pub(super) struct Words {
    words: Vec<String>,
    numbers: Vec<String>,
    date: Option<Date>,
    region: Option<&'static str>,
}

impl Words {
    fn of(name: &str) -> Words {
        let lower = name.to_lowercase();
        let region = lower.split_once('.').and_then(|(front, rest)| {
            REGIONS.iter().find(|region| **region == front).map(|region| (*region, rest))
        });
        let (region, rest) = region.map_or((None, &*lower), |(region, rest)| (Some(region), rest));
        let mut parts: Vec<&str> = rest.split(|c: char| !c.is_alphanumeric()).collect();
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
        Words { words: owned(words), numbers: owned(numbers), date, region }
    }

    /// A name, and what is left of it without a version; nothing of a mere date or company.
    pub(super) fn forms(name: &str) -> Vec<Words> {
        let whole = Words::of(name);
        let shorter =
            PriceBook::shorter_names(name).map(Words::of).filter(|form| form.date == whole.date);
        let mut forms: Vec<Words> = shorter.collect();
        forms.push(whole);
        forms.retain(|form| !form.words.is_empty());
        forms
    }

    /// True if both say the same: with the same date and region or, if it is not strict, one of
    /// the two without.
    pub(super) fn is(&self, other: &Words, is_strict: bool) -> bool {
        fn agree<T: PartialEq>(one: Option<T>, other: Option<T>, is_strict: bool) -> bool {
            one == other || (!is_strict && (one.is_none() || other.is_none()))
        }
        agree(self.date, other.date, is_strict)
            && agree(self.region, other.region, is_strict)
            && self.words == other.words
            && self.numbers == other.numbers
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
