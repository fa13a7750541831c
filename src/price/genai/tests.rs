//! Tests of how genai-prices' list is read.

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::price::PriceBook;
use crate::price::Terms;
use crate::usage::Usage;

const NOON: &str = "2026-11-24T12:00:00Z";

/// A list of one model: `owl` of Acme.
fn one(rest: &str) -> ListReport {
    let list = format!(
        r#"[{{"id": "acme", "models": [{{"id": "owl", "match": {{"equals": "owl"}}, {rest}}}]}}]"#
    );
    PriceBook::from_list(list).unwrap()
}

fn priced(prices: &str) -> ListReport {
    one(&format!(r#""prices": {{"input_mtok": 2, "output_mtok": 10, {prices}}}"#))
}

fn cost(list: &ListReport, usage: Usage, service: Service, at: &str) -> String {
    let model = match list.book.find("owl") {
        Ok(model) => model,
        Err(unknown) => return unknown.to_string(),
    };
    let at: Timestamp = at.parse().unwrap();
    match model.price().cost(&usage, &Terms::from(service), at) {
        Ok(cost) => cost.exact().to_string(),
        Err(error) => error.to_string(),
    }
}

fn standard(list: &ListReport, usage: Usage) -> String {
    cost(list, usage, Service::Standard, NOON)
}

fn remarks(list: &ListReport) -> Vec<String> {
    list.remarks.iter().map(|finding| format!("{}: {:?}", finding.field, finding.problem)).collect()
}

#[test]
fn what_has_no_believable_price_is_refused() {
    for (story, rest, field, words) in [
        ("PR #36561: an empty entry is $0", r#""prices": {}"#, "input_mtok", "unknown is not free"),
        ("no prices", r#""name": "Owl""#, "prices", "unknown is not free"),
        ("no prices at any time", r#""prices": []"#, "prices", "may be a gap"),
        ("no output", r#""prices": {"input_mtok": 1}"#, "output_mtok", "unknown is not free"),
        (
            "0 and 0 that nobody meant",
            r#""prices": {"input_mtok": 0, "output_mtok": 0}"#,
            "prices",
            "may be a gap",
        ),
        (
            "dollars for a thousand million",
            r#""prices": {"input_mtok": 2001, "output_mtok": 1}"#,
            "input_mtok",
            "in another unit",
        ),
        (
            "litellm #12913: $35 a search",
            r#""prices": {"input_mtok": 1, "output_mtok": 1, "web_searches_kcount": 35000}"#,
            "web_searches_kcount",
            "in another unit",
        ),
        (
            "below zero",
            r#""prices": {"input_mtok": {"base": 1, "tiers": [{"start": 1, "price": -1}]}}"#,
            "input_mtok",
            "below zero",
        ),
        (
            "a tier without a price",
            r#""prices": {"input_mtok": {"base": 1, "tiers": [{"start": 1}]}}"#,
            "input_mtok",
            "unknown is not free",
        ),
        ("no number", r#""prices": {"input_mtok": "x"}"#, "input_mtok", "cannot be read"),
        (
            "billed by the hour",
            r#""prices": {"audio_hours": 0.11}"#,
            "audio_hours",
            "not billed by the token",
        ),
        (
            "video tokens, which are counted among text",
            r#""prices": {"input_mtok": 1, "output_mtok": 1, "output_video_mtok": 30}"#,
            "output_video_mtok",
            "counted among cheaper ones",
        ),
        (
            "dates that go back",
            r#""prices": [{"prices": {"input_mtok": 1, "output_mtok": 1}},
               {"constraint": {"start_date": "2026-02-01"}, "prices": {"input_mtok": 1, "output_mtok": 1}},
               {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": 1, "output_mtok": 1}}]"#,
            "constraint",
            "conditions",
        ),
        (
            "genai-prices #582: a condition that is not known, such as a weekday",
            r#""prices": [{"prices": {"input_mtok": 1, "output_mtok": 1}},
               {"constraint": {"weekday": 1}, "prices": {"input_mtok": 1, "output_mtok": 1}}]"#,
            "constraint",
            "conditions",
        ),
    ] {
        let list = one(rest);
        assert!(list.book.is_empty(), "{story}");
        let [finding] = &list.refused[..] else { panic!("{story}: {:?}", list.refused) };
        assert_eq!((&*finding.model, &*finding.field), ("acme/owl", field), "{story}");
        assert!(finding.to_string().contains(words), "{story}: {finding}");
    }
}

#[test]
fn every_kind_of_token_has_its_key() {
    for (prices, usage, dollars) in [
        (r#""cache_read_mtok": 0.2"#, Usage { cache_read: 1_000, ..Usage::NONE }, "0.0002"),
        (r#""cache_write_mtok": 4"#, Usage { cache_write_5m: 1_000, ..Usage::NONE }, "0.004"),
        (r#""cache_write_1h_mtok": 4"#, Usage { cache_write_1h: 1_000, ..Usage::NONE }, "0.004"),
        (r#""cache_write_1h_mtok": 4"#, Usage { cache_write_5m: 1_000, ..Usage::NONE }, "0.002"),
        (r#""output_reasoning_mtok": 4"#, Usage { reasoning: 1_000, ..Usage::NONE }, "0.004"),
        (r#""input_audio_mtok": 4"#, Usage { input_audio: 1_000, ..Usage::NONE }, "0.004"),
        (r#""output_audio_mtok": 4"#, Usage { output_audio: 1_000, ..Usage::NONE }, "0.004"),
        (
            r#""cache_audio_read_mtok": 4"#,
            Usage { cache_read_audio: 1_000, ..Usage::NONE },
            "0.004",
        ),
        (r#""requests_kcount": 5"#, Usage { requests: 1, ..Usage::NONE }, "0.005"),
        (r#""web_searches_kcount": 10"#, Usage { web_search_requests: 1, ..Usage::NONE }, "0.01"),
        (r#""input_image_mtok": 4"#, Usage { input_image: 1_000, ..Usage::NONE }, "0.004"),
        (r#""output_image_mtok": 4"#, Usage { output_image: 1_000, ..Usage::NONE }, "0.004"),
        (
            r#""storage_searches_kcount": 2.5"#,
            Usage { file_search_requests: 1, ..Usage::NONE },
            "0.0025",
        ),
        (r#""input_video_mtok": 2"#, Usage::tokens(1_000, 0), "0.002"),
    ] {
        let list = priced(prices);
        assert_eq!(standard(&list, usage), dollars, "{prices}");
        assert!(list.refused.is_empty() && list.remarks.is_empty(), "{prices}");
    }
    let list = priced(r#""social_searches_kcount": 2.5, "input_video_mtok": 1"#);
    assert_eq!(remarks(&list), ["social_searches_kcount: Uncounted", "input_video_mtok: Cheaper"]);
    let third = priced(r#""cache_write_mtok": 0.08333333333333334"#);
    assert_eq!(remarks(&third), ["cache_write_mtok: Rounded"]);
    let debris = priced(r#""cache_read_mtok": 0.30000000000000004"#);
    let usage = Usage { cache_read: 1_000_000, ..Usage::NONE };
    assert_eq!((standard(&debris, usage), debris.remarks.len()), ("0.3".to_owned(), 0));
}

/// genai-prices #241 (part of the request), #711 (272,000 exactly), and xAI, which the list has at
/// 199,999 because a tier holds for more than its start.
#[test]
fn a_tier_is_for_the_whole_request_above_its_start() {
    let at = |start: u64| {
        one(&format!(
            r#""prices": {{"input_mtok": {{"base": 2, "tiers": [{{"start": {start}, "price": 4}}]}},
               "output_mtok": 10}}"#
        ))
    };
    for (start, tokens, dollars) in [
        (272_000, 272_000, "0.544"),
        (272_000, 272_001, "1.088004"),
        (199_999, 199_999, "0.399998"),
        (199_999, 200_000, "0.8"),
    ] {
        assert_eq!(standard(&at(start), Usage::tokens(tokens, 0)), dollars, "{start} {tokens}");
    }
    assert_eq!(standard(&at(10), Usage::tokens(11, 1)), "0.000054", "output has one price");
    let narrow = r#""prices": {"input_mtok": {"base": 1, "tiers": [{"start": 11, "price": 3},
        {"start": 10, "price": 2}]}, "output_mtok": 10}"#;
    let costs = [10, 11, 12].map(|tokens| standard(&one(narrow), Usage::tokens(tokens, 0)));
    assert_eq!(costs, ["0.00001", "0.000022", "0.000036"]);
}

/// ccusage #1636, opencode #31150: a price that begins on a day is known before it.
#[test]
fn prices_begin_on_their_day() {
    let list = one(r#""prices": [
            {"prices": {"input_mtok": 1, "output_mtok": 6, "web_searches_kcount": 10}},
            {"constraint": {"start_date": "2026-07-30"},
             "prices": {"input_mtok": 0.2, "output_mtok": 1.2, "web_searches_kcount": 14}},
            {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 5, "output_mtok": 6}}]"#);
    let million = Usage::tokens(1_000_000, 0);
    for (moment, dollars) in [
        ("1970-01-01T00:00:00Z", "1"),
        ("2026-07-29T23:59:59Z", "1"),
        ("2026-07-30T00:00:00Z", "0.2"),
        ("2027-01-01T00:00:00Z", "5"),
    ] {
        assert_eq!(cost(&list, million, Service::Standard, moment), dollars, "{moment}");
    }
    let search = Usage { web_search_requests: 1, ..Usage::NONE };
    assert_eq!(cost(&list, search, Service::Standard, "1970-01-01T00:00:00Z"), "0.014");
    assert_eq!(remarks(&list), ["kcount: Largest"]);
}

#[test]
fn prices_hold_within_their_hours_in_utc() {
    let within = |start: &str, end: &str| {
        one(&format!(
            r#""prices": [{{"prices": {{"input_mtok": 1, "cache_read_mtok": 0.5, "output_mtok": 6}}}},
               {{"constraint": {{"start_time": "{start}", "end_time": "{end}"}},
                 "prices": {{"input_mtok": 2, "output_mtok": 8}}}}]"#
        ))
    };
    let million = Usage::tokens(1_000_000, 0);
    for (start, end, moment, dollars) in [
        ("00:30:00Z", "16:30:00Z", "2026-11-24T00:29:59Z", "1"),
        ("00:30:00Z", "16:30:00Z", "2026-11-24T00:30:00Z", "2"),
        ("00:30:00", "16:30:00+00:00", "2026-11-28T16:29:59Z", "2"),
        ("00:30:00Z", "16:30:00Z", "2026-11-24T16:30:00Z", "1"),
        ("22:00:00Z", "02:00:00Z", "2026-11-24T23:00:00Z", "2"),
        ("22:00:00Z", "02:00:00Z", "2026-11-24T01:00:00Z", "2"),
        ("22:00:00Z", "02:00:00Z", "2026-11-24T02:00:00Z", "1"),
        ("22:00:00Z", "00:00:00Z", "2026-11-24T23:59:59Z", "2"),
    ] {
        let list = within(start, end);
        assert_eq!(cost(&list, million, Service::Standard, moment), dollars, "{start} {moment}");
    }
    let read = Usage { cache_read: 1_000_000, ..Usage::NONE };
    let list = within("00:30:00Z", "16:30:00Z");
    assert_eq!(standard(&list, read), "2", "what these hours do not name is their own input");
    for (start, end) in
        [("08:00:00+08:00", "16:00:00Z"), ("1:00", "2:00"), ("03:00:00Z", "03:00:00Z")]
    {
        assert_eq!(within(start, end).refused[0].problem, Problem::Condition, "{start}");
    }
}

/// genai-prices answers the standard price for a tier that it does not know: 44 % too low.
#[test]
fn variants_are_service_tiers() {
    let list = one(r#""prices": {"input_mtok": {"base": 2, "tiers": [{"start": 100, "price": 4}]},
                      "cache_read_mtok": 1, "output_mtok": 10},
           "price_variants": [
            {"when": {"service_tier": "default"}, "prices": {}},
            {"when": {"service_tier": "priority"}, "prices": {"input_mtok": 7}},
            {"when": {"speed": "fast"}, "prices": {"input_mtok": 8, "output_mtok": 9}},
            {"when": {"processing": "batch"}, "prices": {"input_mtok": 1, "output_mtok": 5},
             "constraint": {"start_date": "2026-10-14"}},
            {"when": {"processing": "batch"}, "prices": {"input_mtok": 9, "cache_read_mtok": 0.5}},
            {"when": {"route": "mistral/eu"}, "prices": {"input_mtok": 3}},
            {"when": {"service_tier": "flex", "speed": "fast"}, "prices": {"input_mtok": 3}}]"#);
    let k = |input| Usage::tokens(input, 0);
    for (service, usage, moment, expected) in [
        (Service::Standard, k(1_000), NOON, "0.004"),
        (Service::Priority, k(100), NOON, "0.0007"),
        (Service::Priority, k(1_000), NOON, "0.007"), // one price at any length, as it says
        (Service::Priority, Usage::tokens(1_000, 100), NOON, "0.008"),
        (Service::Fast, Usage::tokens(0, 1_000), NOON, "0.009"),
        (Service::Batch, k(1_000), NOON, "0.001"),
        (Service::Batch, Usage { cache_read: 1_000, ..Usage::NONE }, NOON, "0.0005"),
        (Service::Batch, k(1_000), "2026-10-13T23:59:59Z", "0.009"),
        (Service::Flex, k(1_000), NOON, "service tier `flex`"),
        (Service::from("turbo"), k(1_000), NOON, "service tier `turbo`"),
    ] {
        let got = cost(&list, usage, service.clone(), moment);
        assert!(got == expected || got.contains(expected), "{service} {usage:?} {moment}: {got}");
    }
    let [eu, two] = &remarks(&list)[..] else { panic!("{:?}", remarks(&list)) };
    assert!(eu.contains("mistral/eu") && eu.ends_with("NoService"), "{eu}");
    assert!(two.contains("flex"), "{two}");
}

#[test]
fn what_a_variant_asks_for_beside_tokens_is_not_forgotten() {
    let variant = |prices: &str| {
        one(&format!(
            r#""prices": {{"input_mtok": 1, "output_mtok": 2, "web_searches_kcount": 10}},
               "price_variants": [{{"when": {{"speed": "fast"}}, "prices": {prices}}}]"#
        ))
    };
    let list = variant(r#"{"input_mtok": 2, "web_searches_kcount": 20}"#);
    let search = Usage { web_search_requests: 1, ..Usage::NONE };
    assert_eq!(standard(&list, search), "0.02");
    assert_eq!(remarks(&list), ["kcount: Largest"]);
    let list = variant(r#"{"input_mtok": 2, "output_video_mtok": 30}"#);
    assert_eq!(list.refused[0].problem, Problem::Dearer);
}

/// genai-prices #471, #577, tokscale #523: an older version's price by the beginning of a name.
#[test]
fn only_names_that_a_model_must_equal_are_taken_over() {
    let list = r#"[{"id": "x-ai", "models": [{"id": "grok-a",
        "match": {"or": [{"equals": "grok-a-1"}, {"starts_with": "grok-a"}, {"contains": "rok"},
            {"or": [{"equals": "a-2"}]}, {"and": [{"equals": "a-3"}, {"regex": "3$"}]}]},
        "context_window": 9000, "price_comments": "by hand",
        "prices": {"input_mtok": 1, "output_mtok": 1}}]}]"#;
    let list = PriceBook::from_list(list).unwrap();
    for (name, is_known) in [
        ("grok-a", true),
        ("xai/grok-a", true),
        ("grok-a-1", true),
        ("a-2", true),
        ("grok-a-vision", false),
        ("a-3", false),
    ] {
        assert_eq!(list.book.find(name).is_ok(), is_known, "{name}");
    }
    assert_eq!(remarks(&list), ["match: Greedy"]);
    let model = list.book.find("grok-a").unwrap();
    assert_eq!(model.price().context_window_tokens(), Some(9_000));
    assert_eq!(model.price().read_in(), Some("genai-prices' list"));
}

#[test]
fn a_search_model_without_a_fee_for_requests_is_refused() {
    let list = r#"[{"id": "perplexity", "models": [
        {"id": "sonar", "prices": {"input_mtok": 1, "output_mtok": 1, "requests_kcount": 12}},
        {"id": "sonar-pro-search", "prices": {"input_mtok": 3, "output_mtok": 15}}]}]"#;
    let list = PriceBook::from_list(list).unwrap();
    let sonar = list.book.find("sonar").unwrap();
    let price = sonar.price().cost(&Usage::tokens(1, 0), &Terms::default(), NOON.parse().unwrap());
    assert_eq!(price.unwrap().exact().to_string(), "0.012001");
    assert_eq!(list.refused[0].problem, Problem::NoSearchFee);
}

/// A host of open models and OpenRouter resell them, each at a price of its own.
#[test]
fn what_is_resold_is_found_with_its_provider_alone() {
    let price = r#"{"input_mtok": 1, "output_mtok": 1}"#;
    let list = format!(
        r#"[{{"id": "novita", "models": [
            {{"id": "gemini-3-flash", "match": {{"equals": "gemini-3-flash-fast"}}, "prices": {price}}}]}},
          {{"id": "openrouter", "models": [{{"id": "google/gemini-9", "prices": {price}}}]}},
          {{"id": "azure", "models": [{{"id": "gpt-5", "prices": {price}}}]}},
          {{"id": "openai", "models": [{{"id": "gpt-5", "prices": {price}}}]}}]"#
    );
    let book = PriceBook::from_list(list).unwrap().book;
    let found = |name: &str| book.find(name).map(|model| model.name().to_string());
    for name in ["gemini-3-flash", "gemini-3-flash-fast", "google/gemini-9"] {
        let refused = found(name).unwrap_err();
        assert!(refused.is_ambiguous && refused.candidates().len() == 1, "{name}: {refused}");
    }
    for name in ["novita/gemini-3-flash", "novita/gemini-3-flash-fast"] {
        assert_eq!(found(name).unwrap(), "novita/gemini-3-flash");
    }
    assert_eq!(found("gpt-5").unwrap(), "openai/gpt-5", "its maker's, and no reseller's");
    assert_eq!(found("azure/gpt-5").unwrap(), "azure/gpt-5");
}

#[test]
fn names_say_what_is_free_and_what_has_no_output() {
    let named = |id: &str, prices: &str| {
        PriceBook::from_list(format!(
            r#"[{{"id": "acme", "models": [{{"id": "{id}", "prices": {prices}}}]}}]"#
        ))
        .unwrap()
    };
    for (id, prices, is_loaded) in [
        ("owl:free", r#"{"input_mtok": 0, "output_mtok": 0}"#, true),
        ("owl:free", "{}", true),
        ("owl-free", r#"{"input_mtok": 0, "output_mtok": 0}"#, false),
        ("owl-Embedding-8B", r#"{"input_mtok": 0.02}"#, true),
        ("owl-8B", r#"{"input_mtok": 0.02}"#, false),
        ("", r#"{"input_mtok": 1, "output_mtok": 1}"#, false),
    ] {
        let list = named(id, prices);
        assert_eq!(
            (list.book.len(), list.refused.len()),
            (is_loaded.into(), (!is_loaded).into()),
            "{id}"
        );
        if id.ends_with(":free") {
            assert!(list.book.find(id).unwrap().price().is_free());
        }
    }
}

#[test]
fn what_is_no_list_is_an_error() {
    for (text, words) in [
        ("[{]", "genai-prices: "),
        ("[{},1]", "genai-prices: "),
        ("[{\"id\":1}", "genai-prices: EOF"),
    ] {
        let refused = PriceBook::from_list(text).unwrap_err().to_string();
        assert!(refused.contains(words), "{text}: {refused}");
    }
    let list =
        PriceBook::from_list(r#"[{"id": "a", "models": 7}, {"models": [3, {"id": 9}]}]"#).unwrap();
    assert_eq!((list.book.len(), list.refused.len()), (0, 3), "{list}");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = PriceBook::from_list(&bytes);
    }

    #[test]
    fn no_model_panics(
        prices in proptest::collection::vec((KEYS, PRICES), 0..6),
        constraint in CONSTRAINTS,
    ) {
        let body: Vec<String> = prices.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        let body = body.join(",");
        let list = one(&format!(
            "\"prices\": [{{\"prices\": {{\"input_mtok\": 1, \"output_mtok\": 2}}}},
              {{\"constraint\": {constraint}, \"prices\": {{{body}}}}}],
             \"price_variants\": [{{\"when\": {{\"processing\": \"batch\"}}, \"prices\": {{{body}}}}}]"
        ));
        prop_assert_eq!(list.book.len() + list.refused.len(), 1);
    }
}

const KEYS: &str =
    "(input_mtok|output_mtok|cache_read_mtok|output_image_mtok|web_searches_kcount|x)";

const PRICES: &str = concat!(
    "([1-9][0-9]{0,4}(\\.[0-9]{1,20})?|null|\\[\\]|",
    "\\{\"base\":[1-9],\"tiers\":\\[\\{\"start\":[1-9]{1,20}0,\"price\":[1-9]\\}\\]\\})",
);

const CONSTRAINTS: &str = concat!(
    "(\\{\"start_date\":\"2026-0[1-9]-1[0-9]\"\\}|\\{\\}|7|",
    "\\{\"start_time\":\"[0-2][0-9]:30:00Z\",\"end_time\":\"[0-2][0-9]:00:00Z\"\\})",
);
