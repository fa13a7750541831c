//! Owns the test of the `price` example from outside: a log is repriced line by line.

use std::io::Write;
use std::process::{Command, Stdio};

fn price(lines: &str) -> Vec<serde_json::Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--example", "price"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut child = cargo.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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
    let answers = price(log);
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
