//! Tests of how LiteLLM's list is read.

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::price::PriceBook;
use crate::price::Terms;
use crate::usage::{Service, Usage};

const NOON: &str = "2026-11-24T12:00:00Z";

/// A list of one entry: the body of a model of Acme.
fn one(body: &str) -> ListReport {
    let list = format!(r#"{{"acme/owl": {{"litellm_provider": "acme", "mode": "chat", {body}}}}}"#);
    PriceBook::from_list(list).unwrap()
}

/// An entry that costs $2 and $10 and has something else besides.
fn priced(rest: &str) -> ListReport {
    one(&format!(r#""input_cost_per_token": 2e-06, "output_cost_per_token": 1e-05, {rest}"#))
}

fn cost(list: &ListReport, name: &str, usage: Usage, terms: impl Into<Terms>, at: &str) -> String {
    let model = match list.book.find(name) {
        Ok(model) => model,
        Err(unknown) => return unknown.to_string(),
    };
    let at: Timestamp = at.parse().unwrap();
    match model.price().cost(&usage, &terms.into(), at) {
        Ok(cost) => cost.exact().to_string(),
        Err(error) => error.to_string(),
    }
}

fn standard(list: &ListReport, usage: Usage) -> String {
    cost(list, "owl", usage, Service::Standard, NOON)
}

fn refused(list: &ListReport) -> Vec<String> {
    list.refused.iter().map(ToString::to_string).collect()
}

fn remarks(list: &ListReport) -> Vec<String> {
    list.remarks.iter().map(|finding| format!("{}: {:?}", finding.field, finding.problem)).collect()
}

/// PAINS, units and unknown is free: one line, one entry that must not become a price.
#[test]
fn what_has_no_believable_price_is_refused() {
    for (story, body, field, words) in [
        (
            "PR #36561: an empty entry is $0",
            r#""max_tokens": 1"#,
            "input_cost_per_token",
            "unknown",
        ),
        (
            "a missing output price is read as 0",
            r#""input_cost_per_token": 1e-06"#,
            "output_cost_per_token",
            "unknown is not free",
        ),
        (
            "null is missing",
            r#""input_cost_per_token": null, "output_cost_per_token": 1e-06"#,
            "input_cost_per_token",
            "unknown is not free",
        ),
        (
            "134 chat entries hold 0 and 0",
            r#""input_cost_per_token": 0.0, "output_cost_per_token": 0"#,
            "",
            "`ModelPrice::free` if it costs nothing",
        ),
        (
            "#23503: wandb, 100,000 times too dear",
            r#""input_cost_per_token": 0.15, "output_cost_per_token": 0.6"#,
            "input_cost_per_token",
            "`0.15` is more than $0.002 a token",
        ),
        (
            "PR #38167: jais-30b-chat, 1,000 times",
            r#""input_cost_per_token": 0.0032, "output_cost_per_token": 0.00971"#,
            "input_cost_per_token",
            "in another unit",
        ),
        (
            "a dear tier or service keeps the entry out, too",
            r#""input_cost_per_token_above_200k_tokens_flex": 1"#,
            "input_cost_per_token_above_200k_tokens_flex",
            "in another unit",
        ),
        (
            "#12913: $35 a search for $0.035",
            r#""input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06,
               "search_context_cost_per_query": {"search_context_size_low": 35}"#,
            "search_context_cost_per_query",
            "`35` is more than",
        ),
        (
            "a cost below zero",
            r#""input_cost_per_token": -1e-06, "output_cost_per_token": 1e-06"#,
            "input_cost_per_token",
            "below zero",
        ),
        (
            "no number",
            r#""input_cost_per_token": "cheap", "output_cost_per_token": 1e-06"#,
            "input_cost_per_token",
            "cannot be read",
        ),
        (
            "priced by the image",
            r#""output_cost_per_image": 0.04"#,
            "output_cost_per_image",
            "not billed by the token",
        ),
        (
            "priced by the second, with zeros for tokens",
            r#""input_cost_per_token": 0.0, "output_cost_per_token": 0.0,
               "input_cost_per_second": 0.0001"#,
            "input_cost_per_second",
            "not billed by the token",
        ),
        (
            "video tokens that are counted among text at a sixth of their price",
            r#""input_cost_per_token": 5e-07, "output_cost_per_token": 3e-06,
               "output_cost_per_video_token": 3e-05"#,
            "output_cost_per_video_token",
            "counted among cheaper ones",
        ),
    ] {
        let list = one(body);
        assert!(list.book.is_empty(), "{story}");
        let [finding] = &list.refused[..] else { panic!("{story}: {:?}", list.refused) };
        assert_eq!((&*finding.model, &*finding.field), ("acme/owl", field), "{story}");
        assert!(finding.to_string().contains(words), "{story}: {finding}");
    }
}

#[test]
fn the_rest_loads_and_what_is_refused_is_summed_up() {
    let list = r#"{
        "a": {"litellm_provider": "acme", "mode": "chat"},
        "b": {"litellm_provider": "acme", "mode": "chat"},
        "c": {"litellm_provider": "acme", "input_cost_per_token": 1, "output_cost_per_token": 1},
        "d": {"litellm_provider": "a/b", "input_cost_per_token": 0, "output_cost_per_token": 0},
        "e": [],
        "fallback_generalizations": {"rules": []},
        "owl": {"litellm_provider": "acme", "input_cost_per_token": 2e-6, "output_cost_per_token": 1e-5}
    }"#;
    let list = PriceBook::from_list(list).unwrap();
    assert_eq!(standard(&list, Usage::tokens(1_000, 100)), "0.003");
    let text = list.to_string();
    assert!(text.starts_with("1 models loaded, 6 refused, 0 remarks\n  2 such as"), "{text}");
    assert!(text.contains("1 such as `c`: `…` is more than $0.002 a token"), "{text}");
    assert!(refused(&list).iter().any(|text| text.starts_with("`e`: `[]` cannot be read")));
    for (text, words) in [
        ("", "no known format"),
        ("{", "LiteLLM: EOF"),
        ("{\"a\": }", "LiteLLM: expected value"),
        ("{\"a\": 1} x", "LiteLLM: trailing"),
        ("\u{0}", "cannot be read"),
    ] {
        let refused = PriceBook::from_list(text).map(|list| list.book.len());
        let said = refused.map_err(|error| error.to_string());
        assert!(said == Ok(0) && text.is_empty() || said.unwrap_err().contains(words), "{text}");
    }
    let binary = PriceBook::from_list(b"\xff\xfe").unwrap_err();
    assert!(binary.to_string().contains("no known format"));
}

/// One line, one key of the list and what a million tokens come to.
#[test]
fn every_kind_of_token_has_its_key() {
    let million = |usage: fn(&mut Usage) -> &mut u64| {
        let mut counts = Usage::NONE;
        *usage(&mut counts) = 100_000;
        counts
    };
    for (key, usage, dollars) in [
        ("cache_read_input_token_cost", million(|u| &mut u.cache_read), "0.4"),
        ("input_cost_per_token", million(|u| &mut u.cache_read), "0.4"),
        ("cache_creation_input_token_cost", million(|u| &mut u.cache_write_5m), "0.4"),
        ("cache_creation_input_token_cost", million(|u| &mut u.cache_write_1h), "0.4"),
        ("cache_creation_input_token_cost_above_1hr", million(|u| &mut u.cache_write_1h), "0.4"),
        ("cache_creation_input_token_cost_above_1hr", million(|u| &mut u.cache_write_5m), "0.2"),
        ("cache_creation_input_token_cost_above_12hr", million(|u| &mut u.cache_write_12h), "0.4"),
        ("output_cost_per_reasoning_token", million(|u| &mut u.reasoning), "0.4"),
        ("input_cost_per_audio_token", million(|u| &mut u.input_audio), "0.4"),
        ("output_cost_per_audio_token", million(|u| &mut u.output_audio), "0.4"),
        ("cache_read_input_audio_token_cost", million(|u| &mut u.cache_read_audio), "0.4"),
        ("input_cost_per_image_token", million(|u| &mut u.input_image), "0.4"),
        ("output_cost_per_image_token", million(|u| &mut u.output_image), "0.4"),
    ] {
        let list = priced(&format!(r#""{key}": 4e-06"#));
        assert_eq!(standard(&list, usage), dollars, "{key}");
        assert!(list.refused.is_empty() && list.remarks.is_empty(), "{key}");
    }
    let silent = standard(&priced(r#""mode": "chat""#), million(|u| &mut u.input_audio));
    assert!(silent.contains("`input_audio`"), "nothing stands in for audio: {silent}");
    let gpt = PriceBook::from_list(
        r#"{"gpt-9": {"litellm_provider": "openai", "input_cost_per_token": 1e-6,
            "output_cost_per_token": 1e-6, "cache_creation_input_token_cost": 1.25e-6}}"#,
    );
    let gpt = gpt.unwrap().book.find("gpt-9").unwrap();
    let at = NOON.parse().unwrap();
    let write = gpt.price().rate_of(Bucket::CacheWrite30m, &Service::Standard, 1, at).unwrap();
    assert_eq!(
        write.unwrap().1,
        crate::price::schedule::Origin::Published,
        "OpenAI's are for 30 minutes"
    );
}

/// PAINS, tiers: litellm PR #39861, #16377, claude-code-hub #869; 272,000 is short, and the 200,000
/// of xAI is long.
#[test]
fn a_tier_is_for_the_whole_request_and_begins_where_its_vendor_says() {
    let tiers = r#""input_cost_per_token_above_272k_tokens": 4e-06,
        "output_cost_per_token_above_272k_tokens": 1.5e-05,
        "cache_read_input_token_cost": 2e-07, "cache_read_input_token_cost_above_272k_tokens": 4e-07"#;
    let list = priced(tiers);
    let cached = Usage { cache_read: 272_001, ..Usage::NONE };
    for (usage, dollars) in [
        (Usage::tokens(272_000, 0), "0.544"),
        (Usage::tokens(272_001, 0), "1.088004"),
        (Usage::tokens(272_001, 1_000), "1.103004"),
        (cached, "0.1088004"),
    ] {
        assert_eq!(standard(&list, usage), dollars, "{usage:?}");
    }
    let grok = r#"{"xai/grok": {"litellm_provider": "xai", "input_cost_per_token": 2e-06,
        "output_cost_per_token": 6e-06, "input_cost_per_token_above_200k_tokens": 4e-06}}"#;
    let grok = PriceBook::from_list(grok).unwrap();
    for (tokens, dollars) in [(199_999, "0.399998"), (200_000, "0.8")] {
        let usage = Usage::tokens(tokens, 0);
        assert_eq!(cost(&grok, "grok", usage, Service::Standard, NOON), dollars);
    }
}

#[test]
fn service_tiers_cross_with_long_contexts() {
    let list = priced(
        r#""input_cost_per_token_batches": 1e-06, "output_cost_per_token_batches": 5e-06,
           "input_cost_per_token_above_200k_tokens": 4e-06,
           "input_cost_per_token_above_200k_tokens_batches": 2e-06,
           "input_cost_per_token_ultrafast": 6e-06, "output_cost_per_token_ultrafast": 3e-05,
           "input_cost_per_token_flex": 1e-06,
           "provider_specific_entry": {"us": 1.1, "fast": 2.0, "bedrock_invocation_schema": "v2"}"#,
    );
    let short = Usage::tokens(100_000, 0);
    let long = Usage::tokens(300_000, 0);
    for (service, usage, expected) in [
        (Service::Standard, short, "0.2"),
        (Service::Batch, short, "0.1"),
        (Service::Batch, long, "0.6"),
        (Service::from("ultrafast"), short, "0.6"),
        (Service::Fast, short, "0.4"),
        (Service::Flex, short, "service tier `flex`"), // without an output price
        (Service::Priority, short, "service tier `priority`"),
    ] {
        let got = cost(&list, "owl", usage, service.clone(), NOON);
        assert!(got == expected || got.contains(expected), "{service}: {got}");
    }
    assert_eq!(remarks(&list), ["flex: NoService"]);
    let regional = Terms { regional: true, ..Terms::default() };
    assert_eq!(cost(&list, "owl", short, regional, NOON), "0.22");
}

/// gpt-5.4-pro and claude-haiku-5-5 of LiteLLM's list: what a long-context tier of flex or batch
/// leaves out was that of its own short line, half of what the standard tier of that length names.
#[test]
fn a_long_service_tier_costs_no_less_than_what_is_known() {
    let pro = one(r#""input_cost_per_token": 3e-05, "output_cost_per_token": 1.8e-04,
           "cache_read_input_token_cost": 3e-06,
           "input_cost_per_token_above_272k_tokens": 6e-05,
           "output_cost_per_token_above_272k_tokens": 2.7e-04,
           "cache_read_input_token_cost_above_272k_tokens": 6e-06,
           "input_cost_per_token_flex": 1.5e-05, "output_cost_per_token_flex": 9e-05,
           "input_cost_per_token_above_272k_tokens_flex": 3e-05,
           "output_cost_per_token_above_272k_tokens_flex": 1.35e-04"#);
    let haiku = one(r#""input_cost_per_token": 1e-07, "output_cost_per_token": 5e-07,
           "cache_creation_input_token_cost": 1.25e-07,
           "cache_creation_input_token_cost_above_1hr": 2e-07,
           "input_cost_per_token_above_100k_tokens": 5e-07,
           "output_cost_per_token_above_100k_tokens": 2.5e-06,
           "cache_creation_input_token_cost_above_100k_tokens": 6.25e-07,
           "cache_creation_input_token_cost_above_1hr_above_100k_tokens": 1e-06,
           "input_cost_per_token_batches": 5e-08, "output_cost_per_token_batches": 2.5e-07,
           "cache_creation_input_token_cost_batches": 6.25e-08,
           "input_cost_per_token_above_100k_tokens_batches": 2.5e-07,
           "output_cost_per_token_above_100k_tokens_batches": 1.25e-06,
           "cache_creation_input_token_cost_above_100k_tokens_batches": 3.125e-07"#);
    // The standard tier leaves out the 1 h write, and so the inherited one is below the 5 min write.
    let gap = one(r#""input_cost_per_token": 1e-07, "output_cost_per_token": 5e-07,
           "cache_creation_input_token_cost": 1.25e-07,
           "cache_creation_input_token_cost_above_1hr": 2e-07,
           "input_cost_per_token_above_100k_tokens": 5e-07,
           "cache_creation_input_token_cost_above_100k_tokens": 6.25e-07"#);
    let read = Usage { cache_read: 300_000, ..Usage::NONE };
    let hour = Usage { cache_write_1h: 1_000_000, ..Usage::NONE };
    let short = Usage { cache_write_1h: 10_000, ..Usage::NONE };
    for (list, usage, service, dollars) in [
        (&pro, read, Service::Standard, "1.8"),
        (&pro, read, Service::Flex, "1.8"),
        (&pro, Usage { cache_read: 200_000, ..read }, Service::Flex, "0.6"),
        (&pro, Usage::tokens(300_000, 1_000), Service::Flex, "9.135"),
        (&haiku, hour, Service::Standard, "1"),
        (&haiku, hour, Service::Batch, "1"), // and not 0.2, below the 5 min write's 0.3125
        (&haiku, short, Service::Batch, "0.002"),
        (&haiku, Usage { cache_write_5m: 1_000_000, ..Usage::NONE }, Service::Batch, "0.3125"),
        (&gap, hour, Service::Standard, "0.625"),
        (&gap, short, Service::Standard, "0.002"),
    ] {
        assert_eq!(cost(list, "owl", usage, service.clone(), NOON), dollars, "{service} {usage:?}");
    }
}

#[test]
fn ranges_are_tiers_that_do_not_mix() {
    let list = one(r#""tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06,
             "cache_read_input_token_cost": 1e-07, "output_cost_per_reasoning_token": 4e-06},
            {"range": [32000.0, 128000], "input_cost_per_token": 3e-06, "output_cost_per_token": 5e-06}]"#);
    let reasoned = Usage { reasoning: 1_000, ..Usage::tokens(32_001, 0) };
    for (usage, dollars) in [
        (Usage::tokens(32_000, 1_000), "0.034"),
        (Usage::tokens(32_001, 1_000), "0.101003"),
        (Usage::tokens(900_000, 0), "2.7"), // above the last
        (Usage { cache_read: 10_000, ..Usage::NONE }, "0.001"),
        (Usage { cache_read: 100_000, ..Usage::NONE }, "0.3"), // its own input, as LiteLLM has it
        (reasoned, "0.101003"),
    ] {
        assert_eq!(standard(&list, usage), dollars, "{usage:?}");
    }
    for ranges in [
        r#"[{"range": [5, 10]}]"#,
        r#"[{"range": [0, 10]}, {"range": [20, 30]}]"#,
        r#"[{"range": [0]}]"#,
        r#"[{"max_results_range": [0, 10]}]"#,
        r#"[{"range": [0, 0]}]"#,
    ] {
        let list = one(&format!(r#""tiered_pricing": {ranges}"#));
        assert!(refused(&list)[0].contains("`tiered_pricing`"), "{ranges}: {:?}", refused(&list));
    }
}

/// llm-gateway #2755: cheap hours of the list are turned round into a peak.
#[test]
fn cheap_hours_leave_a_peak() {
    let hours = r#""off_peak_pricing": {"input_cost_per_token": 1e-06, "windows": [
        {"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
        {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]"#;
    let list = priced(&format!("{hours}}}"));
    let usage = Usage::tokens(1_000_000, 100_000);
    for (moment, dollars) in [
        ("2026-11-24T00:59:59Z", "2"), // Tuesday
        ("2026-11-24T01:00:00Z", "3"),
        ("2026-11-24T04:00:00Z", "2"),
        ("2026-11-24T09:59:59Z", "3"),
        ("2026-11-28T02:00:00Z", "2"), // Saturday
    ] {
        assert_eq!(cost(&list, "owl", usage, Service::Standard, moment), dollars, "{moment}");
    }
    let list = priced(&format!(r#"{hours}, "weekday_timezone": "Asia/Shanghai"}}"#));
    assert_eq!(cost(&list, "owl", usage, Service::Standard, "2026-11-28T02:00:00Z"), "3");
    assert_eq!(remarks(&list), ["off_peak_pricing: AllHours"], "dearer, and said so");
}

#[test]
fn fees_and_surcharges_are_the_largest_where_they_depend_on_what_no_bill_says() {
    let list = priced(
        r#""search_context_cost_per_query": {"search_context_size_low": 0.005,
             "search_context_size_medium": 0.008, "search_context_size_high": 0.012},
           "search_free_requests": {"count": 1500, "period": "day"},
           "input_cost_per_request": 0.005,
           "regional_processing_uplift_multiplier_eu": 1.1,
           "regional_processing_uplift_multiplier_us": 1.05,
           "google_maps_grounding_cost_per_query": 0.025, "input_cost_per_character": 0.0,
           "code_interpreter_cost_per_session": 0.03, "file_search_cost_per_1k_calls": 2.5,
           "supports_vision": true"#,
    );
    let usage = Usage { web_search_requests: 1, requests: 1, ..Usage::tokens(1_000, 0) };
    assert_eq!(standard(&list, usage), "0.019");
    let regional = Terms { regional: true, ..Terms::default() };
    assert_eq!(cost(&list, "owl", usage, regional, NOON), "0.0192");
    let tools = Usage { maps_requests: 1, code_containers: 2, file_search_requests: 4, ..usage };
    assert_eq!(standard(&list, tools), "0.114"); // 0.025 + 0.06 + 0.01 more
    assert_eq!(
        remarks(&list),
        [
            "search_free_requests: Allowance",
            "search_context_cost_per_query: Largest",
            "regional_processing_uplift_multiplier_us: Largest",
        ]
    );
    for factor in ["0", "\"x\"", "11", "[]"] {
        let list = priced(&format!(r#""regional_endpoint_uplift_multiplier": {factor}"#));
        assert!(refused(&list)[0].contains("regional_endpoint_uplift_multiplier"), "{factor}");
    }
}

#[test]
fn tokens_of_another_kind_are_charged_like_those_they_are_counted_with() {
    let equal = priced(r#""input_cost_per_video_token": 2e-06"#);
    assert_eq!((equal.book.len(), equal.remarks.len()), (1, 0));
    let cheaper = priced(r#""output_cost_per_video_token": 1e-06"#);
    assert_eq!(remarks(&cheaper), ["output_cost_per_video_token: Cheaper"]);
    let long = priced(
        r#""input_cost_per_token_above_200k_tokens": 4e-06,
           "input_cost_per_video_token_above_200k_tokens": 5e-06"#,
    );
    assert_eq!(long.refused[0].field, "input_cost_per_video_token_above_200k_tokens");
}

/// The list names the second of some models under input, of some under output, of some under both.
#[test]
fn transcription_is_billed_by_the_second() {
    let minute = Usage { audio_seconds: 60, ..Usage::NONE };
    for (body, dollars) in [
        (r#""input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001"#, "0.006"),
        (r#""input_cost_per_second": 0.0001, "output_cost_per_second": 0.0"#, "0.006"),
        (r#""input_cost_per_second": 0.0, "output_cost_per_second": 2.77778e-05"#, "0.001666668"),
    ] {
        let list = one(&format!(r#"{body}, "mode": "audio_transcription""#));
        assert_eq!(standard(&list, minute), dollars, "{body}: {:?}", list.refused);
        assert!(list.remarks.is_empty(), "{:?}", list.remarks);
        let text = standard(&list, Usage::tokens(1, 1));
        assert!(text.contains("`input_uncached`"), "tokens have no price: {text}");
    }
    // By the token where the bill counts tokens.
    let both = priced(r#""input_cost_per_second": 0.0001, "mode": "audio_transcription""#);
    assert_eq!(standard(&both, minute), "0.006");
    for (body, reason) in [
        (r#""input_cost_per_second": 0.0, "mode": "audio_transcription""#, Problem::Missing),
        (r#""input_cost_per_second": 0.0005, "mode": "realtime""#, Problem::OtherUnit),
        (r#""input_cost_per_second": 0.0019, "mode": "chat""#, Problem::OtherUnit),
    ] {
        assert_eq!(one(body).refused[0].problem, reason, "{body}");
    }
}

/// No answer of such a model counts its searches: the fee is due once for each request. Without a
/// fee in the list there is no price, and not that of the tokens alone.
#[test]
fn a_model_that_searches_at_each_call_has_a_fee_for_each_request() {
    let entry = |key: &str, provider: &str, fee: &str| {
        format!(
            r#"{{"{key}": {{"litellm_provider": "{provider}", "mode": "chat",
                "input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06{fee}}}}}"#
        )
    };
    let fee = r#", "search_context_cost_per_query": {"search_context_size_low": 0.005,
        "search_context_size_high": 0.012}"#;
    let searched = Usage { web_search_requests: 3, ..Usage::tokens(1_000, 0) };
    for (key, provider) in [
        ("gpt-9-search-preview-2026-01-01", "openai"),
        ("gpt-9-search-api", "openai"),
        ("azure/gpt-9-search-preview", "azure"),
        ("perplexity/sonar-next", "perplexity"),
    ] {
        let list = PriceBook::from_list(entry(key, provider, fee)).unwrap();
        for usage in [Usage::tokens(1_000, 0), searched] {
            assert_eq!(cost(&list, key, usage, Service::Standard, NOON), "0.013", "{key}");
        }
        let list = PriceBook::from_list(entry(key, provider, "")).unwrap();
        assert_eq!(list.refused[0].problem, Problem::NoSearchFee, "{key}");
    }
    let counted = entry("perplexity/sonar-deep-research", "perplexity", fee);
    let counted = PriceBook::from_list(counted).unwrap();
    let name = "perplexity/sonar-deep-research";
    assert_eq!(cost(&counted, name, searched, Service::Standard, NOON), "0.037");
}

/// What draws answers with images, and not every bill counts them apart.
#[test]
fn all_output_of_a_model_that_draws_costs_what_its_images_cost() {
    let list = one(r#""mode": "image_generation", "input_cost_per_token": 5e-06,
           "input_cost_per_image_token": 1e-05, "output_cost_per_image_token": 4e-05"#);
    for (usage, dollars) in [
        (Usage { input_image: 100, output_image: 1_000, ..Usage::tokens(10, 0) }, "0.04105"),
        (Usage::tokens(10, 1_000), "0.04005"),
    ] {
        assert_eq!(standard(&list, usage), dollars);
    }
}

#[test]
fn names_meet_those_of_the_built_in_list() {
    let entry = |provider: &str| {
        format!(
            r#"{{"litellm_provider": "{provider}", "mode": "chat", "input_cost_per_token": 1e-06,
                "output_cost_per_token": 1e-06}}"#
        )
    };
    for (key, provider, name) in [
        ("gpt-5", "openai", "openai/gpt-5"),
        ("gemini/gemini-2.5-pro", "gemini", "google/gemini-2.5-pro"),
        ("gemini-2.5-pro", "vertex_ai-language-models", "vertex_ai/gemini-2.5-pro"),
        (
            "vertex_ai/claude-x@20250929",
            "vertex_ai-anthropic_models",
            "vertex_ai/claude-x@20250929",
        ),
        ("anthropic.claude-x-v1:0", "bedrock_converse", "bedrock/anthropic.claude-x-v1:0"),
        ("bedrock/us-east-1/nova", "bedrock", "bedrock/us-east-1/nova"),
        ("azure/eu/gpt-5", "azure", "azure/eu/gpt-5"),
        ("groq/openai/gpt-oss-120b", "groq", "groq/openai/gpt-oss-120b"),
        ("fireworks_ai/accounts/x", "fireworks_ai", "fireworks/accounts/x"),
        ("amazon-nova/nova-pro-v1", "amazon_nova", "amazon_nova/nova-pro-v1"),
        ("command-a-03-2025", "cohere_chat", "cohere/command-a-03-2025"),
        ("low/gpt-image", "openai", "openai/low/gpt-image"),
    ] {
        let list = PriceBook::from_list(format!("{{\"{key}\": {}}}", entry(provider))).unwrap();
        assert_eq!(&**list.book.iter().next().unwrap().name(), name);
        assert_eq!(&**list.book.find(key).unwrap().name(), name, "found by the list's own key");
    }
    let both = format!(
        r#"{{"gpt-5": {}, "azure/gpt-5": {}, "openai/gpt-5": {}}}"#,
        entry("openai"),
        entry("azure"),
        entry("openai").replace("output_cost_per_token\": 1", "output_cost_per_token\": 2")
    );
    let both = PriceBook::from_list(both).unwrap();
    assert_eq!(&**both.book.find("gpt-5").unwrap().name(), "openai/gpt-5", "a bare key is meant");
    assert_eq!(refused(&both).len(), 1, "two that contradict each other: {:?}", refused(&both));
}

/// genai-prices #471 and tokscale #523: the rules for families say nothing of prices, and nothing
/// is found by a beginning.
#[test]
fn a_family_rule_is_no_price() {
    let list = r#"{"claude-opus-4": {"litellm_provider": "anthropic", "input_cost_per_token": 1e-6,
          "output_cost_per_token": 1e-6},
        "fallback_generalizations": {"rules": [{"pattern": "claude-[a-z]+-\\d+"}]}}"#;
    let list = PriceBook::from_list(list).unwrap();
    assert!(list.book.find("claude-opus-4").is_ok() && list.book.find("claude-opus-4-9").is_err());
    assert_eq!(refused(&list).len(), 1);
}

#[test]
fn what_is_no_price_is_taken_over_if_it_can_be_read() {
    let list = priced(
        r#""max_input_tokens": 200000.0, "max_output_tokens": 8192, "deprecation_date": "2027-01-01",
           "source": "https://acme.example/prices""#,
    );
    let model = list.book.find("owl").unwrap();
    let price = model.price();
    assert_eq!(price.context_window_tokens(), Some(200_000));
    assert_eq!(price.max_output_tokens(), Some(8_192));
    assert_eq!(price.retires.unwrap().to_string(), "2027-01-01");
    assert_eq!(price.read_in(), Some("LiteLLM's list, https://acme.example/prices"));
    let vague = priced(r#""max_output_tokens": "a lot", "deprecation_date": "soon", "source": 7"#);
    assert_eq!(vague.book.find("owl").unwrap().price().max_output_tokens(), None);

    let embedding = one(r#""mode": "embedding", "input_cost_per_token": 2e-08"#);
    assert_eq!(standard(&embedding, Usage::tokens(1_000_000, 0)), "0.02");
    let free = PriceBook::from_list(
        r#"{"openrouter/x/owl:free": {"litellm_provider": "openrouter", "mode": "chat",
            "input_cost_per_token": 0, "output_cost_per_token": 0}}"#,
    );
    assert!(free.unwrap().book.find("openrouter/x/owl:free").unwrap().price().is_free());
    let searching = PriceBook::from_list(
        r#"{"owl:free": {"litellm_provider": "acme", "input_cost_per_token": 0,
            "output_cost_per_token": 0, "search_context_cost_per_query": {"low": 0.01}}}"#,
    );
    let search = Usage { web_search_requests: 1, ..Usage::tokens(9, 9) };
    let fee = cost(&searching.unwrap(), "owl:free", search, Service::Standard, NOON);
    assert_eq!(fee, "0.01", "a free model whose searches are not");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = PriceBook::from_list(&bytes);
        let _ = PriceBook::from_list(&bytes);
    }

    #[test]
    fn no_entry_panics(fields in proptest::collection::vec((KEYS, VALUES), 0..8)) {
        let is_json = |value: &str| serde_json::from_str::<serde_json::Value>(value).is_ok();
        let fields = fields.iter().filter(|(_, value)| is_json(value));
        let body: Vec<String> = fields.map(|(key, value)| format!("\"{key}\": {value}")).collect();
        let list = priced(&[body, vec!["\"x\": 1".to_owned()]].concat().join(","));
        prop_assert_eq!(list.book.len() + list.refused.len(), 1);
        prop_assert!(!list.to_string().is_empty());
        for price in list.book.iter() {
            let usage = Usage::tokens(1_000, 1_000);
            prop_assert!(price.cost(&usage, &Terms::default(), NOON.parse().unwrap()).is_ok());
        }
    }
}

const KEYS: &str = concat!(
    "(input_cost_per_token|output_cost_per_token|cache_creation_input_token_cost|",
    "tiered_pricing|off_peak_pricing|search_context_cost_per_query|provider_specific_entry|",
    "input_cost_per_image_token|max_output_tokens)",
    "(_above_1hr)?(_above_[0-9]{0,9}k_tokens)?(_batches|_flex|_x)?",
);

const VALUES: &str = concat!(
    "(-?[0-9]{1,3}(\\.[0-9]{1,20})?(e-?[0-9]{1,3})?|null|true|\"[a-z]{0,3}\"|\\[\\]|\\{\\}|\\[1,2\\]|",
    "\\[\\{\"range\":\\[0,9\\],\"input_cost_per_token\":1e-6\\}\\]|\\{\"fast\":[0-9]\\}|",
    "\\{\"hours_utc\":\"0[0-9]:00-1[0-9]:00\"\\})",
);
