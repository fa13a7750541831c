//! Owns the measurement of reading usage out of a body against building its tree. Run it with
//! `cargo test --release --test usage_speed -- --ignored --nocapture`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::float_arithmetic)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bursar::{Bill, UsageMeter};
use serde_json::Value;

#[test]
#[ignore = "a measurement, not a check"]
fn usage_is_read_faster_than_a_tree_is_built() {
    for size in [1_500, 1_000_000] {
        for (name, choices) in bodies(size) {
            let body = format!(
                r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1764000000,
                "model":"gpt-5","choices":[{choices}],"usage":{{"prompt_tokens":2006,
                "completion_tokens":812,"total_tokens":2818,"prompt_tokens_details":{{
                "cached_tokens":1920,"audio_tokens":0}},"completion_tokens_details":{{
                "reasoning_tokens":576}}}},"service_tier":"default"}}"#
            );
            let tree = best(|| drop(black_box(serde_json::from_slice::<Value>(body.as_bytes()))));
            let ours = best(|| drop(black_box(Bill::from_response(&body))));
            let ratio = tree.as_secs_f64() / ours.as_secs_f64();
            println!(
                "{:>9} B {name:8} tree {tree:>10.2?}  usage {ours:>10.2?}  {ratio:>6.1}x",
                body.len()
            );
        }
    }
    for (name, unit) in [
        ("escaped quotes", r#""x":"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"","#),
        ("escaped escapes", r#""x":"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\","#),
        ("usage over and over", r#""usage":{"prompt_tokens":1,"completion_tokens":2},"#),
        ("brackets", r#""x":[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]],"#),
    ] {
        let body = format!("{{{}\"y\":0}}", unit.repeat(1_000_000 / unit.len()));
        let ours = best(|| drop(black_box(Bill::from_response(&body))));
        println!("hostile, {name}: {} B in {ours:.2?}", body.len());
    }
    let event = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-5\",\
        \"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"finish_reason\":null}],\
        \"usage\":null}\n\n";
    let stream = event.repeat(1_000);
    let one = best(|| {
        let mut meter = UsageMeter::new();
        for chunk in stream.as_bytes().chunks(1_400) {
            let _ = meter.push(chunk);
        }
        drop(black_box(meter.finish()));
    });
    println!("stream of 1,000 chat events ({} B): {one:.2?}", stream.len());
}

fn bodies(size: usize) -> [(&'static str, String); 5] {
    let message = |text: String| {
        format!(r#"{{"index":0,"message":{{"role":"assistant","content":"{text}"}}}}"#)
    };
    let fill = |unit: &str| unit.repeat(size / unit.len());
    [
        ("prose", message(fill("The quick brown fox jumps over the lazy dog, and then it \\\"rests\\\" for a while under the tree.\\n"))),
        ("code", message(fill(" fn f(a: u8) {\\n\\tprintln!(\\\"x\\\");\\n}\\n"))),
        ("base64", message(fill("QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"))),
        ("vectors", fill("-0.006929283495992422,-0.0215,").trim_end_matches(',').to_owned()),
        ("logprobs", fill("{\"token\":\" the\",\"logprob\":-0.31725305,\"bytes\":[32,116,104,101],\"top_logprobs\":[]},").trim_end_matches(',').to_owned()),
    ]
}

fn best(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..30 {
        let start = Instant::now();
        let mut times = 0;
        while start.elapsed() < Duration::from_millis(4) {
            work();
            times += 1;
        }
        best = best.min(start.elapsed() / times);
    }
    best
}
