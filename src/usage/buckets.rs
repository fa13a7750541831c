//! [`Usage`]: what one call used, by [`Bucket`]. The only table of buckets.

use serde::{Deserialize, Serialize};

use crate::parse::{ParseError, named};

/// Makes [`Bucket`] and [`Usage`] from one table. A row is: documentation, variant of [`Bucket`],
/// field of [`Usage`], key of its price in a list, its [`Kind`].
macro_rules! buckets {
    ($($(#[$doc:meta])* $bucket:ident, $field:ident, $price_key:literal, $kind:ident;)*) => {
        /// What is counted of a call and has a price of its own: a bucket of [`Usage`].
        ///
        /// ```
        /// use bursar::Usage;
        /// use bursar::usage::Bucket;
        ///
        /// let usage = Usage { file_search_requests: 2, ..Usage::tokens(1_200, 340) };
        /// let used: Vec<String> = usage.iter().map(|(bucket, n)| format!("{bucket} {n}")).collect();
        /// assert_eq!(used, ["input_uncached 1200", "output 340", "file_search_requests 2"]);
        /// assert!(Bucket::Output.is_tokens() && !Bucket::FileSearchRequests.is_tokens());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Bucket {
            $($(#[$doc])* $bucket,)*
        }

        impl Bucket {
            /// Every bucket, in the order of the fields of [`Usage`].
            pub const ALL: &'static [Bucket] = &[$(Bucket::$bucket),*];
            pub(crate) const COUNT: usize = Bucket::ALL.len();

            /// The bucket as [`Usage`] names its field: `input_uncached`, `cache_write_1h`, …
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Bucket::$bucket => stringify!($field),)*
                }
            }

            /// The bucket's price as the TOML price list names it: `input`, `web_search_per_1k`, …
            pub(crate) const fn price_key(self) -> &'static str {
                match self {
                    $(Bucket::$bucket => $price_key,)*
                }
            }

            const fn kind(self) -> Kind {
                match self {
                    $(Bucket::$bucket => Kind::$kind,)*
                }
            }
        }

        /// What one call used, in **disjoint** buckets: nothing is counted in two of them, so that
        /// a cost is a sum over buckets.
        ///
        /// Providers differ in what they include in what (OpenAI's `prompt_tokens` contain the
        /// cached ones, Anthropic's `input_tokens` do not); this is the one form after all of that
        /// is resolved.
        ///
        /// ```
        /// use bursar::Usage;
        ///
        /// let cached = Usage { cache_read: 1_920, reasoning: 576, ..Usage::tokens(86, 236) };
        /// assert_eq!(cached.input_tokens(), 2_006);
        /// assert_eq!(cached.output_tokens(), 812);
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Usage {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Usage {
            /// Nothing used.
            pub const NONE: Usage = Usage { $($field: 0,)* };

            /// The count of one bucket.
            #[inline]
            pub const fn get(&self, bucket: Bucket) -> u64 {
                match bucket {
                    $(Bucket::$bucket => self.$field,)*
                }
            }

            /// Sets the count of one bucket.
            #[inline]
            pub const fn set(&mut self, bucket: Bucket, count: u64) {
                match bucket {
                    $(Bucket::$bucket => self.$field = count,)*
                }
            }

            /// Bucket by bucket, saturating.
            #[must_use]
            pub const fn saturating_add(&self, other: &Usage) -> Usage {
                Usage { $($field: self.$field.saturating_add(other.$field),)* }
            }

            /// Bucket by bucket, not below zero.
            #[must_use]
            pub const fn saturating_sub(&self, other: &Usage) -> Usage {
                Usage { $($field: self.$field.saturating_sub(other.$field),)* }
            }

            /// The sum of some buckets. With a constant set, only their additions are left; inlined
            /// always, because the compiler judges by the size before.
            #[inline(always)]
            const fn sum(&self, set: Set) -> u64 {
                0_u64$(.saturating_add(if set.has(Bucket::$bucket) { self.$field } else { 0 }))*
            }

            /// The sum of `each` over the buckets of tokens, one after the other and without a loop:
            /// the bucket is a constant in each call.
            #[inline(always)]
            pub(crate) fn sum_tokens(&self, each: impl Fn(Bucket, u64) -> u128) -> u128 {
                0_u128
                    $(+ if Set::OTHER.has(Bucket::$bucket) {
                        0
                    } else {
                        each(Bucket::$bucket, self.$field)
                    })*
            }

            /// True if any bucket of a set counts something. With a constant set, only their
            /// disjunction is left.
            #[inline(always)]
            const fn any(&self, set: Set) -> bool {
                0 != 0$(| if set.has(Bucket::$bucket) { self.$field } else { 0 })*
            }
        }
    };
}

/// What a bucket belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Input tokens that were neither read from nor written to a cache.
    Fresh,
    /// Input tokens read from a cache.
    Read,
    /// Input tokens written to a cache.
    Written,
    /// Output tokens.
    Output,
    /// No tokens: each has a fee.
    Other,
}

buckets! {
    /// Text input that came from no cache and went into none, and other input that the provider
    /// does not count apart from text.
    Input, input_uncached, "input", Fresh;
    /// Audio input that came from no cache.
    InputAudio, input_audio, "input_audio", Fresh;
    /// Image input that came from no cache, where the provider counts it apart from text.
    InputImage, input_image, "input_image", Fresh;
    /// Input read from the provider's prompt cache.
    CacheRead, cache_read, "cache_read", Read;
    /// Audio input read from the provider's prompt cache.
    CacheReadAudio, cache_read_audio, "cache_read_audio", Read;
    /// Input written to the prompt cache for 5 minutes (Anthropic).
    CacheWrite5m, cache_write_5m, "cache_write_5m", Written;
    /// Input written to the prompt cache for 30 minutes (OpenAI).
    CacheWrite30m, cache_write_30m, "cache_write_30m", Written;
    /// Input written to the prompt cache for 1 hour (Anthropic).
    CacheWrite1h, cache_write_1h, "cache_write_1h", Written;
    /// Input written to the prompt cache for 12 hours (OpenAI).
    CacheWrite12h, cache_write_12h, "cache_write_12h", Written;
    /// Visible text output.
    Output, output, "output", Output;
    /// Output spent on reasoning ("thinking").
    Reasoning, reasoning, "reasoning", Output;
    /// Audio output.
    OutputAudio, output_audio, "output_audio", Output;
    /// Image output, where the provider counts it apart from text.
    OutputImage, output_image, "output_image", Output;
    /// Whole seconds of audio that are billed by time and not by tokens (transcription); a part of
    /// a second counts as one.
    AudioSeconds, audio_seconds, "audio_second_per_1k", Other;
    /// Requests for which the provider takes a fee of their own.
    Requests, requests, "request_per_1k", Other;
    /// Web searches that the provider ran.
    WebSearchRequests, web_search_requests, "web_search_per_1k", Other;
    /// Searches in files that the provider ran (OpenAI's file search).
    FileSearchRequests, file_search_requests, "file_search_per_1k", Other;
    /// Containers that the provider started to run code in (OpenAI's code interpreter).
    CodeContainers, code_containers, "code_container_per_1k", Other;
    /// Prompts that were grounded with maps (Google).
    MapsRequests, maps_requests, "maps_per_1k", Other;
}

/// A set of buckets, a bit for each.
#[derive(Clone, Copy)]
struct Set(u32);

impl Set {
    const FRESH: Set = Set::of(Kind::Fresh);
    const READ: Set = Set::of(Kind::Read);
    const WRITTEN: Set = Set::of(Kind::Written);
    const INPUT: Set = Set::FRESH.or(Set::READ).or(Set::WRITTEN);
    const OUTPUT: Set = Set::of(Kind::Output);
    const OTHER: Set = Set::of(Kind::Other);
    /// All but text, from a cache or not, and what a model answers and thinks.
    const UNCOMMON: Set = Set(!(1 << Bucket::Input as u32
        | 1 << Bucket::CacheRead as u32
        | 1 << Bucket::Output as u32
        | 1 << Bucket::Reasoning as u32));
    /// All but text from no cache and visible text.
    const UNUSUAL: Set = Set(!(1 << Bucket::Input as u32 | 1 << Bucket::Output as u32));

    /// Tokens whose price nothing stands in for, beside text.
    const SPECIAL: Set = Set(1 << Bucket::InputAudio as u32
        | 1 << Bucket::CacheReadAudio as u32
        | 1 << Bucket::OutputAudio as u32
        | 1 << Bucket::OutputImage as u32);

    const fn of(kind: Kind) -> Set {
        let (mut bits, mut index) = (0, 0);
        while index < Bucket::COUNT {
            if Bucket::ALL[index].kind() as u8 == kind as u8 {
                bits |= 1 << index;
            }
            index += 1;
        }
        Set(bits)
    }

    const fn or(self, other: Set) -> Set {
        Set(self.0 | other.0)
    }

    #[inline(always)]
    const fn has(self, bucket: Bucket) -> bool {
        self.0 >> bucket as u32 & 1 == 1
    }
}

impl Bucket {
    /// True for tokens, which have a [`Rate`](crate::Rate); all else has a
    /// [fee](crate::ModelPrice::fee).
    pub const fn is_tokens(self) -> bool {
        !matches!(self.kind(), Kind::Other)
    }

    /// The buckets of tokens.
    pub(crate) fn tokens() -> impl Iterator<Item = Bucket> {
        Bucket::ALL.iter().copied().filter(|bucket| bucket.is_tokens())
    }

    /// How many buckets have a fee: all that do not count tokens.
    pub(crate) const FEES: usize = Set::OTHER.0.count_ones() as usize;

    /// The buckets that have a fee: searches, requests, seconds, …
    pub(crate) fn fees() -> impl Iterator<Item = Bucket> {
        Bucket::ALL.iter().copied().filter(|bucket| !bucket.is_tokens())
    }

    /// The place among those that have a fee, which stand behind the tokens; `None` for tokens.
    #[inline]
    pub(crate) const fn fee_index(self) -> Option<usize> {
        (self as usize).checked_sub(Bucket::COUNT - Bucket::FEES)
    }
}

/// By its name, as [`Bucket::as_str`] has it.
impl std::str::FromStr for Bucket {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Bucket, ParseError> {
        named(text, "a bucket", Bucket::ALL, Bucket::as_str)
    }
}

/// As [`Bucket::as_str`].
impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Usage {
    /// The largest count of tokens, and of anything else, that one call can have: a trillion
    /// (1e12). More is an impossible count, and never priced.
    pub const MAX_COUNT: u64 = 1_000_000_000_000;

    /// A call with `input` tokens in and `output` tokens out, nothing cached.
    pub const fn tokens(input: u64, output: u64) -> Usage {
        let mut usage = Usage::NONE;
        usage.input_uncached = input;
        usage.output = output;
        usage
    }

    /// The buckets that are not empty, each with its count.
    ///
    /// ```
    /// use bursar::Usage;
    /// use bursar::usage::Bucket;
    ///
    /// let used: Vec<_> = Usage::tokens(1_200, 340).iter().collect();
    /// assert_eq!(used, [(Bucket::Input, 1_200), (Bucket::Output, 340)]);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        let counts = Bucket::ALL.iter().map(|bucket| (*bucket, self.get(*bucket)));
        counts.filter(|(_, count)| *count > 0)
    }

    /// All input tokens: uncached, audio, images, cache reads and cache writes. This sum decides
    /// the long-context tier. Saturates at `u64::MAX`.
    #[inline]
    pub const fn input_tokens(&self) -> u64 {
        self.sum(Set::INPUT)
    }

    /// Input tokens read from the prompt cache, text and audio. Saturates at `u64::MAX`.
    #[inline]
    pub const fn cache_read_tokens(&self) -> u64 {
        self.sum(Set::READ)
    }

    /// Input tokens written to the prompt cache, for whichever time. Saturates at `u64::MAX`.
    #[inline]
    pub const fn cache_write_tokens(&self) -> u64 {
        self.sum(Set::WRITTEN)
    }

    /// All output tokens: visible, reasoning, audio and images. Saturates at `u64::MAX`.
    #[inline]
    pub const fn output_tokens(&self) -> u64 {
        self.sum(Set::OUTPUT)
    }

    /// All tokens, in and out. Saturates at `u64::MAX`.
    #[inline]
    pub const fn total_tokens(&self) -> u64 {
        self.sum(Set::INPUT.or(Set::OUTPUT))
    }

    /// True if nothing was used.
    pub fn is_none(&self) -> bool {
        *self == Usage::NONE
    }

    /// True if all tokens together, and each of the other counts, could be those of one real call
    /// ([`Usage::MAX_COUNT`]).
    #[inline]
    pub const fn is_possible(&self) -> bool {
        self.total_tokens() <= Usage::MAX_COUNT && self.fees_are_possible()
    }

    /// The same for the buckets that do not count tokens. Most calls have none of them.
    #[inline]
    pub(crate) const fn fees_are_possible(&self) -> bool {
        !self.has_fees() || self.largest(Set::OTHER) <= Usage::MAX_COUNT
    }

    const fn largest(&self, set: Set) -> u64 {
        let (mut largest, mut index) = (0, 0);
        while index < Bucket::COUNT {
            let bucket = Bucket::ALL[index];
            if set.has(bucket) && self.get(bucket) > largest {
                largest = self.get(bucket);
            }
            index += 1;
        }
        largest
    }

    /// True if anything but tokens was used.
    #[inline]
    pub(crate) const fn has_fees(&self) -> bool {
        self.any(Set::OTHER)
    }

    /// True if tokens were used that have no price unless it is written down for them: audio, and
    /// images that were drawn.
    #[inline]
    pub(crate) const fn has_special_tokens(&self) -> bool {
        self.any(Set::SPECIAL)
    }

    /// The sums that a price and a limit ask for. Most calls count in four buckets at most: then the
    /// others are looked at once, and added nowhere.
    #[inline]
    pub(crate) const fn sums(&self) -> Sums {
        if self.any(Set::UNCOMMON) {
            return self.sums_of_all();
        }
        Sums {
            input: self.input_uncached.saturating_add(self.cache_read),
            cache_read: self.cache_read,
            output: self.output.saturating_add(self.reasoning),
            is_common: true,
        }
    }

    #[inline(never)]
    const fn sums_of_all(&self) -> Sums {
        Sums {
            input: self.input_tokens(),
            cache_read: self.cache_read_tokens(),
            output: self.output_tokens(),
            is_common: false,
        }
    }

    /// True if nothing but uncached input and visible output was used, as in most calls.
    #[inline]
    pub(crate) const fn is_plain(&self) -> bool {
        !self.any(Set::UNUSUAL)
    }

    /// Adds another, bucket by bucket, saturating. `is_plain` is what [`is_plain`](Usage::is_plain)
    /// says of the other, so that a caller that adds one usage to several sums asks once.
    #[inline(always)]
    pub(crate) fn add(&mut self, other: &Usage, is_plain: bool) {
        if !is_plain {
            return self.add_all(other);
        }
        self.input_uncached = self.input_uncached.saturating_add(other.input_uncached);
        self.output = self.output.saturating_add(other.output);
    }

    #[inline(never)]
    fn add_all(&mut self, other: &Usage) {
        *self = self.saturating_add(other);
    }
}

/// Sums over the buckets of one [`Usage`]. Each saturates at `u64::MAX`.
pub(crate) struct Sums {
    pub(crate) input: u64,
    /// The part of the input that was read from a cache.
    pub(crate) cache_read: u64,
    pub(crate) output: u64,
    /// True if nothing but uncached input, cache reads, visible output and reasoning were used.
    pub(crate) is_common: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A usage with 1, 2, 4, … in its buckets.
    fn powers() -> Usage {
        let mut usage = Usage::NONE;
        for (index, bucket) in Bucket::ALL.iter().enumerate() {
            usage.set(*bucket, 1 << index);
        }
        usage
    }

    #[test]
    fn every_bucket_is_in_every_sum_it_belongs_to() {
        let usage = powers();
        for (index, bucket) in Bucket::ALL.iter().enumerate() {
            assert_eq!((*bucket as usize, usage.get(*bucket)), (index, 1 << index), "{bucket}");
            assert_eq!(usage.iter().nth(index), Some((*bucket, 1 << index)));
        }
        assert_eq!(usage.input_tokens() + usage.output_tokens(), usage.total_tokens());
        let tokens: u64 = Bucket::tokens().map(|bucket| usage.get(bucket)).sum();
        assert_eq!(usage.total_tokens(), tokens);
        let cached = usage.cache_read + usage.cache_read_audio;
        assert_eq!(usage.cache_read_tokens(), cached);
        let fresh = usage.input_uncached + usage.input_audio + usage.input_image;
        assert_eq!(usage.input_tokens(), fresh + cached + usage.cache_write_tokens());
        let doubled = usage.saturating_add(&usage);
        assert!(Bucket::ALL.iter().all(|b| doubled.get(*b) == 2 * usage.get(*b)));
        assert_eq!(doubled.saturating_sub(&usage), usage);
    }

    /// What is not plain takes the long way of adding and pricing; a bucket that is forgotten there
    /// would be lost.
    #[test]
    fn a_usage_with_any_other_bucket_is_not_plain() {
        assert!(Usage::tokens(1, 1).is_plain());
        for bucket in Bucket::ALL {
            let mut usage = Usage::NONE;
            usage.set(*bucket, 1);
            let is_text = [Bucket::Input, Bucket::Output].contains(bucket);
            assert_eq!(usage.is_plain(), is_text, "{bucket}");
            assert_eq!(usage.has_fees(), !bucket.is_tokens(), "{bucket}");
            let mut sum = Usage::tokens(7, 9);
            sum.add(&usage, usage.is_plain());
            assert_eq!(sum, Usage::tokens(7, 9).saturating_add(&usage), "{bucket}");
        }
    }

    #[test]
    fn no_bucket_can_count_more_than_a_call_can_have() {
        for bucket in Bucket::ALL {
            let mut usage = Usage::NONE;
            usage.set(*bucket, Usage::MAX_COUNT);
            assert!(usage.is_possible(), "{bucket}");
            usage.set(*bucket, Usage::MAX_COUNT + 1);
            assert!(!usage.is_possible(), "{bucket}");
            usage.set(*bucket, u64::MAX);
            assert!(!usage.is_possible(), "{bucket}");
        }
    }

    /// The text of a usage has the names of its buckets, and an unknown one is not dropped.
    #[test]
    fn the_names_of_buckets_are_those_of_the_fields() {
        let text = serde_json::to_value(powers()).unwrap();
        assert_eq!(text.as_object().unwrap().len(), Bucket::COUNT);
        for bucket in Bucket::ALL {
            assert_eq!(text[bucket.as_str()], powers().get(*bucket), "{bucket}");
        }
        assert!(serde_json::from_str::<Usage>(r#"{"output_smell": 1}"#).is_err());
    }

    #[test]
    fn what_has_a_fee_stands_behind_the_tokens() {
        assert!(Bucket::tokens().all(|bucket| bucket.fee_index().is_none()));
        let places: Vec<_> = Bucket::fees().map(|bucket| bucket.fee_index()).collect();
        assert_eq!(places, (0..Bucket::FEES).map(Some).collect::<Vec<_>>());
    }
}
