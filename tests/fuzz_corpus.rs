//! The replay of the fuzz corpus: what a fuzzer has found stays found, on any toolchain.

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
mod targets;

#[track_caller]
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        println!("{}", path.display()); // shown if it fails
        run(&bytes);
        files += 1;
    }
    assert!(files > 0, "{} is empty", folder.display());
}

#[test]
fn answers() {
    replay("answers", targets::answers::run);
}

#[test]
fn bodies() {
    replay("bodies", targets::bodies::run);
}

#[test]
fn streams() {
    replay("streams", targets::streams::run);
}

#[test]
fn requests() {
    replay("requests", targets::requests::run);
}

#[test]
fn prices() {
    replay("prices", targets::prices::run);
}

#[test]
fn policies() {
    replay("policies", targets::policies::run);
}

#[test]
fn ledger() {
    replay("ledger", targets::ledger::run);
}

#[test]
fn context() {
    replay("context", targets::context::run);
}

#[cfg(feature = "sqlite")]
#[test]
fn journal() {
    replay("journal", targets::journal::run);
}

#[test]
fn the_corpus_stays_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folders = fs::read_dir(root).unwrap().flat_map(|folder| {
        let files = fs::read_dir(folder.unwrap().path()).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len())
    });
    let bytes: u64 = folders.sum();
    assert!(bytes < 100_000, "the corpus has {bytes} bytes; drop files that add little");
}

/// The bytes of a seed: enough for any scene.
fn bytes_of(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..96).map(|_| byte()).collect()
}

#[test]
fn two_readers_agree_on_every_form_of_answer() {
    for seed in 0..4_000 {
        println!("seed {seed}"); // shown if it fails
        targets::answers::run(&bytes_of(seed));
    }
}

/// The second reader is only worth something if it keeps the rules itself.
#[test]
fn the_second_reader_keeps_the_rules() {
    use targets::answers::reader::{Stated, Sure, read};
    let chat = |usage: &str| {
        read(&format!(
            r#"{{"model": "m", "choices": [{{"message": {{"content": "Yes."}}}}], "usage": {usage}}}"#
        ))
    };
    let known = |usage: &str| {
        let reading = chat(usage);
        (reading.exact, reading.input, reading.output)
    };
    // Whole sides: an input cannot be nothing where something was written, nor an output where text is.
    assert_eq!(
        known(r#"{"prompt_tokens": 9, "completion_tokens": 4}"#),
        (Sure::Yes, Some(9), Some(4))
    );
    assert_eq!(known(r#"{"prompt_tokens": 0, "completion_tokens": 4}"#), (Sure::No, None, Some(4)));
    assert_eq!(known(r#"{"prompt_tokens": 9, "completion_tokens": 0}"#), (Sure::No, Some(9), None));
    assert_eq!(known(r#"{"total_tokens": 9}"#), (Sure::No, None, None));
    // The total decides what is inside of what, and bounds what fits nowhere.
    let usage = |total: u64| {
        chat(&format!(
            r#"{{"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": {total},
                "completion_tokens_details": {{"reasoning_tokens": 3}}}}"#
        ))
    };
    assert_eq!(usage(13).usage.map(|usage| usage["output"]), Some(1));
    assert_eq!(usage(16).usage.map(|usage| usage["output"]), Some(4));
    assert_eq!((usage(15).exact, usage(15).at_most), (Sure::No, Some(15)));
    // A detail above its whole leaves the whole.
    let detail = r#"{"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cost": "0.25",
        "prompt_tokens_details": {"cached_tokens": 10}}"#;
    assert_eq!(known(detail), (Sure::No, Some(9), Some(4)));
    assert_eq!(chat(detail).cost, Stated::Pico(250_000_000_000));
    // A key of the user's own: both costs, or none.
    let byok = |upstream: &str| {
        chat(&format!(
            r#"{{"prompt_tokens": 9, "completion_tokens": 4, "cost": 0.001, "is_byok": true,
                "cost_details": {{"upstream_inference_cost": {upstream}}}}}"#
        ))
    };
    assert_eq!(byok("0.02").cost, Stated::Pico(21_000_000_000));
    assert_eq!(byok("null").cost, Stated::Nothing);
    // Frames: fields are merged, zeros replace nothing, one id is one answer, others are summed.
    let stream = |frames: &[&str]| {
        let reading =
            read(&frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>());
        (reading.exact, reading.input, reading.output)
    };
    let answer = |id: &str| {
        format!(
            r#"{{"type": "response.done", "response": {{{id} "usage": {{"total_tokens": 13,
                "input_tokens": 9, "output_tokens": 4}}}}}}"#
        )
        .replace('\n', " ")
    };
    let (one, two) = (answer(r#""id": "a","#), answer(r#""id": "b","#));
    assert_eq!(stream(&[&one, &two, &one]), (Sure::Yes, Some(18), Some(8)));
    assert_eq!(stream(&[&answer(""), &answer("")]), (Sure::Yes, Some(18), Some(8)));
    let start = r#"{"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}"#;
    let delta = r#"{"type": "message_delta", "usage": {"input_tokens": 0, "output_tokens": 4}}"#;
    assert_eq!(stream(&[start, delta]), (Sure::Yes, Some(9), Some(4)));
    assert_eq!(stream(&[start]).0, Sure::Free);
    // An answer with a text and without counts is not free, with an id or without.
    for answer in [
        r#"{"object": "chat.completion", "choices": [{"message": {"content": "a"}}], "usage": U}"#,
        r#"{"object": "response", "output": [{"content": [{"text": "a"}]}], "usage": U}"#,
        r#"{"type": "message", "content": [{"text": "a"}], "usage": U}"#,
    ] {
        let silent = answer.replace('U', r#"{"input_tokens": null}"#);
        let counted = answer.replace('U', r#"{"input_tokens": 9, "output_tokens": 4}"#);
        assert_eq!(stream(&[&silent, &counted]).0, Sure::No, "{answer}");
        assert_eq!(stream(&[&counted, &silent]).0, Sure::No, "{answer}");
        assert_eq!(stream(&[&counted, &counted]), (Sure::Yes, Some(18), Some(8)), "{answer}");
    }
}

/// How many answers of each kind the two readers differ on, with the first of each kind:
/// `SECONDS=60 cargo test --test fuzz_corpus survey -- --ignored --nocapture`.
#[test]
#[ignore = "it is a tool, to see what a change of the readers does"]
fn survey_of_the_answers() {
    let seconds = std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let start = std::time::Instant::now();
    let mut kinds = std::collections::BTreeMap::<&str, (u64, u64, String)>::new();
    let mut seed = 0;
    while start.elapsed().as_secs() < seconds {
        let read = std::panic::catch_unwind(|| targets::answers::check(&bytes_of(seed)));
        let finding = match read {
            Ok(Ok(())) => None,
            Ok(Err(finding)) => Some((finding.kind, finding.story)),
            Err(_) => Some(("a panic", String::new())),
        };
        if let Some((kind, story)) = finding {
            kinds.entry(kind).or_insert((seed, 0, story)).1 += 1;
        }
        seed += 1;
    }
    for (kind, (first, count, story)) in &kinds {
        println!("=== {kind}: {count}, the first with seed {first}\n{story}");
    }
    println!(
        "{seed} answers in {seconds} s: {} differ",
        kinds.values().map(|kind| kind.1).sum::<u64>()
    );
}
