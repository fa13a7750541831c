//! Prices as they are written down: [`Rates`], [`Fees`], [`Tier`], [`Block`], [`Peak`].

use crate::calendar::Zone;
use crate::clock::Timestamp;
use crate::usage::Bucket;

use super::rate::{Fee, Rate};

impl Bucket {
    /// The bucket whose rate stands in where this one has none. Nothing stands in for audio, which
    /// costs several times what text does, nor for images that a model draws. Images that it reads
    /// cost what text does unless their price is written down: vendors of chat models publish one
    /// input price for both.
    pub(super) const fn fallback(self) -> Option<Bucket> {
        match self {
            Bucket::CacheRead | Bucket::CacheWrite5m | Bucket::InputImage => Some(Bucket::Input),
            Bucket::CacheWrite30m => Some(Bucket::CacheWrite5m),
            Bucket::CacheWrite1h => Some(Bucket::CacheWrite30m),
            Bucket::CacheWrite12h => Some(Bucket::CacheWrite1h),
            Bucket::Reasoning => Some(Bucket::Output),
            _ => None,
        }
    }
}

/// The buckets of cache writes, the shortest time to live first.
pub(super) const CACHE_WRITES: [Bucket; 4] =
    [Bucket::CacheWrite5m, Bucket::CacheWrite30m, Bucket::CacheWrite1h, Bucket::CacheWrite12h];

/// The rates that one line of a price list names; what it leaves out falls back as
/// [the module](crate::price) says.
///
/// ```
/// use bursar::price::Rates;
/// use bursar::usage::Bucket;
/// use bursar::{ModelPrice, Service};
///
/// // Dollars for a million tokens.
/// let batch = Rates::new("0.5".parse()?, "2".parse()?)
///     .with(Bucket::CacheRead, "0.05".parse()?)
///     .with(Bucket::CacheWrite1h, "1".parse()?);
/// let price = ModelPrice::new("acme", "small", "1".parse()?, "4".parse()?).service(Service::Batch, batch);
/// # let _ = price;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(pub(super) [Option<Rate>; Bucket::COUNT]);

impl Rates {
    /// The rates of input and output.
    pub fn new(input: Rate, output: Rate) -> Rates {
        Rates::none().with(Bucket::Input, input).with(Bucket::Output, output)
    }

    /// No rate at all.
    pub(super) fn none() -> Rates {
        Rates::default()
    }

    /// Sets the rate of one bucket of tokens.
    #[must_use]
    pub fn with(mut self, bucket: Bucket, rate: Rate) -> Rates {
        self.0[bucket as usize] = Some(rate);
        self
    }

    pub(super) fn get(&self, bucket: Bucket) -> Option<Rate> {
        self.0[bucket as usize]
    }
}

/// The fee of each bucket that does not count tokens: a search, a request, a second of audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fees([Option<Fee>; Bucket::FEES]);

impl Fees {
    /// Names the fee of one bucket; false if it is one of tokens, which has a rate.
    pub(super) fn set(&mut self, bucket: Bucket, fee: Fee) -> bool {
        let place = bucket.fee_index().and_then(|index| self.0.get_mut(index));
        place.map(|place| *place = Some(fee)).is_some()
    }

    #[inline]
    pub(super) fn get(&self, bucket: Bucket) -> Option<Fee> {
        *self.0.get(bucket.fee_index()?)?
    }
}

/// Rates for long contexts: they hold for the **whole** request once its input is long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tier {
    /// The least input of such a request, in tokens.
    pub(super) from_input: u64,
    pub(super) rates: Rates,
}

impl Tier {
    /// For requests of **more than** `tokens` input tokens, as OpenAI, Google and Anthropic count.
    pub(super) fn above(tokens: u64, rates: Rates) -> Tier {
        Tier { from_input: tokens.saturating_add(1), rates }
    }
}

/// Rates together with their long-context tiers: what a service tier costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) rates: Rates,
    pub(super) tiers: Vec<Tier>,
}

impl From<Rates> for Block {
    fn from(rates: Rates) -> Block {
        Block { rates, tiers: Vec::new() }
    }
}

/// Rates for some hours of some weekdays, on the clock of one place.
///
/// DeepSeek's peak hours spare Chinese public holidays. No table of holidays is built in, so the
/// peak is charged on a holiday too: an estimate stays an upper bound, and a cost can be too high.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peak {
    zone: Zone,
    /// Bit 0 is Monday.
    weekdays: u8,
    /// Half-open ranges of seconds of the local day.
    ranges: Vec<(u32, u32)>,
    pub(super) rates: Rates,
}

impl Peak {
    /// Peak rates in `zone`, on `weekdays` (Monday is 1, Sunday 7), between `hours` such as
    /// `09:00-12:00`: nine o'clock is in, twelve is out, and `24:00` is the end of the day. The
    /// error says which weekday or range cannot be read.
    pub(super) fn new<S: AsRef<str>>(
        zone: Zone,
        weekdays: impl IntoIterator<Item = u8>,
        hours: impl IntoIterator<Item = S>,
        rates: Rates,
    ) -> Result<Peak, String> {
        let mut days = 0_u8;
        for day in weekdays {
            match day {
                1..=7 => days |= 1 << (day - 1),
                _ => {
                    return Err(format!(
                        "{day} is not a weekday in `days`; Monday is 1, Sunday is 7"
                    ));
                }
            }
        }
        let mut ranges = Vec::new();
        for text in hours {
            let text = text.as_ref();
            ranges.push(range(text).ok_or_else(|| {
                format!(
                    "`{text}` is not a range in `hours`; write \"09:00-12:00\", and split at \
                     midnight what runs past it"
                )
            })?);
        }
        Ok(Peak { zone, weekdays: days, ranges, rates })
    }

    /// True within the peak. Where there is no calendar (beyond the year 9999) it is always peak.
    pub(super) fn contains(&self, at: Timestamp) -> bool {
        let Some((weekday, second)) = self.zone.weekday_and_second(at) else { return true };
        self.weekdays >> (weekday - 1) & 1 == 1
            && self.ranges.iter().any(|(start, end)| (*start..*end).contains(&second))
    }
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (start, end) = text.split_once('-')?;
    let (start, end) = (second_of_day(start)?, second_of_day(end)?);
    (start < end).then_some((start, end))
}

fn second_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two_digits = |text: &str| match text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let second = hour * 3_600 + minute * 60;
    (minute < 60 && second <= 86_400).then_some(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_half_open_and_within_a_day() {
        for (text, expected) in [
            ("09:00-12:00", Some((32_400, 43_200))),
            ("00:00-24:00", Some((0, 86_400))),
            (" 14:30 - 18:05 ", Some((52_200, 65_100))),
            ("12:00-09:00", None),
            ("12:00-12:00", None),
            ("22:00-24:01", None),
            ("9:00-12:00", None),
            ("09:60-12:00", None),
            ("+9:00-12:00", None),
            ("09:00", None),
            ("", None),
        ] {
            assert_eq!(range(text), expected, "{text}");
        }
        let refused = Peak::new(Zone::UTC, [0], [""], Rates::none()).unwrap_err();
        assert!(refused.contains("Monday is 1"));
    }
}
