//! Tests of the `replay` example, run as a program.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn replay(arguments: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--example", "replay", "--"]).args(arguments);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = replay(arguments);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let mut object: Value = serde_json::from_str(&out).unwrap();
    object.as_object_mut().unwrap().remove("calls_per_second").unwrap();
    object
}

fn usd(value: &Value) -> bursar::Usd {
    value.as_str().unwrap().parse().unwrap()
}

/// A file of its own for each test, in cargo's directory for such things.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_bundled_trace_stays_inside_its_policy_and_comes_out_the_same() {
    let first = json(&["--json"]);
    assert_eq!(first, json(&["--json"]), "the same result on every run");
    let number = |key: &str| first[key].as_u64().unwrap();
    assert_eq!(number("calls"), 900);
    assert_eq!(number("admitted") + number("denied"), 900);
    assert!(number("denied") > 0, "the budget runs out midway");
    let by: u64 = first["denied_by"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(by, number("denied"), "each refusal has its reason");
    assert!(usd(&first["peak_committed_usd"]) <= bursar::Usd::cents(125));
    assert_eq!(first["alerts"], 3);
    assert!(usd(&first["spent_usd"]) <= usd(&first["peak_committed_usd"]));
    assert_eq!(first["held_usd"], "0");
    let by_limit = first["peak_by_limit"].as_object().unwrap();
    assert_eq!(usd(&by_limit["$1.25 in all"]), usd(&first["peak_committed_usd"]));
    assert!(by_limit["90 requests in any 1min"].as_u64().unwrap() <= 90);
    for limit in first["report"]["limits"].as_array().unwrap() {
        let peak = |key: &str| match (&limit[key]["money"], &limit[key]["count"]) {
            (Value::String(money), _) => money.parse::<bursar::Usd>().unwrap().pico(),
            (_, count) => i128::from(count.as_i64().unwrap()),
        };
        assert!(peak("peak") <= peak("amount"), "{limit}");
    }
}

#[test]
fn a_budget_that_runs_out_midway_refuses_the_rest() {
    let mut trace = String::from("TIMESTAMP,ContextTokens,GeneratedTokens\n");
    for second in 0..600 {
        trace += &format!("2026-11-01 10:{:02}:{:02}.5000000,1000,100\n", second / 60, second % 60);
    }
    let trace = file("midway.csv", &trace);
    let policy =
        file("midway.toml", "[[limit]]\naccount = ''\nspend = '0.50'\nalert_at = [50, 90]\n");
    let base = [&*trace, "--policy", &policy, "--model", "gpt-6.1-terra", "--json"];
    let got = json(&[&base[..], &["--agents", "3", "--max-output", "200"]].concat());
    // Each call costs $0.001 + 100 × $0.000005; what is held for it is more by 100 × $0.000005 and
    // by what a cache write costs.
    let spent = usd(&got["spent_usd"]);
    let admitted = i128::from(got["admitted"].as_i64().unwrap());
    assert_eq!(spent.pico(), admitted * usd(&Value::from("0.0015")).pico());
    assert!((300..=334).contains(&admitted), "{admitted}");
    assert_eq!(got["alerts"], 2);
    assert!(usd(&got["peak_committed_usd"]) <= usd(&Value::from("0.5")));
    let agents = got["report"]["accounts"].as_array().unwrap();
    assert_eq!(
        agents.iter().filter(|a| a["account"].as_str().unwrap().contains("agent-")).count(),
        3
    );
}

#[test]
fn a_row_that_is_none_is_named_by_its_line() {
    let trace = file(
        "bad.csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2026-11-01 10:00:00,10,10\nyesterday,10,10\n\
         2026-11-01 10:00:01,-5,10\n2026-11-01 10:00:01,5\n2026-11-01 10:00:02,10,10\n\
         2026-11-01 10:00:03,18446744073709551615,10\n",
    );
    let output = replay(&[&trace, "--json"]);
    let err = String::from_utf8_lossy(&output.stderr);
    for words in [
        "line 3: TIMESTAMP is `yesterday`",
        "line 4: ContextTokens is `-5`",
        "line 5: 2 fields",
        "line 7: the counts for openai/gpt-6.1-terra cannot be",
    ] {
        assert!(err.contains(words), "{err}");
    }
    let got: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&got["calls"], &got["bad_rows"]), (&Value::from(2), &Value::from(4)));

    let strict = replay(&[&trace, "--strict"]);
    assert!(!strict.status.success());
    assert!(String::from_utf8_lossy(&strict.stderr).contains("line 3"));
}

#[test]
fn a_bad_command_line_is_explained() {
    let unknown_key = file("unknown.toml", "[[limit]]\naccount = ''\nspent = '1'\n");
    for (arguments, words) in [
        (&["--polices", "x"][..], "there is no option --polices"),
        (&["--policy"], "--policy needs a value"),
        (&["--agents", "0"], "--agents is `0`"),
        (&["no such file.csv"], "no such file.csv"),
        (&["--model", "gpt-9"], "gpt-9"),
        (&["--policy", &unknown_key], "unknown field `spent`"),
    ] {
        let output = replay(arguments);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && err.contains(words), "{arguments:?}: {err}");
    }
}
