//! Tests of the examples `plan` and `save`, run as programs.

use std::process::{Command, Output};

use bursar::{Policy, Usd};
use serde_json::Value;

fn example(name: &str, arguments: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--example", name, "--"]).args(arguments);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn printed(name: &str, arguments: &[&str]) -> String {
    let output = example(name, arguments);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 90), "{text}");
    text
}

#[test]
fn the_plan_example_prints_a_table_or_a_policy_that_reads_back() {
    let kind = ["--agents", "research", "--count", "5", "--tasks", "100", "--tokens", "800/200"];
    let base = [&kind[..], &["--model", "gpt-6.1-terra", "--at", "2026-11-24T00:00:00Z"]].concat();
    let table = printed("plan", &base);
    // 500 × (800 × $1 + 200 × $5) ÷ 1,000,000 = $0.90; ×3; ×30; ×3.
    let words = "research                   5        $0.90        $2.70       $81.00      $243.00";
    assert!(table.contains(words), "{table}");
    let text = printed("plan", &[&base[..], &["--policy", "--margin", "1.5"]].concat());
    let policy = Policy::from_toml(&text).unwrap();
    let limits: Vec<String> = policy.limits().map(|(to, limit)| format!("{to}: {limit}")).collect();
    assert_eq!(
        limits,
        [
            ": $121.50 per month",
            "research: $121.50 per month",
            "research: $4.05 per day",
            "research/*: $0.81 per day"
        ]
    );
    assert!(printed("plan", &[]).contains("review/*"), "a plan to look at");
}

#[test]
fn a_bad_command_line_of_the_plan_is_explained() {
    for (arguments, words) in [
        (&["--agent", "x"][..], "--agent stands before an --agents"),
        (&["--agents", "a", "--modell", "x"], "there is no option --modell"),
        (&["--agents", "a", "--model", "gpt-9"], "gpt-9"),
        (&["--agents", "a", "--count", "0"], "`a` cannot be made: there is nobody"),
        (&["--agents", "a", "--prompt-hits", "101"], "takes percent"),
        (&["--agents"], "--agents needs a value"),
        (&["--overhead", "many"], "is not a factor"),
    ] {
        let output = example("plan", arguments);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && err.contains(words), "{arguments:?}: {err}");
    }
}

#[test]
fn the_save_example_saves_and_its_books_balance() {
    let rows: Vec<Value> = serde_json::from_str(&json_of("save")).unwrap();
    let usd = |row: &Value, key: &str| row[key].as_str().unwrap().parse::<Usd>().unwrap();
    let count = |row: &Value, key: &str| row[key].as_u64().unwrap();
    let spent: Vec<Usd> = rows.iter().map(|row| usd(row, "spent_usd")).collect();
    for row in &rows {
        assert_eq!(count(row, "calls") + count(row, "hits"), 500, "{row}");
    }
    let (plain, cache, select, both) = (spent[0], spent[1], spent[2], spent[3]);
    assert!(both < cache && cache < plain && both < select && select < plain, "{spent:?}");
    let without = cache.checked_add(usd(&rows[1], "saved_by_cache_usd"));
    assert_eq!(without, Some(plain), "what a cache says it saved, it has saved");
    let without = both.checked_add(usd(&rows[3], "saved_by_cache_usd"));
    assert_eq!(without, Some(select));
    assert!(both.pico() * 2 < plain.pico(), "less than half");
    assert!(printed("save", &[]).contains("with both"));
}

fn json_of(name: &str) -> String {
    let output = example(name, &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
