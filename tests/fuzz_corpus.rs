//! Owns the replay of the fuzz corpus: what a fuzzer has found stays found, on any toolchain.

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
