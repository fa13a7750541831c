//! Tests of reading requests: what each provider's body says of the cost of its call.

use bursar::price::EstimateError;
use bursar::usage::tokens::{Heuristic, TokenCounter};
use bursar::usage::{Request, RequestError};
use bursar::{BudgetManager, Limit, ModelPrice, PriceBook, Service, Usd};
use proptest::prelude::*;
use serde_json::{Value, json};

const OPENAI_CHAT: &str = include_str!("data/requests/openai_chat.json");
const OPENAI_RESPONSES: &str = include_str!("data/requests/openai_responses.json");
const OPENAI_EMBEDDINGS: &str = include_str!("data/requests/openai_embeddings.json");
const ANTHROPIC: &str = include_str!("data/requests/anthropic.json");
const GEMINI: &str = include_str!("data/requests/gemini.json");
const BEDROCK: &str = include_str!("data/requests/bedrock_converse.json");
const COHERE: &str = include_str!("data/requests/cohere.json");
const MISTRAL: &str = include_str!("data/requests/mistral.json");
const OLLAMA: &str = include_str!("data/requests/ollama.json");

/// Every sample, and a model that it could be sent to.
const SAMPLES: [(&str, &str); 9] = [
    (OPENAI_CHAT, "gpt-6.1-terra"),
    (OPENAI_RESPONSES, "gpt-6.1-terra"),
    (OPENAI_EMBEDDINGS, "text-embedding-3-large"),
    (ANTHROPIC, "claude-opus-4-8"),
    (GEMINI, "gemini-4-argon"),
    (BEDROCK, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (COHERE, "command-a-reasoning-08-2025"),
    (MISTRAL, "mistral-large-latest"),
    (OLLAMA, "qwen3:8b"),
];

/// Counts no text at all, so that what is left is framing, overheads and media.
struct Nothing;

impl TokenCounter for Nothing {
    fn count(&self, _: &str) -> u64 {
        0
    }
    fn upper_bound(&self, _: &str) -> u64 {
        0
    }
}

/// Counts each byte.
struct Bytes;

impl TokenCounter for Bytes {
    fn count(&self, text: &str) -> u64 {
        text.len() as u64
    }
    fn upper_bound(&self, text: &str) -> u64 {
        self.count(text)
    }
}

fn read(body: &str, model: &str) -> Request {
    Request::read(body, model, &Nothing).unwrap()
}

#[test]
fn a_chat_of_openai() {
    let request = read(OPENAI_CHAT, "gpt-6.1-terra");
    assert_eq!(request.model.as_deref(), Some("gpt-6.1-terra"));
    assert_eq!((request.max_output, request.choices), (Some(1_200), 2));
    assert_eq!((request.service, request.streams), (Some(Service::Flex), true));
    // Four messages, a name, the reply; two parts, an image; a tool; tools and a schema at all.
    let framing = 4 * 3 + 1 + 3;
    assert_eq!(request.input, framing + 2 * 4 + 3_000 + 16 + 2 * 32);
    assert!(request.unseen.is_empty() && request.is_one_prompt);
    let bytes = Request::read(OPENAI_CHAT, "gpt-6.1-terra", &Bytes).unwrap().input;
    for text in ["How high is this mountain", "weather of a place", "celsius", "metres", "metric"] {
        let without = OPENAI_CHAT.replace(text, "");
        let fewer = Request::read(&without, "gpt-6.1-terra", &Bytes).unwrap().input;
        assert!(fewer < bytes, "{text} is not counted");
    }
}

#[test]
fn a_response_of_openai() {
    let request = read(OPENAI_RESPONSES, "gpt-6.1-terra");
    assert_eq!((request.max_output, request.web_searches), (Some(900), Some(4)));
    assert!(request.cache_write_12h && !request.cache_write_30m);
    assert_eq!(request.unseen, ["tools[1]"]);
    assert!(!request.is_one_prompt, "after a search the model is asked again");
    assert!((36_000..39_000).contains(&request.input), "{}", request.input);
}

#[test]
fn embeddings_have_no_output() {
    let request = read(OPENAI_EMBEDDINGS, "text-embedding-3-large");
    assert_eq!((request.max_output, request.choices), (Some(0), 3));
    assert!(!request.is_one_prompt, "each text has a window of its own");
    let text = r#"{"inputs": "Once upon", "parameters": {"max_new_tokens": 60}}"#;
    assert_eq!(read(text, "some/model").max_output, Some(60), "Hugging Face's text generation");
    assert_eq!(read(r#"{"inputs": "Once upon"}"#, "some/model").max_output, None);
    let single = read(r#"{"input": "One text."}"#, "text-embedding-3-small");
    assert_eq!((single.max_output, single.is_one_prompt), (Some(0), true));
    let cohere = r#"{"model": "embed-v4.0", "input_type": "search_query", "texts": ["a", "b"]}"#;
    assert_eq!(read(cohere, "embed-v4.0").max_output, Some(0));
}

#[test]
fn a_message_of_anthropic() {
    let request = read(ANTHROPIC, "claude-opus-4-8");
    assert_eq!(request.max_output, Some(16_000), "thinking is inside it");
    assert!(request.cache_write_1h && request.cache_write_5m);
    assert_eq!((request.service, request.regional), (Some(Service::Fast), true));
    let images = 2 * 4_784;
    assert!((images + 1_400..images + 1_500).contains(&request.input), "{}", request.input);
    assert!(request.unseen.is_empty() && request.is_one_prompt);
}

#[test]
fn contents_of_gemini() {
    let request = read(GEMINI, "gemini-4-argon");
    assert_eq!((request.max_output, request.choices), (Some(2_048), 3), "thoughts are inside it");
    assert!((2_304..2_450).contains(&request.input), "{}", request.input);
    assert_eq!(request.input_audio, 1, "24 bytes of PCM");
    assert!(request.unseen.is_empty());
}

#[test]
fn a_converse_of_bedrock() {
    let request = read(BEDROCK, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_eq!((request.max_output, request.service), (Some(700), Some(Service::Priority)));
    assert!(request.cache_write_1h && request.cache_write_5m);
    assert!((1_200..1_300).contains(&request.input), "{}", request.input);
    assert!(request.unseen.is_empty(), "{:?}", request.unseen);
}

#[test]
fn chats_of_cohere_mistral_and_ollama() {
    let cohere = read(COHERE, "command-a-reasoning-08-2025");
    assert_eq!(cohere.max_output, Some(1_000), "its thinking may come on top");
    let bytes = Request::read(COHERE, "command-a-reasoning-08-2025", &Bytes).unwrap();
    assert!(bytes.input > cohere.input + "Mary Shelley wrote Frankenstein in 1818.".len() as u64);

    let mistral = read(MISTRAL, "mistral-large-latest");
    assert_eq!(mistral.max_output, Some(256));
    assert!((16_384..16_450).contains(&mistral.input), "{}", mistral.input);

    let ollama = read(OLLAMA, "qwen3:8b");
    assert_eq!((ollama.max_output, ollama.streams), (Some(128), false));
    assert!((16_384..16_450).contains(&ollama.input), "{}", ollama.input);
    for request in [cohere, mistral, ollama] {
        assert!(request.unseen.is_empty(), "{:?}", request.unseen);
    }
}

fn with(field: &str, value: Value) -> Request {
    let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let mut place = &mut body;
    for name in field.split('.') {
        place = &mut place[name];
    }
    *place = value;
    let text = read(&body.to_string(), "gpt-6.1-terra");
    assert_eq!(Request::read(&body, "gpt-6.1-terra", &Nothing).unwrap(), text, "as a tree");
    text
}

/// A request of each form, and where its API looks for the cap and the number of answers.
const FORMS: &[(&str, &[&str], &[&str])] = &[
    (
        r#"{"messages": [{"role": "user", "content": "Hi"}]}"#,
        &["max_tokens", "max_completion_tokens", "extra_body.max_tokens"],
        &["n", "extra_body.n"],
    ),
    (
        r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}"#,
        &["max_tokens", "max_completion_tokens", "extra_body.max_tokens"],
        &["n", "extra_body.n"],
    ),
    (
        r#"{"prompt": "Hi"}"#,
        &["max_tokens", "max_tokens_to_sample", "extra_body.max_tokens"],
        &["n", "best_of", "extra_body.n"],
    ),
    (r#"{"input": "Hi"}"#, &["max_output_tokens"], &[]),
    (
        r#"{"contents": [{"parts": [{"text": "Hi"}]}]}"#,
        &[
            "generationConfig.maxOutputTokens",
            "generation_config.max_output_tokens",
            "generationConfig.max_output_tokens",
        ],
        &["generationConfig.candidateCount", "generation_config.candidate_count"],
    ),
    (
        r#"{"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}"#,
        &["inferenceConfig.maxTokens"],
        &[],
    ),
    (
        r#"{"messages": [{"role": "user", "content": "Hi"}], "keep_alive": "5m"}"#,
        &["max_tokens", "max_completion_tokens", "options.num_predict", "extra_body.max_tokens"],
        &["n", "extra_body.n"],
    ),
    (r#"{"inputs": "Hi"}"#, &["parameters.max_new_tokens"], &[]),
];

/// Every cap and every number of answers that some API has, and some that none has.
const LIMITS: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "maxOutputTokens",
    "maxTokens",
    "max_new_tokens",
    "max_tokens_to_sample",
    "num_predict",
    "generationConfig.maxOutputTokens",
    "generationConfig.max_output_tokens",
    "generation_config.max_output_tokens",
    "inferenceConfig.maxTokens",
    "inferenceConfig.max_new_tokens",
    "additionalModelRequestFields.max_new_tokens",
    "additionalModelRequestFields.max_tokens",
    "options.num_predict",
    "options.max_tokens",
    "parameters.max_new_tokens",
    "parameters.max_tokens",
    "extra_body.max_tokens",
    "n",
    "best_of",
    "extra_body.n",
    "generationConfig.candidateCount",
    "generation_config.candidate_count",
];

/// A body with a field more, given by its path.
fn put(body: &str, field: &str, value: Value) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let mut place = &mut body;
    for name in field.split('.') {
        place = &mut place[name];
    }
    *place = value;
    body
}

/// A server ignores what it does not know. The cap of another API had become the hold: 14 times
/// over, where `options.num_predict` stood in a chat.
#[test]
fn each_api_obeys_its_own_cap_alone() {
    for (body, caps, choices) in FORMS {
        for field in LIMITS {
            let asked = read(&put(body, field, json!(77)).to_string(), "some/model");
            let cap = caps.contains(field).then_some(77);
            assert_eq!(asked.max_output, cap, "{field} in {body}");
            assert_eq!(
                asked.choices,
                if choices.contains(field) { 77 } else { 1 },
                "{field}: {body}"
            );
            let none = read(&put(body, field, json!(0)).to_string(), "some/model");
            assert_eq!((none.max_output, none.choices), (None, 1), "0 is none: {field} in {body}");
            let null = read(&put(body, field, Value::Null).to_string(), "some/model");
            assert_eq!((null.max_output, null.choices), (None, 1), "{field} in {body}");
        }
    }
    let open = r#"{"messages": [{"role": "user", "content": "Hi"}], "think": false}"#;
    for end in [-1, -2] {
        let asked = read(&put(open, "options.num_predict", json!(end)).to_string(), "qwen3:8b");
        assert_eq!(asked.max_output, None, "without end");
    }
    assert_eq!(with("thinking", json!({"budget_tokens": 9_000})).max_output, None);
}

#[test]
fn of_several_caps_the_largest_counts_and_of_several_apis_each_needs_one() {
    let message = r#""messages": [{"role": "user", "content": "Hi"}]"#;
    for (fields, cap) in [
        (r#""max_tokens": 5, "max_completion_tokens": 9"#, Some(9)),
        (r#""max_tokens": 0, "max_completion_tokens": 9"#, Some(9)),
        (r#""max_tokens": 5, "max_output_tokens": 9"#, Some(5)),
        (r#""max_tokens": 5, "options": {"num_predict": 9}"#, Some(5)),
        (r#""max_tokens": 5, "extra_body": {"max_completion_tokens": 9}"#, Some(9)),
        // Whichever server reads this, it finds one of the two inputs.
        (r#""input": "Hi", "max_tokens": 5"#, None),
        (r#""input": "Hi", "max_tokens": 5, "max_output_tokens": 9"#, Some(9)),
        (r#""contents": [], "max_tokens": 5"#, None),
        (r#""max_tokens": 5, "inferenceConfig": {"maxTokens": 9}"#, Some(5)),
    ] {
        let body = format!("{{{message}, {fields}}}");
        assert_eq!(read(&body, "gpt-5").max_output, cap, "{fields}");
    }
    let prompts = r#"{"prompt": ["One", "Two", "Three"], "n": 2, "max_tokens": 9}"#;
    assert_eq!(read(prompts, "gpt-3.5-turbo-instruct").choices, 6, "each prompt has its answers");
}

/// Rejected parts of a prediction are billed as output (OpenAI); they were held as input alone.
#[test]
fn a_prediction_is_held_as_output_beside_the_cap() {
    let code = "fn main() {}".repeat(50);
    for content in [json!(code), json!([{"type": "text", "text": code}])] {
        let body = json!({"max_completion_tokens": 100, "messages": [],
            "prediction": {"type": "content", "content": content}});
        let request = Request::read(&body, "gpt-4o", &Bytes).unwrap();
        let most = request.max_output.unwrap();
        assert!((700..720).contains(&most), "{most}: 100 and each of 600 bytes");
        assert!(request.input > 600, "and it is read");
        let model = PriceBook::builtin().find("gpt-6.1-terra").unwrap();
        let (at, all) = ("2026-11-24T09:00:00Z".parse().unwrap(), model.estimate_of(&request));
        let alone = model.estimate().input(request.input).max_output(100).cost_at(at).unwrap();
        assert!(all.unwrap().cost_at(at).unwrap() > alone);
    }
    let open = json!({"messages": [], "prediction": {"type": "content", "content": "x"}});
    assert_eq!(Request::read(&open, "gpt-4o", &Bytes).unwrap().max_output, None);
}

/// Claude reads a schema in a form of its own: nested ones were billed at up to 1.875 tokens a byte.
#[test]
fn a_schema_on_claude_is_held_at_two_tokens_a_byte() {
    let nested = (0..30).fold(
        json!({"type": "string"}),
        |inner, _| json!({"type": "object", "properties": {"a": inner}}),
    );
    let tool = json!({"name": "t", "input_schema": nested});
    let spec = json!({"toolSpec": {"name": "t", "inputSchema": {"json": nested}}});
    let bytes = nested.to_string().len() as u64;
    for (model, body, times) in [
        ("claude-opus-4-8", json!({"messages": [], "tools": [tool]}), 2),
        (
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            json!({"messages": [], "toolConfig": {"tools": [spec]}}),
            2,
        ),
        (
            "claude-opus-4-8",
            json!({"messages": [], "output_format": {"type": "json_schema", "schema": nested}}),
            2,
        ),
        ("gpt-6.1-terra", json!({"messages": [], "tools": [tool]}), 1),
    ] {
        let none = Request::read(r#"{"messages": []}"#, model, &Bytes).unwrap().input;
        let held = Request::read(&body, model, &Bytes).unwrap().input - none;
        assert!(held >= bytes * times && held < bytes * times + 1_300, "{model}: {held}, {bytes}");
    }
}

/// What providers add unseen, for each request: it was not counted.
#[test]
fn the_prompts_that_providers_add_are_held() {
    let body = r#"{"messages": [{"role": "user", "content": ""}]}"#;
    for (model, least) in [
        ("grok-4", 214),
        ("xai/grok-4-fast", 214),
        ("deepseek-chat", 97),
        ("deepseek/deepseek-v3.2", 97),
        ("kimi-k2", 100),
        ("moonshot/kimi-k2-thinking", 100),
        ("nobody/knows", 214),
    ] {
        let input = read(body, model).input;
        assert!(input >= least && input < least + 20, "{model}: {input}");
    }
    assert!(read(body, "gpt-4o").input < 10);
}

fn cost(budget: &BudgetManager, body: &Value) -> Usd {
    let at = "2026-11-24T09:00:00Z".parse().unwrap();
    budget.estimate_request(body).unwrap().cost_at(at).unwrap()
}

/// $2 and $10 a million tokens of input and output, $20 and $100 with priority; a cheap model of a
/// tenth of that, and a dear one of ten times as much.
fn priced() -> bursar::budget::Builder {
    let mut book = PriceBook::empty();
    for (id, input, output) in [("cheap", "0.2", "1"), ("usual", "2", "10"), ("dear", "20", "100")]
    {
        let price = ModelPrice::new("owl", id, input.parse().unwrap(), output.parse().unwrap());
        book.insert(price.max_output(1_000)).unwrap();
    }
    BudgetManager::builder().prices(book)
}

/// $0.00201 had been held and $0.08012 booked, on a limit of $0.01.
#[test]
fn further_models_that_a_request_names_are_held() {
    let budget = priced().build().unwrap();
    let body = |model: &str| {
        json!({"model": model, "max_tokens": 100,
        "messages": [{"role": "user", "content": "What is the time?"}]})
    };
    let alone = |model: &str| cost(&budget, &body(model));
    let (cheap, usual, dear) = (alone("cheap"), alone("usual"), alone("dear"));
    assert!(cheap < usual && usual < dear);
    let sum =
        |costs: &[Usd]| costs.iter().fold(Usd::ZERO, |sum, &cost| sum.checked_add(cost).unwrap());
    for (field, value, expected, names) in [
        // Anthropic bills a declined attempt that wrote: the sum.
        ("fallbacks", json!([{"model": "dear"}]), sum(&[cheap, dear]), &["owl/dear"][..]),
        (
            "fallbacks",
            json!(["usual", "owl/dear"]),
            sum(&[cheap, usual, dear]),
            &["owl/usual", "owl/dear"],
        ),
        ("fallbacks", json!(["cheap"]), sum(&[cheap, cheap]), &["owl/cheap"]),
        ("context_window_fallbacks", json!(["dear"]), sum(&[cheap, dear]), &["owl/dear"]),
        (
            "additionalModelRequestFields.fallbacks",
            json!(["dear"]),
            sum(&[cheap, dear]),
            &["owl/dear"],
        ),
        // OpenRouter and Vercel bill the one that answered: the dearest.
        ("models", json!(["usual", "dear"]), dear, &["owl/usual", "owl/dear"]),
        ("models", json!(["cheap"]), cheap, &["owl/cheap"]),
        ("extra_body.models", json!(["dear"]), dear, &["owl/dear"]),
        ("providerOptions.gateway.models", json!(["dear"]), dear, &["owl/dear"]),
        ("fallbacks", json!([]), cheap, &[]),
        ("models", Value::Null, cheap, &[]),
        ("providerOptions.gateway.order", json!(["owl"]), cheap, &[]),
    ] {
        let body = put(&body("cheap").to_string(), field, value.clone());
        assert_eq!(cost(&budget, &body), expected, "{field}: {value}");
        let estimate = budget.estimate_request(&body).unwrap();
        let found: Vec<&str> =
            estimate.fallback_models().iter().map(|model| &**model.name()).collect();
        assert_eq!(found, names, "{field}: {value}");
        let wider = estimate.with_margin("2".parse().unwrap());
        assert_eq!(wider.fallback_models().len(), names.len());
    }
    let limited = priced().limit("*", Limit::spend("0.005".parse().unwrap())).build().unwrap();
    let named = put(&body("cheap").to_string(), "fallbacks", json!([{"model": "dear"}]));
    let refused = limited.reserve("a", &limited.estimate_request(&named).unwrap());
    assert!(refused.is_err(), "{:?}", refused.map(|hold| hold.held()));
    assert!(limited.reserve("a", &limited.estimate_request(&body("cheap")).unwrap()).is_ok());
}

/// An attempt may have a cap, a prompt or a tier of its own.
/// An advisor is asked at the price of its own model, beside the model that asks it.
#[test]
fn an_advisor_is_held_at_its_own_price() {
    let at = "2026-11-24T09:00:00Z".parse().unwrap();
    let opus = PriceBook::builtin().find("claude-opus-4-8").unwrap();
    let held = |advisor: &str| {
        let body = json!({"max_tokens": 1_000, "messages": [{"role": "user", "content": "Hi"}],
            "tools": [{"type": "advisor_20260301", "name": "advisor", "model": advisor}]});
        let request = opus.read_request(&body).unwrap();
        assert!(request.fallback_models().eq([advisor]));
        opus.estimate_of(&request.with_unseen_input(0)).map(|held| held.cost_at(at).unwrap())
    };
    // $0.025 of its own, $0.025 or $0.05 of the advisor's output.
    let (same, dearer) = (held("claude-opus-4-8").unwrap(), held("claude-fable-5").unwrap());
    assert!(same > Usd::cents(5) && dearer > "0.075".parse().unwrap(), "{same} {dearer}");
    assert!(matches!(held("claude-nobody"), Err(RequestError::Fallback { .. })));
}

#[test]
fn a_further_model_is_held_as_it_would_be_asked() {
    let budget = priced().build().unwrap();
    let body = |fallback: Value| {
        json!({"model": "cheap", "max_tokens": 100, "fallbacks": [fallback],
        "messages": [{"role": "user", "content": "What is the time?"}]})
    };
    let plain = cost(&budget, &body(json!({"model": "dear"})));
    assert!(cost(&budget, &body(json!({"model": "dear", "max_tokens": 200}))) > plain);
    assert!(cost(&budget, &body(json!({"model": "dear", "max_tokens": 50}))) < plain);
    let long =
        json!({"model": "dear", "messages": [{"role": "user", "content": "time ".repeat(500)}]});
    assert!(cost(&budget, &body(long)) > plain);
    // What the request leaves open is closed for each.
    let open = json!({"model": "cheap", "max_output_tokens": 9, "input": "On?", "models": ["dear"],
        "previous_response_id": "r"});
    assert!(budget.estimate_request(&open).is_err());
    let (model, request) = budget.read_request(&open).unwrap();
    assert!(model.estimate_of(&request.with_unseen_input(1_000)).is_ok());
    // Without `model`, OpenRouter asks the first of `models`.
    let first = json!({"models": ["usual", "dear"], "max_tokens": 9, "messages": []});
    assert_eq!(budget.read_request(&first).unwrap().0.id(), "usual");
}

#[test]
fn a_further_model_without_a_price_is_refused_with_the_field_and_the_remedy() {
    let budget = priced().build().unwrap();
    for (field, value, sentence) in [
        ("fallbacks", json!("default"), "`fallbacks` lets `default` answer"),
        ("fallbacks", json!(["default"]), "`fallbacks[0]` lets `default` answer"),
        ("fallbacks", json!(["dear", {"model": "fox"}]), "`fallbacks[1]` lets `fox` answer"),
        ("fallbacks", json!([{"usual": ["dear"]}]), "`fallbacks[0]` lets `{…}` answer"),
        ("fallbacks", json!({"model": "fox"}), "`fallbacks` lets `fox` answer"),
        ("models", json!(["dear", "fox"]), "`models[1]` lets `fox` answer"),
        ("models", json!([7]), "`models[0]` lets `7` answer"),
        ("extra_body.models", json!(["fox"]), "`extra_body.models[0]` lets `fox` answer"),
        (
            "providerOptions.gateway.models",
            json!(["fox"]),
            "`providerOptions.gateway.models[0]` lets `fox` answer",
        ),
    ] {
        let body = put(r#"{"model": "usual", "messages": []}"#, field, value.clone());
        let error = budget.estimate_request(&body).unwrap_err().to_string();
        let remedy = "which has no price; name a model there that has one, or leave the field out";
        assert_eq!(error, format!("{sentence}, {remedy}"), "{value}");
    }
    // By itself a price knows no other models.
    let request = read(r#"{"messages": [], "fallbacks": ["dear"]}"#, "usual");
    assert!(request.fallback_models().eq(["dear"]));
}

/// `auto` was held at the standard price, whatever the project's settings at the provider are.
#[test]
fn no_tier_and_auto_are_held_at_the_dearest_tier_that_the_account_may_use() {
    let at = "2026-11-24T09:00:00Z".parse().unwrap();
    let cost = |tier: Option<Service>, asked: Option<&str>, model: &str| {
        let builder = BudgetManager::builder();
        let budget = match tier {
            Some(tier) => builder.auto_tier(tier).build().unwrap(),
            None => builder.build().unwrap(),
        };
        let mut body = json!({"model": model, "max_completion_tokens": 100, "messages": [
            {"role": "user", "content": "What is the time?"}]});
        if let Some(asked) = asked {
            body["service_tier"] = json!(asked);
        }
        let estimate = budget.estimate_request(&body).unwrap();
        assert_eq!(
            estimate.terms().service.as_str(),
            asked.filter(|&tier| tier != "auto" && tier != "default").unwrap_or("standard")
        );
        estimate.cost_at(at).unwrap()
    };
    let terra = "gpt-6.1-terra";
    let standard = cost(None, Some("default"), terra);
    let priority = cost(None, Some("priority"), terra);
    assert!(standard < priority);
    for asked in [None, Some("auto")] {
        assert_eq!(cost(None, asked, terra), standard, "unless told otherwise");
        assert_eq!(cost(Some(Service::Priority), asked, terra), priority);
        assert_eq!(cost(Some(Service::Flex), asked, terra), standard, "the dearer of the two");
    }
    assert_eq!(cost(Some(Service::Priority), Some("default"), terra), standard, "it was named");
    let flex = cost(None, Some("flex"), terra);
    assert_eq!(cost(Some(Service::Priority), Some("flex"), terra), flex);
    // A model without such a tier is not served on it.
    let haiku = "claude-haiku-4-5";
    assert_eq!(cost(Some("no-such-tier".into()), None, haiku), cost(None, None, haiku));
}

#[test]
fn tiers_and_marks_in_all_their_spellings() {
    for (field, value, service) in [
        ("service_tier", json!("priority"), Some(Service::Priority)),
        ("serviceTier", json!({"type": "flex"}), Some(Service::Flex)),
        ("service_tier", json!("auto"), None),
        ("service_tier", json!("default"), Some(Service::Standard)),
        ("speed", json!("fast"), Some(Service::Fast)),
        ("speed", json!("standard"), None),
        ("performanceConfig.latency", json!("optimized"), Some("latency-optimized".into())),
    ] {
        assert_eq!(with(field, value.clone()).service, service, "{field}: {value}");
    }
    let marks = |request: &Request| {
        let Request { cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h, .. } =
            *request;
        [cache_write_5m, cache_write_30m, cache_write_1h, cache_write_12h].map(u8::from)
    };
    for (field, value, expected) in [
        ("cache_control", json!({"type": "ephemeral"}), [1, 0, 0, 0]),
        ("cache_control", json!({"type": "ephemeral", "ttl": "5m"}), [1, 0, 0, 0]),
        ("cache_control", json!({"type": "ephemeral", "ttl": "1h"}), [0, 0, 1, 0]),
        ("prompt_cache_options", json!({"ttl": "30m"}), [0, 1, 0, 0]),
        ("prompt_cache_retention", json!("24h"), [0, 0, 0, 1]),
        ("prompt_cache_retention", json!("in_memory"), [0, 0, 0, 0]),
        ("prompt_cache_options", json!({"mode": "explicit"}), [0, 1, 0, 0]),
        ("context_management", json!({"edits": [{"type": "clear_tool_uses"}]}), [0, 0, 0, 0]),
    ] {
        assert_eq!(marks(&with(field, value.clone())), expected, "{field}: {value}");
    }
}

#[test]
fn images_count_as_the_largest_that_the_family_bills() {
    let image = |model: &str, detail: &str| {
        let body = json!({"messages": [{"content": [{"type": "image_url",
            "image_url": {"url": "https://example.org/a.png", "detail": detail}}]}]});
        let none = json!({"messages": [{"content": [{"type": "text"}]}]});
        let bare = Request::read(&none, model, &Nothing).unwrap().input;
        Request::read(&body, model, &Nothing).unwrap().input - bare
    };
    for (model, auto, high, low) in [
        ("gpt-4o-2024-11-20", 1_445, 1_445, 85),
        ("openai/gpt-4o-mini", 48_169, 48_169, 2_833),
        ("gpt-4.1-nano", 3_779, 3_779, 3_779),
        ("gpt-5", 1_445, 1_445, 85),
        ("gpt-5.4", 12_000, 3_000, 310),
        ("gpt-6.1-terra", 36_000, 3_000, 310),
        ("gpt-6-nano", 73_800, 7_380, 760),
        ("o4-mini", 3_779, 3_779, 3_779),
        ("claude-sonnet-4-5", 1_600, 1_600, 1_600),
        ("us.anthropic.claude-opus-4-6-v1", 1_600, 1_600, 1_600),
        ("claude-opus-4-8", 4_784, 4_784, 4_784),
        ("gemini-3-pro", 2_304, 2_304, 2_304),
        ("somebody/else", 16_384, 16_384, 16_384),
    ] {
        let got = (image(model, "auto"), image(model, "high"), image(model, "low"));
        assert_eq!(got, (auto, high, low), "{model}");
    }
}

/// Whatever is too big to be sent twice is sent as an id: then a count of the body is far too low.
#[test]
fn what_the_body_does_not_hold_is_named() {
    for (body, unseen) in [
        (r#"{"input": "On.", "previous_response_id": "resp_1"}"#, "previous_response_id"),
        (r#"{"input": "On.", "conversation": {"id": "conv_1"}}"#, "conversation"),
        (r#"{"input": [{"type": "item_reference", "id": "msg_1"}]}"#, "input[0]"),
        (r#"{"input": [{"id": "msg_1"}]}"#, "input[0]"), // a reference needs no type
        (r#"{"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}"#, "input[0]"),
        (r#"{"prompt": {"id": "pmpt_1"}}"#, "prompt"),
        (r#"{"contents": [], "cachedContent": "cachedContents/1"}"#, "cachedContent"),
        (
            r#"{"contents": [{"parts": [{"fileData": {"mimeType": "video/mp4", "fileUri": "x"}}]}]}"#,
            "contents[0].parts[0].fileData",
        ),
        (
            r#"{"messages": [{"content": [{"type": "document", "source":
                {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}]}]}"#,
            "messages[0].content[0]",
        ),
        (
            r#"{"messages": [{"content": [{"document": {"format": "pdf", "source": {"bytes": "JVBERi0="}}}]}]}"#,
            "messages[0].content[0].document",
        ),
        (
            r#"{"messages": [{"content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}"#,
            "messages[0].content[0]",
        ),
        (
            r#"{"messages": [{"content": [{"type": "image_url", "image_url": {"url": "data:application/pdf;base64,JVBERi0="}}]}]}"#,
            "messages[0].content[0]",
        ),
        (r#"{"messages": [{"content": [{"type": "hologram"}]}]}"#, "messages[0].content[0]"),
        (r#"{"messages": [{"role": "assistant", "audio": {"id": "a"}}]}"#, "messages[0].audio"),
        (r#"{"input": "Hi", "tools": [{"type": "file_search"}]}"#, "tools[0]"),
        (r#"{"messages": [], "mcp_servers": [{"url": "x"}]}"#, "mcp_servers"),
        (
            r#"{"messages": [], "context_management": {"edits": [{"type": "compact_20260112"}]}}"#,
            "context_management",
        ),
        (
            r#"{"messages": [{"content": [{"type": "input_audio", "input_audio": "https://x/a.mp3"}]}]}"#,
            "messages[0].content[0]",
        ),
        (
            r#"{"messages": [{"content": [{"video": {"source": {"bytes": "AAAA"}}}]}]}"#,
            "messages[0].content[0].video",
        ),
        (r#"{"contents": [], "tools": [{"googleSearch": {}}]}"#, "tools[0]"),
        (r#"{"contents": [], "tools": {"googleSearch": {}}}"#, "tools"),
    ] {
        let request = read(body, "gpt-6.1-terra");
        assert_eq!(request.unseen, [unseen], "{body}");
        let model = PriceBook::builtin().find("gpt-6.1-terra").unwrap();
        let error = model.estimate_of(&request).unwrap_err();
        assert_eq!(error, RequestError::Unseen { field: unseen.to_owned() });
        let allowed = request.with_unseen_input(1_000).with_web_searches(0);
        assert!(model.estimate_of(&allowed).is_ok());
    }
}

#[test]
fn searches_are_bounded_by_the_request_or_not_at_all() {
    for (body, searches) in [
        (r#"{"tools": [{"type": "web_search_20250305", "max_uses": 3}], "messages": []}"#, Some(3)),
        (r#"{"tools": [{"type": "web_search_20250305"}], "messages": []}"#, None),
        (r#"{"tools": [{"type": "web_search"}], "max_tool_calls": 5, "input": "x"}"#, Some(5)),
        (r#"{"web_search_options": {}, "messages": []}"#, Some(1)),
        (r#"{"search_parameters": {"mode": "auto"}, "messages": []}"#, None),
        (r#"{"search_parameters": {"mode": "off"}, "messages": []}"#, Some(0)),
        (r#"{"messages": []}"#, Some(0)),
    ] {
        assert_eq!(read(body, "claude-opus-4-8").web_searches, searches, "{body}");
    }
}

#[test]
fn tools_with_a_fee_are_held() {
    let at = "2026-11-24T09:00:00Z".parse().unwrap();
    let cost = |model: &str, body: &Value| {
        let model = PriceBook::builtin().find(model).unwrap();
        let request = model.read_request(&body.to_string()).unwrap().bounded_by(Some(0), None);
        model.estimate_of(&request).map(|estimate| estimate.cost_at(at).unwrap())
    };
    let openai = |tools: Value| json!({"input": "Hi", "max_output_tokens": 9, "max_tool_calls": 4, "tools": tools});
    // The least that a fee comes to; the text of a tool is below a cent.
    for (tool, fees) in [
        (json!({"type": "web_search"}), "0.04"),
        (json!({"type": "file_search", "vector_store_ids": ["v"]}), "0.01"),
        (json!({"type": "code_interpreter", "container": {"type": "auto"}}), "0.03"),
    ] {
        let held = cost("gpt-5-mini", &openai(json!([tool]))).unwrap();
        let fees: Usd = fees.parse().unwrap();
        assert!(held > fees && held < fees.checked_add(Usd::cents(1)).unwrap(), "{tool}: {held}");
    }
    let both = openai(json!([{"type": "web_search"}, {"type": "file_search"}]));
    assert!(cost("gpt-5-mini", &both).unwrap() > Usd::cents(4));
    let mut open = openai(json!([{"type": "file_search"}]));
    open.as_object_mut().unwrap().remove("max_tool_calls");
    assert_eq!(cost("gpt-5-mini", &open), Err(RequestError::UnboundedSearches));

    let maps = json!({"contents": [{"parts": [{"text": "Hi"}]}], "tools": [{"googleMaps": {}}],
        "generationConfig": {"maxOutputTokens": 9}});
    let plain = json!({"contents": [{"parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 9}});
    let [held, without] = [maps, plain].map(|body| cost("gemini-3-flash-preview", &body).unwrap());
    assert!(held > without.checked_add("0.014".parse().unwrap()).unwrap(), "{held} {without}");
}

#[test]
fn base64_is_never_text() {
    let payload = "QUJD".repeat(250_000);
    let image = json!({"messages": [{"content": [{"type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": payload}}]}]});
    let request = Request::read(&image, "claude-opus-4-8", &Bytes).unwrap();
    assert!(request.input < 5_000, "{}", request.input);
    let mp3 = json!({"messages": [{"content": [{"type": "input_audio",
        "input_audio": {"data": payload, "format": "mp3"}}]}]});
    let request = Request::read(&mp3, "gpt-audio", &Bytes).unwrap();
    assert!(request.input < 100, "{}", request.input);
    assert_eq!(request.input_audio, 750_003 / 16 + 1);
}

/// They named calls of Rust, which a gateway's user cannot act on.
#[test]
fn what_is_wrong_with_a_request_is_said_to_whoever_wrote_it() {
    let budget = BudgetManager::builder().build().unwrap();
    for (body, sentence) in [
        ("[]", "the request cannot be read: it is not a JSON object; send one JSON object, whole"),
        (
            r#"{"model": "gpt-5", "#,
            "the request cannot be read: it ends in the middle; send one JSON object, whole",
        ),
        (r#"{"messages": []}"#, "the request names no model; add `model`"),
        (r#"{"model": null, "messages": []}"#, "the request names no model; add `model`"),
        (
            r#"{"model": "gpt-5", "voice": "alloy"}"#,
            "the request holds no input of a known form; give it one of `messages`, `contents`, \
             `input`, `prompt` and `texts`",
        ),
        (
            r#"{"model": "gpt-5", "messages": [], "max_completion_tokens": "many"}"#,
            "`max_completion_tokens` is \"many\", which is not a count; make it a whole number from 0 \
             to 1000000000000",
        ),
        (
            r#"{"model": "gpt-5", "input": "On?", "previous_response_id": "resp_17"}"#,
            "the request does not say how many input tokens `previous_response_id` brings; leave \
             it out, or put what it stands for into the request as text",
        ),
    ] {
        let error = budget.estimate_request(body).unwrap_err().to_string();
        assert_eq!(error, sentence, "{body}");
    }
    // What a search finds is unseen; who has bounded that is told of the searches.
    let body = r#"{"model": "grok-4", "search_parameters": {"mode": "auto"}, "messages": []}"#;
    let request = Request::read(body, "grok-4", &Nothing).unwrap().with_unseen_input(5_000);
    let error = budget.model("gpt-5").unwrap().estimate_of(&request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the request does not say how often the provider may search; set `max_uses` of the search \
         tool (Anthropic) or `max_tool_calls` (OpenAI), such as 5, or leave the search out"
    );
}

/// The model is the one that the body names, in the manager's own book.
#[test]
fn a_budget_bounds_a_request_by_the_model_that_it_names() {
    let budget = BudgetManager::builder().build().unwrap();
    let body = r#"{"model": "gpt-6.1-terra", "max_completion_tokens": 9, "messages": [
        {"role": "user", "content": "How high is it?"}]}"#;
    let estimate = budget.estimate_request(body).unwrap();
    let tree: Value = serde_json::from_str(body).unwrap();
    let at = "2026-11-24T09:00:00Z".parse().unwrap();
    for other in [
        budget.estimate_request(&tree),
        budget.estimate_request(body.as_bytes()),
        budget.model("gpt-6.1-terra").unwrap().estimate_request(body).map_err(Into::into),
    ] {
        let other = other.unwrap();
        assert_eq!(other.model().unwrap().name(), estimate.model().unwrap().name());
        assert_eq!(other.cost_at(at), estimate.cost_at(at));
    }
    let dear = "10".parse().unwrap();
    budget.insert_price(ModelPrice::new("openai", "gpt-6.1-terra", dear, dear)).unwrap();
    assert!(
        budget.estimate_request(body).unwrap().cost_at(at).unwrap() > estimate.cost_at(at).unwrap()
    );

    let unknown = budget.estimate_request(r#"{"model": "owl-2", "messages": []}"#).unwrap_err();
    assert!(matches!(unknown, EstimateError::UnknownModel(_)), "{unknown}");
    let converse = r#"{"modelId": "gpt-5", "messages": [], "inferenceConfig": {"maxTokens": 3}}"#;
    let (model, request) = budget.read_request(converse).unwrap();
    assert_eq!((model.id(), request.max_output), ("gpt-5", Some(3)));
}

#[test]
fn a_request_that_cannot_be_read_says_why() {
    let error = |body: &str| Request::read(body, "gpt-5", &Nothing).unwrap_err().to_string();
    for (body, words) in [
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{\"messages\": [", "ends in the middle"),
        ("{\"model\": \"gpt-5\"}", "no input of a known form"),
        ("{\"messages\": [], \"max_tokens\": \"many\"}", "`max_tokens` is \"many\""),
        ("{\"messages\": [], \"n\": -1}", "`n` is -1"),
        (
            "{\"messages\": [], \"tools\": [{\"type\": \"web_search\", \"max_uses\": 1.5}]}",
            "`tools.max_uses` is 1.5",
        ),
    ] {
        assert!(error(body).contains(words), "{}", error(body));
    }
}

#[test]
fn hostile_nesting_ends() {
    let open = r#"{"type":"tool_result","content":["#;
    let deep = format!(
        r#"{{"messages":[{{"content":[{}{}]}}]}}"#,
        open.repeat(20_000),
        "]}".repeat(20_000)
    );
    let request = Request::read(&deep, "claude-opus-4-8", &Heuristic::new()).unwrap();
    assert!(!request.unseen.is_empty());
    let brackets = format!("{{\"messages\": {}", "[".repeat(1_000_000));
    assert!(Request::read(&brackets, "gpt-5", &Nothing).is_err());
    let many = format!(r#"{{"input": [{}0]}}"#, "{\"type\":\"x\"},".repeat(50_000));
    assert_eq!(read(&many, "gpt-5").unseen.len(), 16);
}

#[cfg(feature = "tiktoken")]
mod exact {
    use super::*;
    use bursar::usage::tokens::Tiktoken;

    #[test]
    fn the_bound_is_not_below_the_exact_count() {
        for (body, _) in SAMPLES {
            for model in ["gpt-4o", "gpt-5", "gpt-6.1-terra"] {
                let bound = Request::read(body, model, &Heuristic::for_model(model)).unwrap();
                let exact = Request::read(body, model, &Tiktoken::O200K_BASE).unwrap();
                assert!(bound.input >= exact.input, "{model}: {body}");
            }
        }
    }

    /// The example of OpenAI's cookbook ("How to count tokens with tiktoken"), for which it gives the
    /// prompt tokens that the API billed.
    #[test]
    fn the_cookbooks_chat_is_counted_as_openai_bills_it() {
        let chat = [
            (
                "system",
                None,
                "You are a helpful, pattern-following assistant that translates \
                corporate jargon into plain English.",
            ),
            ("system", Some("example_user"), "New synergies will help drive top-line growth."),
            (
                "system",
                Some("example_assistant"),
                "Things working well together will increase revenue.",
            ),
            (
                "system",
                Some("example_user"),
                "Let's circle back when we have more bandwidth to \
                touch base on opportunities for increased leverage.",
            ),
            (
                "system",
                Some("example_assistant"),
                "Let's talk later when we're less busy about how to do better.",
            ),
            (
                "user",
                None,
                "This late pivot means we don't have time to boil the ocean for the \
                client deliverable.",
            ),
        ];
        let messages =
            chat.map(|(role, name, text)| json!({"role": role, "name": name, "content": text}));
        let body = json!({"messages": messages});
        for (model, counter, billed) in
            [("gpt-4", Tiktoken::CL100K_BASE, 129), ("gpt-4o", Tiktoken::O200K_BASE, 124)]
        {
            assert_eq!(Request::read(&body, model, &counter).unwrap().input, billed);
            let bound = Request::read(&body, model, &Heuristic::for_model(model)).unwrap().input;
            assert!((billed..200).contains(&bound), "{bound}");
        }
    }

    /// The example of OpenAI's cookbook: GPT-4o bills 101 tokens.
    #[test]
    fn a_chat_with_a_tool_is_not_counted_below_what_openai_bills() {
        let body = json!({"messages": [
            {"role": "system",
                "content": "You are a helpful assistant that can answer to questions about the weather."},
            {"role": "user", "content": "What's the weather like in Pittsburgh today?"}],
            "tools": [{"type": "function", "function": {
                "name": "get_current_weather",
                "description": "Get the current weather in a given location",
                "parameters": {"type": "object", "properties": {
                    "location": {"type": "string",
                        "description": "The city and state, e.g. San Francisco, CA"},
                    "unit": {"type": "string",
                        "description": "The unit of temperature to return",
                        "enum": ["celsius", "fahrenheit"]}},
                    "required": ["location"]}}}]});
        let bound = Request::read(&body, "gpt-4o", &Tiktoken::O200K_BASE).unwrap().input;
        assert!((101..202).contains(&bound), "{bound}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::read(&bytes, "gpt-5", &Heuristic::new());
    }

    #[test]
    fn no_damaged_request_panics(
        sample in prop::sample::select(SAMPLES.to_vec()),
        damage in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6,
        ),
    ) {
        let (body, model) = sample;
        let mut bytes = body.as_bytes().to_vec();
        for (to, from) in damage {
            let byte = bytes[from.index(bytes.len())];
            let to = to.index(bytes.len());
            bytes[to] = byte;
        }
        let _ = Request::read(&bytes, model, &Heuristic::new());
    }

    /// Text and tree are the same request, whatever is cut out of it.
    #[test]
    fn a_tree_is_read_as_its_text(
        sample in prop::sample::select(SAMPLES.to_vec()),
        dropped in any::<prop::sample::Index>(),
    ) {
        let (body, model) = sample;
        let mut tree: Value = serde_json::from_str(body).unwrap();
        let fields = tree.as_object_mut().unwrap();
        let name = dropped.get(&fields.keys().cloned().collect::<Vec<_>>()).clone();
        fields.remove(&name);
        let text = tree.to_string();
        prop_assert_eq!(
            Request::read(&tree, model, &Bytes),
            Request::read(&text, model, &Bytes)
        );
    }
}
