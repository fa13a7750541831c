//! Tests of token counting: tables, laws, and the margin on samples that are kept here.
#![allow(clippy::expect_used)]

use proptest::prelude::*;

use super::scan::Scan;
use super::{Framing, Heuristic, TokenCounter};

#[cfg(feature = "tiktoken")]
mod proof;

/// Own sentences, one text for each line of a file, with the count of `o200k_base`.
const SAMPLES: &str = include_str!("samples.txt");

fn samples() -> impl Iterator<Item = (&'static str, u64, String)> {
    SAMPLES.lines().filter(|line| !line.is_empty()).map(|line| {
        let mut parts = line.splitn(3, '\t');
        let kind = parts.next().expect("a kind");
        let tokens = parts.next().expect("a count").parse().expect("a number");
        (kind, tokens, parts.next().expect("a text").replace("\\n", "\n"))
    })
}

#[test]
fn every_sample_is_within_its_bound_and_near_its_count() {
    let counter = Heuristic::new();
    for (kind, truth, text) in samples() {
        let (count, bound) = (counter.count(&text), counter.upper_bound(&text));
        assert!(truth <= bound, "{kind}: {truth} tokens above the bound {bound}: {text}");
        assert!(
            count * 100 >= truth * 65 && count * 100 <= truth * 135,
            "{kind}: counted {count}, truth {truth}: {text}"
        );
    }
}

#[test]
fn the_heuristic_beats_a_quarter_of_the_length_on_all_samples_together() {
    let (mut ours, mut quarter) = (0, 0);
    for (_, truth, text) in samples() {
        ours += Heuristic::new().count(&text).abs_diff(truth) * 1_000 / truth;
        quarter += (text.len() as u64 / 4).abs_diff(truth) * 1_000 / truth;
    }
    assert!(ours * 3 < quarter, "error {ours}, of length / 4 {quarter}");
}

#[test]
fn small_texts_count_as_expected() {
    let table: &[(&str, u64)] = &[
        ("", 0),
        ("a", 1),
        (" ", 1),
        ("Hello", 1),
        ("Hello, world!", 4),
        ("user", 1),
        ("123", 1),
        ("123456", 2),
        ("\n\n\n\n", 1),
        ("                ", 1),
        ("snake_case_name", 3),
        ("你好", 1),
        ("привет", 2),
    ];
    for &(text, tokens) in table {
        let count = Heuristic::new().count(text);
        assert!(count.abs_diff(tokens) <= 1, "{text:?}: counted {count}, expected {tokens}");
    }
}

#[test]
fn a_long_random_string_is_not_taken_for_words() {
    let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    assert!(Heuristic::new().count(hex) * 10 > hex.len() as u64 * 4);
}

#[test]
fn a_step_is_taken_once_for_each_character_whatever_the_text() {
    let texts =
        ["a".repeat(200_000), " ".repeat(200_000), "é😀漢".repeat(20_000), "\n\t".repeat(9)];
    for text in texts {
        let mut scan = Scan::new();
        let steps = text.chars().map(|character| scan.step(character)).count();
        assert_eq!(steps, text.chars().count());
        assert!(Heuristic::new().count(&text) <= text.len() as u64);
    }
}

#[test]
fn a_limit_stops_the_count_early() {
    let counter = Heuristic::new();
    let text = "The same sentence again. ".repeat(100);
    let count = counter.count(&text);
    assert_eq!(counter.count_up_to(&text, count), Some(count));
    assert_eq!(counter.count_up_to(&text, count - 1), None);
    assert_eq!(counter.count_up_to(&text, u64::MAX), Some(count));
    assert_eq!(counter.count_up_to("", 0), Some(0));
    assert_eq!(counter.count_up_to("x", 0), None);
}

#[test]
fn families_are_found_by_the_names_that_providers_use() {
    let same: &[(&str, &str)] = &[
        ("openai/gpt-4o-mini", "gpt-5.1"),
        ("gpt-4-turbo", "gpt-3.5-turbo"),
        ("anthropic/claude-opus-4-7", "claude-sonnet-5"),
        ("eu.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-haiku-4-5"),
        ("claude-opus-4-20250514", "claude-opus-4-6"),
        ("models/gemini-3-pro", "gemini-2.5-flash"),
        ("meta-llama/Llama-3.3-70B", "llama-4-scout"),
        ("no-such-model", "another"),
    ];
    for (one, other) in same {
        assert_eq!(Heuristic::for_model(one), Heuristic::for_model(other), "{one} and {other}");
    }
    assert_eq!(Heuristic::for_model("gpt-5"), Heuristic::new());
    assert_eq!(Heuristic::for_model("no-such-model"), Heuristic::cautious());
    assert_ne!(Heuristic::for_model("claude-opus-4-6"), Heuristic::for_model("claude-opus-4-8"));
}

#[test]
fn an_unknown_model_is_never_counted_lower_than_a_known_one() {
    for (_, _, text) in samples() {
        let cautious = Heuristic::cautious().upper_bound(&text);
        for model in ["gpt-5", "gpt-4", "llama-3", "qwen3", "mistral-large", "claude-opus-5"] {
            assert!(Heuristic::for_model(model).upper_bound(&text) <= cautious, "{model}: {text}");
        }
    }
}

#[test]
fn a_model_has_the_framing_of_its_family() {
    assert_eq!(Framing::for_model("openai/gpt-5"), Framing::OPENAI);
    assert_eq!(Framing::for_model("eu.anthropic.claude-opus-5"), Framing::ANTHROPIC);
    assert_eq!(Framing::for_model("whatever"), Framing::CAUTIOUS);
}

proptest! {
    #[test]
    fn the_heuristic_keeps_its_laws(text in any::<String>(), more in any::<String>()) {
        check_laws(&text, &more);
    }

    #[test]
    fn the_heuristic_keeps_its_laws_on_likely_text(
        text in "[ -~\n\tàéßж中あ한😀]{0,200}",
        more in "[ -~\n\tàéßж中あ한😀]{0,200}",
    ) {
        check_laws(&text, &more);
    }

    #[test]
    fn the_limit_agrees_with_the_count(text in "[a-zA-Z0-9 .\n中é]{0,300}", limit in 0_u64..200) {
        for counter in [Heuristic::new(), Heuristic::cautious()] {
            let count = counter.count(&text);
            prop_assert_eq!(counter.count_up_to(&text, limit), (count <= limit).then_some(count));
        }
    }
}

fn check_laws(text: &str, more: &str) {
    for counter in [Heuristic::new(), Heuristic::for_model("qwen3"), Heuristic::cautious()] {
        let both = format!("{text}{more}");
        let (first, second, whole) =
            (counter.count(text), counter.count(more), counter.count(&both));
        assert!(first <= text.len() as u64 && first <= counter.upper_bound(text));
        assert!(whole >= first, "appending must not make it less");
        assert!(whole <= counter.upper_bound(&both));
        assert!(counter.upper_bound(text) <= text.len() as u64);
        // The seam changes what the next few characters are, the strangeness that of a hundred.
        let tolerance = 6 + (first + second) / 3;
        assert!(
            whole.abs_diff(first + second) <= tolerance,
            "{whole} is far from {first} + {second}"
        );
    }
}

#[cfg(feature = "tiktoken")]
mod exact {
    use super::super::{Tiktoken, TokenCounter};
    use super::samples;
    use proptest::prelude::*;

    #[test]
    fn the_samples_have_the_counts_that_are_written_beside_them() {
        for (kind, truth, text) in samples() {
            assert_eq!(Tiktoken::O200K_BASE.count(&text), truth, "{kind}: {text}");
        }
    }

    #[test]
    fn models_get_their_vocabulary() {
        let table = [
            ("gpt-4o", Some(Tiktoken::O200K_BASE)),
            ("openai/gpt-5.1-mini", Some(Tiktoken::O200K_BASE)),
            ("o3", Some(Tiktoken::O200K_BASE)),
            ("gpt-4-turbo", Some(Tiktoken::CL100K_BASE)),
            ("text-embedding-3-small", Some(Tiktoken::CL100K_BASE)),
            ("ft:gpt-4o:acme::1", Some(Tiktoken::O200K_BASE)),
            ("claude-opus-5", None),
            ("llama-3.3-70b", None),
            ("", None),
        ];
        for (model, counter) in table {
            assert_eq!(Tiktoken::for_model(model), counter, "{model}");
        }
        assert_eq!(Tiktoken::O200K_BASE.count("hello world"), 2);
        assert_eq!(Tiktoken::CL100K_BASE.count("hello world"), 2);
        assert_eq!(Tiktoken::O200K_BASE.count("<|endoftext|>"), 7);
    }

    /// 200 KB that a byte-pair encoder with a quadratic merge would need minutes for.
    #[test]
    fn hostile_text_does_not_hang() {
        let mut seed = 1_u32;
        let mut letter = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + u8::try_from((seed >> 16) % 26).expect("below 26"))
        };
        let random: String = (0..200_000).map(|_| letter()).collect();
        for text in ["a".repeat(200_000), " ".repeat(200_000), "!?".repeat(100_000), random] {
            let count = Tiktoken::O200K_BASE.count(&text);
            assert!(count > 0 && count <= 200_000);
            assert_eq!(Tiktoken::O200K_BASE.count_up_to(&text, count), Some(count));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn counting_in_pieces_is_exact(
            text in "([a-z]{1,9}[ ]{1,3}|[A-Z'é中0-9]{1,4}|[\n.,;]{1,2}| ){2000,6000}",
            below in 0_u64..50,
        ) {
            for counter in [Tiktoken::O200K_BASE, Tiktoken::CL100K_BASE] {
                let count = counter.count(&text);
                prop_assert_eq!(counter.count_up_to(&text, count), Some(count));
                prop_assert_eq!(counter.count_up_to(&text, count.saturating_sub(below + 1)), None);
            }
        }
    }
}
