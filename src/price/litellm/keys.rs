//! [`Key`], a key of LiteLLM's list: which rate `cache_read_input_token_cost_above_200k_tokens_flex`
//! is.

use crate::usage::{Bucket, Service};

/// What a key names the price of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// The long-context tier.
    pub(super) above: Option<u64>,
    pub(super) service: Service,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Of(Bucket),
    /// A cache write for the shortest time that the vendor offers.
    ShortWrite,
    /// Tokens that providers count among those of a bucket: video, images from a cache.
    Among(Bucket),
}

const STEMS: [(&str, Kind); 13] = [
    ("input_cost_per_token", Kind::Of(Bucket::Input)),
    ("output_cost_per_token", Kind::Of(Bucket::Output)),
    ("cache_read_input_token_cost", Kind::Of(Bucket::CacheRead)),
    ("cache_creation_input_token_cost", Kind::ShortWrite),
    ("output_cost_per_reasoning_token", Kind::Of(Bucket::Reasoning)),
    ("input_cost_per_audio_token", Kind::Of(Bucket::InputAudio)),
    ("output_cost_per_audio_token", Kind::Of(Bucket::OutputAudio)),
    ("cache_read_input_audio_token_cost", Kind::Of(Bucket::CacheReadAudio)),
    ("input_cost_per_image_token", Kind::Of(Bucket::InputImage)),
    ("input_cost_per_video_token", Kind::Among(Bucket::Input)),
    ("output_cost_per_image_token", Kind::Of(Bucket::OutputImage)),
    ("output_cost_per_video_token", Kind::Among(Bucket::Output)),
    ("cache_read_input_image_token_cost", Kind::Among(Bucket::CacheRead)),
];

/// Reads a key: a stem, then how long a cache write is kept, the long-context tier and the service
/// tier, each at most once and in this order. `None` if it is not the price of a token.
pub(super) fn key(name: &str) -> Option<Key> {
    let (stem, kind) = STEMS.iter().find(|(stem, _)| name.starts_with(stem))?;
    let (kind, rest) = kept(*kind, name.get(stem.len()..)?);
    let (above, rest) = tier(rest);
    let service = match rest {
        "" => Service::Standard,
        "_batches" => Service::Batch,
        _ => named(rest.strip_prefix('_')?)?,
    };
    Some(Key { kind, above, service })
}

/// Takes off `_above_1hr`.
fn kept(kind: Kind, rest: &str) -> (Kind, &str) {
    for (suffix, bucket) in
        [("_above_1hr", Bucket::CacheWrite1h), ("_above_12hr", Bucket::CacheWrite12h)]
    {
        if let Some(rest) = rest.strip_prefix(suffix).filter(|_| kind == Kind::ShortWrite) {
            return (Kind::Of(bucket), rest);
        }
    }
    (kind, rest)
}

/// Takes off `_above_200k_tokens`.
fn tier(rest: &str) -> (Option<u64>, &str) {
    let found = rest.strip_prefix("_above_").and_then(|tail| tail.split_once("k_tokens"));
    match found.and_then(|(digits, rest)| Some((thousand(digits)?, rest))) {
        Some((tokens, rest)) => (Some(tokens), rest),
        None => (None, rest),
    }
}

fn thousand(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(1_000)
}

/// A service tier by its name: one word, so that the suffix of a key that is not known here
/// (`_per_second_above_8s_interval`) is none.
fn named(word: &str) -> Option<Service> {
    let known = ["flex", "priority", "ultrafast", "balanced", "fast", "decisions"];
    known.contains(&word).then(|| Service::from(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_stem_and_its_conditions() {
        let of = |kind, above, service| Some(Key { kind, above, service });
        let write = "cache_creation_input_token_cost";
        for (name, expected) in [
            ("input_cost_per_token", of(Kind::Of(Bucket::Input), None, Service::Standard)),
            (
                "output_cost_per_token_above_272k_tokens_batches",
                of(Kind::Of(Bucket::Output), Some(272_000), Service::Batch),
            ),
            (
                "cache_read_input_token_cost_ultrafast",
                of(Kind::Of(Bucket::CacheRead), None, Service::from("ultrafast")),
            ),
            (write, of(Kind::ShortWrite, None, Service::Standard)),
            (
                &format!("{write}_above_1hr_above_200k_tokens"),
                of(Kind::Of(Bucket::CacheWrite1h), Some(200_000), Service::Standard),
            ),
            (
                &format!("{write}_above_12hr_above_272k_tokens_flex"),
                of(Kind::Of(Bucket::CacheWrite12h), Some(272_000), Service::Flex),
            ),
            ("input_cost_per_token_cache_hit", None),
            ("input_cost_per_token_above_1hr", None),
            ("input_cost_per_token_above_k_tokens", None),
            ("input_cost_per_token_above_99999999999999999999k_tokens", None),
            ("input_cost_per_token_turbo", None),
            ("input_cost_per_token_batches_flex", None),
            ("input_cost_per_character", None),
            ("input_dbu_cost_per_token", None),
            ("", None),
        ] {
            assert_eq!(key(name), expected, "{name}");
        }
    }
}
