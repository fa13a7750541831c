//! Tests of the `price` example, run as a program: a log is repriced line by line.

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str], lines: &str) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--example", "price", "--"]).args(arguments);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::piped());
    let mut child = cargo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A run that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    child.wait_with_output().unwrap()
}

fn answers(output: &Output) -> Vec<serde_json::Value> {
    assert!(output.status.success());
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn price(lines: &str, flags: &[&str]) -> Vec<serde_json::Value> {
    answers(&run(flags, lines))
}

#[test]
fn a_key_that_is_not_known_is_told_of_once() {
    let line = r#"{"id":1,"model":"gpt-6.1-terra","servise":"batch","usage":{"output":1}}"#;
    let output = run(&[], &format!("{line}\n{line}\n"));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(said.matches("`servise` is not known").count(), 1, "{said}");
    assert_eq!(answers(&output).len(), 2);
}

#[test]
fn each_line_has_its_cost_or_its_error() {
    let log = r#"{"id":1,"provider":"openai","model":"gpt-6.1-terra","at":"2026-11-20T10:00:00Z","service":"standard","usage":{"input_uncached":86,"cache_read":1920,"output":236}}
{"id":"two","model":"gpt-6.1-terra","at":"2026-11-20","service":"batch","usage":{"input_uncached":300000}}
{"id":3,"model":"gpt-9","usage":{"output":1}}
not json
{"id":5,"model":"gpt-6.1-terra","service":"fast","usage":{"output":1}}
{"id":6,"model":"gpt-6.1-terra","usage":{"tokens":1}}
{"id":7,"provider":"deepseek","model":"deepseek-flash","at":"2026-11-20T02:00:00Z","usage":{"output":1000000}}
{"id":8,"provider":"deepseek","model":"deepseek-flash","at":"2026-11-21T02:00:00Z","usage":{"output":1000000}}
"#;
    let answers = price(log, &[]);
    assert_eq!(answers.len(), 8);
    let cost = |place: usize| answers[place]["cost_usd"].as_str();
    assert_eq!((&answers[0]["id"], cost(0)), (&1.into(), Some("0.001362")));
    assert_eq!((&answers[1]["id"], cost(1)), (&"two".into(), Some("0.3")), "a long batch call");
    for (place, words) in [(2, "gpt-9"), (3, ""), (4, "fast"), (5, "tokens")] {
        let error = answers[place]["error"].as_str().unwrap();
        assert!(error.contains(words), "{error}");
        assert_eq!(cost(place), None);
    }
    assert_eq!((cost(6), cost(7)), (Some("1.2"), Some("0.6")), "peak on Friday, not on Saturday");
}

#[test]
fn a_price_list_of_ones_own_goes_over_the_built_in_one() {
    let log = r#"{"id":1,"model":"gpt-5","at":"2026-11-20","usage":{"input_uncached":1000000}}
{"id":2,"model":"acme/owl-2","at":"2026-11-20","usage":{"input_uncached":1000000}}
{"id":3,"model":"hoot-1","at":"2026-11-20","usage":{"input_uncached":1000000}}
{"id":4,"model":"gpt-6.1-terra","at":"2026-11-20","usage":{"output":1000000}}
"#;
    let lists = ["litellm.json", "genai.json", "own.toml"];
    let lists: Vec<String> =
        lists.iter().map(|list| format!("../tests/data/prices/{list}")).collect();
    let arguments: Vec<&str> = lists.iter().flat_map(|list| ["--prices", list]).collect();
    let output = run(&arguments, log);
    let costs = answers(&output);
    let cost = |place: usize| costs[place]["cost_usd"].as_str();
    assert_eq!([cost(0), cost(1), cost(2), cost(3)], [Some("2"), Some("3"), Some("4"), Some("5")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("litellm.json: ") && said.contains(" refused"), "{said}");
    assert!(said.contains("such as `acme/empty`: there is no price"), "{said}");

    for (arguments, words) in [
        (&["--prices"][..], "needs a file"),
        (&["--prices", "../tests/data/prices/none.json"], "none.json"),
        (&["--prices", "README.md"], "README.md"),
        (&["--list"], "`--list` is not known"),
    ] {
        let refused = run(arguments, log);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains(words), "{arguments:?}: {said}");
    }
}

const RESPONSES: &str = r#"{"id":1,"at":"2026-11-20","response":{"model":"gpt-6.1-terra","choices":[],"usage":{"prompt_tokens":2006,"prompt_tokens_details":{"cached_tokens":1920},"completion_tokens":236,"total_tokens":2242}}}
{"id":2,"at":"2026-11-20","response":"{\"model\":\"gpt-6.1-terra\",\"usage\":{\"prompt_tokens\":86,\"completion_tokens\":236,\"total_tokens\":322}}"}
{"id":3,"at":"2026-11-20","response":"data: {\"model\":\"gpt-6.1-terra\",\"choices\":[{\"delta\":{\"content\":\"Yes\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":86,\"completion_tokens\":236,\"total_tokens\":322}}\n\ndata: [DONE]\n\n"}
{"id":4,"response":{"model":"nobody/knows","usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12,"cost":0.00014135999999999998}}}
{"id":5,"response":{"model":"gpt-6.1-terra","choices":[]}}
{"id":6,"response":{"model":"gpt-9","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}}
{"id":7,"provider":"openai","model":"gpt-6.1-terra","at":"2026-11-20","response":{"usage":{"prompt_tokens":86,"completion_tokens":236,"total_tokens":322}}}
{"id":8,"model":"gpt-6.1-terra","response":"data: {\"choices\":[{\"delta\":{\"content\":\"Cut off\"}}]}\n\n"}
{"id":9,"model":"gpt-6.1-terra"}
{"id":10,"model":"gpt-6.1-terra","at":"2026-11-20","response":{"model":"our-deployment","service_tier":"flex","usage":{"prompt_tokens":0,"completion_tokens":236,"total_tokens":236}}}
"#;

#[test]
fn a_response_is_answered_by_its_usage_and_cost() {
    let answers = price(RESPONSES, &[]);
    assert_eq!(answers.len(), 10);
    assert_eq!(answers[0]["model"], "gpt-6.1-terra");
    let usage = &answers[0]["usage"];
    assert_eq!((&usage["input_uncached"], &usage["cache_read"]), (&86.into(), &1_920.into()));
    let fields = |place: usize| {
        let field = |name: &str| answers[place][name].as_str().unwrap_or_default();
        (field("cost_usd"), field("confidence"))
    };
    assert_eq!(fields(0), ("0.001362", "exact"));
    assert_eq!(fields(1), ("0.001266", "exact"), "the text of JSON");
    assert_eq!(fields(2), ("0.001266", "exact"), "the text of a stream");
    assert_eq!(fields(3), ("0.00014136", "reported"), "no model needs to be known for it");
    assert_eq!(fields(6), ("0.001266", "exact"), "the model of the line");
    assert_eq!(answers[6]["model"], "gpt-6.1-terra");
    assert_eq!(fields(7).1, "estimated", "a stream that was cut");
    assert_eq!(
        fields(9),
        ("0.00059", "estimated"),
        "the model of the line, the tier of the answer"
    );
    assert_eq!(answers[9]["model"], "our-deployment");
    for (place, words) in [(4, "nothing of usage"), (5, "gpt-9"), (8, "`usage` or `response`")] {
        let error = answers[place]["error"].as_str().unwrap();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn usage_only_needs_no_price() {
    let answers = price(RESPONSES, &["--usage-only"]);
    assert_eq!(
        (&answers[5]["model"], &answers[5]["usage"]["output"]),
        (&"gpt-9".into(), &1.into())
    );
    assert_eq!(answers[5]["confidence"], "exact");
    assert!(answers.iter().all(|answer| answer.get("cost_usd").is_none()));
    assert!(answers[4]["error"].is_string(), "no usage stays an error");
}

/// An embedding is bounded by its request, and costs its input: there is no output to ask for.
#[test]
fn an_embedding_is_held_and_booked_by_its_input() {
    let budget = bursar::BudgetManager::builder().build().unwrap();
    let openai = r#"{"object": "list", "data": [{"object": "embedding", "index": 0, "embedding":
        [0.5, -0.25]}], "model": "MODEL", "usage": {"prompt_tokens": 9, "total_tokens": 9}}"#;
    let voyage =
        r#"{"object": "list", "data": [], "model": "MODEL", "usage": {"total_tokens": 9}}"#;
    for (model, answer, cost) in [
        ("text-embedding-3-small", openai, "0.00000018"),
        ("text-embedding-3-large", openai, "0.00000117"),
        ("mistral-embed", openai, "0.0000009"),
        ("voyage-3.5", voyage, "0.00000054"),
    ] {
        for input in [r#""How high is it?""#, r#"["How high is it?", "And how cold?"]"#] {
            let body = format!(r#"{{"model": "{model}", "input": {input}}}"#);
            let estimate = budget.estimate_request(&body).unwrap();
            let hold = budget.reserve("index", &estimate).unwrap();
            assert_eq!(hold.max_output_tokens(), 0, "{body}");
            let bill = bursar::Bill::from_response(&answer.replace("MODEL", model)).unwrap();
            let receipt = hold.settle(bill.unwrap());
            assert_eq!(receipt.cost, cost.parse().unwrap(), "{body}");
            assert_eq!(receipt.confidence, bursar::Confidence::Exact);
            assert!(receipt.cost <= receipt.held, "{body}: {}", receipt.held);
        }
    }
}
