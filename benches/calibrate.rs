//! Calibrates `bursar::usage::tokens::Heuristic`: measures the errors that its documentation lists, and
//! writes `src/usage/tokens/weights.txt`. It needs a folder of texts with a folder in it for each kind,
//! which `python3 benches/tokens_corpus.py /tmp/corpus` gathers, and does nothing without one:
//!
//! ```text
//! BURSAR_CORPUS=/tmp/corpus cargo bench -p bursar-benches --features tiktoken --bench calibrate -- measure
//! BURSAR_CORPUS=/tmp/corpus cargo bench -p bursar-benches --features tiktoken --bench calibrate -- weights
//! ```
//!
//! Weights are counted on every second document, errors measured on the others. Calibrate three times:
//! the strangeness of a text is measured in the weights of the last time.
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bursar::usage::tokens::{Heuristic, TokenCounter};

use scan::{
    AFTER_PUNCTUATION, CAPITALS, DIGIT, FIRST_LETTER, Feature, PUNCTUATION, SCRIPT, SHAPES, SIGN,
    SPACE, SPACE_RUN, Scan, TABLE_LEN,
};

#[allow(dead_code)]
#[path = "../src/usage/tokens/scan.rs"]
mod scan;
#[path = "../src/usage/tokens/weights.rs"]
mod weights;

fn main() {
    if std::env::var_os("BURSAR_CORPUS").is_none() {
        return println!("BURSAR_CORPUS names no folder of texts; nothing to measure");
    }
    match std::env::args().find(|word| word == "weights") {
        Some(_) => calibrate(),
        None => measure(),
    }
}

struct Document {
    kind: String,
    text: String,
}

fn measure() {
    let name = std::env::var("BURSAR_ENCODING").unwrap_or("o200k_base".into());
    let vocabulary = ::tiktoken::get_encoding(&name).expect("an encoding of the features chosen");
    let counter =
        std::env::var("BURSAR_MODEL").map_or(Heuristic::new(), |m| Heuristic::for_model(&m));
    let mut kinds: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for document in documents(1) {
        for text in samples(&document.text) {
            let sample = Sample {
                truth: vocabulary.count(text) as f64,
                count: counter.count(text) as f64,
                bound: counter.upper_bound(text) as f64,
                quarter: text.len() as f64 / 4.0,
            };
            kinds.entry(document.kind.clone()).or_default().push(sample);
        }
    }
    println!("                samples  bias  mean   p95   p99  over excess   len/4: mean   p99");
    for (kind, samples) in &kinds {
        println!("{}", row(kind, samples));
    }
    let all: Vec<Sample> = kinds.into_values().flatten().collect();
    println!("{}", row("all", &all));
}

#[derive(Clone, Copy)]
struct Sample {
    truth: f64,
    count: f64,
    bound: f64,
    quarter: f64,
}

fn row(kind: &str, samples: &[Sample]) -> String {
    let number = samples.len() as f64;
    let mean = |estimate: fn(&Sample) -> f64| {
        let error = |s: &Sample| (estimate(s) - s.truth).abs() / s.truth;
        100.0 * samples.iter().map(error).sum::<f64>() / number
    };
    let undershoot = |estimate: fn(&Sample) -> f64, permille: usize| {
        let mut below: Vec<f64> = samples.iter().map(|s| s.truth / estimate(s) - 1.0).collect();
        below.sort_by(f64::total_cmp);
        100.0 * below[below.len() * permille / 1000]
    };
    let over = 100.0 * samples.iter().filter(|s| s.truth > s.bound).count() as f64 / number;
    let truth: f64 = samples.iter().map(|s| s.truth).sum();
    let bias = 100.0 * (samples.iter().map(|s| s.count).sum::<f64>() / truth - 1.0);
    let excess = 100.0 * (samples.iter().map(|s| s.bound).sum::<f64>() / truth - 1.0);
    format!(
        "{kind:15} {:7} {bias:5.1} {:5.1} {:5.1} {:5.1} {over:5.2} {excess:6.1}         {:5.1} {:5.1}",
        samples.len(),
        mean(|s| s.count),
        undershoot(|s| s.count, 950),
        undershoot(|s| s.count, 990),
        mean(|s| s.quarter),
        undershoot(|s| s.quarter, 990),
    )
}

/// Cuts a document into pieces of 200, 400, … 6,400 bytes, in a fixed shuffled order.
fn samples(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest, mut seed) = (Vec::new(), text, text.len() as u64);
    while rest.len() >= 200 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wanted = (200_usize << ((seed >> 40) % 6)).min(rest.len());
        let end = (wanted..=rest.len()).find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn calibrate() {
    let tally = StreamUsage::of(&documents(0));
    let (pairs, shapes) = tally.fit();
    let largest = pairs.iter().flatten().copied().fold(0.0, f64::max).min(1.2);
    let unit = 255.0 / largest;
    let pair = |weight: f64| (weight * unit).round().clamp(1.0, 255.0) as u64;
    let shape = |factor: f64| (factor * 65_536.0 / unit).round().min(65_535.0) as u64;
    let table: Vec<u64> = tally.table.iter().map(|cell| cell.share()).collect();

    let mut out = String::from(
        "# The numbers that scan.rs looks up, written by benches/calibrate.rs (it has the command).\n\
         # A token begins at the second letter of a pair: rows a to z and accented, columns the same.\n",
    );
    pairs.iter().for_each(|row| line(&mut out, row.iter().map(|&weight| pair(weight))));
    out += "# A letter by its place in the word: a row for each (glued, capital, strangeness).\n";
    shapes.chunks(9).for_each(|row| line(&mut out, row.iter().map(|&factor| shape(factor))));
    out += "# Everything else, in 1/256 tokens.\n";
    for (name, start, end, columns) in PARTS {
        writeln!(out, "# {name}").expect("a string");
        table[start..end].chunks(columns).for_each(|row| line(&mut out, row.iter().copied()));
    }
    let (start, levels) = tally.levels();
    out += "# The strangeness of English, and where the levels of strangeness begin.\n";
    line(&mut out, [u64::from(start)]);
    line(&mut out, levels.map(u64::from));
    fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../src/usage/tokens/weights.txt"), out)
        .expect("the source is writable");
}

/// The parts of the flat table: name, start, end, columns.
const PARTS: [(&str, usize, usize, usize); 9] = [
    ("first letter of a word", FIRST_LETTER, AFTER_PUNCTUATION, 2),
    ("first letter after punctuation", AFTER_PUNCTUATION, CAPITALS, 3),
    ("capitals inside a word", CAPITALS, DIGIT, 15),
    ("digits", DIGIT, SPACE, 28),
    ("white space", SPACE, SPACE_RUN, 25),
    ("runs of white space", SPACE_RUN, PUNCTUATION, 8),
    ("punctuation", PUNCTUATION, SCRIPT, 10),
    ("letters of other scripts", SCRIPT, SIGN, 10),
    ("signs", SIGN, TABLE_LEN, 4),
];

fn line(out: &mut String, numbers: impl IntoIterator<Item = u64>) {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    writeln!(out, "{}", numbers.join(" ")).expect("a string");
}

/// How many tokens began in a place, and how many characters stood there.
#[derive(Clone, Copy, Default)]
struct Cell {
    starts: f64,
    seen: f64,
}

impl Cell {
    fn add(&mut self, starts: f64, weight: f64) {
        self.starts += weight * starts;
        self.seen += weight;
    }

    fn share(self) -> u64 {
        if self.seen < 5.0 { 256 } else { (256.0 * self.starts / self.seen).round() as u64 }
    }
}

/// The last of several spaces belongs to the word behind it, which the walk cannot know when it
/// stands there: the token is counted at the word.
fn shift_to_words(text: &[u8], starts: &mut [u8]) {
    for at in 2..text.len() {
        let behind_spaces = text[at - 2..at] == *b"  " && !text[at].is_ascii_whitespace();
        if behind_spaces && starts[at] == 0 && starts[at - 1] == 1 {
            starts.swap(at, at - 1);
        }
    }
}

struct StreamUsage {
    table: Vec<Cell>,
    letters: BTreeMap<(usize, usize, usize), Cell>,
    /// (strangeness, English).
    strangeness: Vec<(u32, bool)>,
}

impl StreamUsage {
    fn of(documents: &[Document]) -> StreamUsage {
        let vocabulary = ::tiktoken::get_encoding("o200k_base").expect("the feature is on");
        let mut tally = StreamUsage {
            table: vec![Cell::default(); TABLE_LEN],
            letters: BTreeMap::new(),
            strangeness: Vec::new(),
        };
        for document in documents {
            let mut starts = vec![0_u8; document.text.len() + 1];
            let mut at = 0;
            for token in vocabulary.encode(&document.text) {
                starts[at] = 1;
                at += vocabulary.decode(&[token]).len();
            }
            shift_to_words(document.text.as_bytes(), &mut starts);
            tally.add(document, &starts);
        }
        tally
    }

    fn add(&mut self, document: &Document, starts: &[u8]) {
        let weight = importance(&document.kind);
        let mut scan = Scan::new();
        for (at, character) in document.text.char_indices() {
            let bytes = &starts[at..at + character.len_utf8()];
            let begun = f64::from(bytes.iter().sum::<u8>());
            match scan.step(character).feature {
                Feature::Other(index) => self.table[index].add(begun, weight),
                Feature::Letter { shape, from, to } => {
                    self.letters.entry((shape, from, to)).or_default().add(begun, weight);
                    self.strangeness.push((scan.strangeness, document.kind == "english"));
                }
            }
        }
    }

    /// Splits the shares of letters into a factor for the pair and one for the place, by iterative
    /// proportional fitting.
    fn fit(&self) -> ([[f64; 27]; 27], Vec<f64>) {
        let mut pairs = [[0.1; 27]; 27];
        let mut shapes = vec![1.0; SHAPES];
        for _ in 0..200 {
            let mut cells = [[Cell { starts: 1.0, seen: 10.0 }; 27]; 27];
            for (&(shape, from, to), cell) in &self.letters {
                cells[from][to].starts += cell.starts;
                cells[from][to].seen += cell.seen * shapes[shape];
            }
            for (row, cells) in pairs.iter_mut().zip(&cells) {
                for (pair, cell) in row.iter_mut().zip(cells) {
                    *pair = cell.starts / cell.seen;
                }
            }
            let mut cells = vec![Cell { starts: 1e-3, seen: 1e-3 }; SHAPES];
            for (&(shape, from, to), cell) in &self.letters {
                cells[shape].starts += cell.starts;
                cells[shape].seen += cell.seen * pairs[from][to];
            }
            shapes = cells.iter().map(|cell| cell.starts / cell.seen).collect();
        }
        (pairs, shapes)
    }

    /// The median strangeness of English, and where levels begin: there, at the median of all other
    /// texts, and at their 80th percentile.
    fn levels(&self) -> (u32, [u32; 5]) {
        let sorted = |english: bool| {
            let of_kind = self.strangeness.iter().filter(|(_, e)| *e == english);
            let mut values: Vec<u32> = of_kind.map(|&(value, _)| value).collect();
            values.sort_unstable();
            values
        };
        let (english, others) = (sorted(true), sorted(false));
        let median = english[english.len() / 2];
        let other = |percent: usize| others[others.len() * percent / 100];
        (median, [median, other(40), other(60), other(75), other(90)])
    }
}

/// How much a kind weighs in the calibration.
fn importance(kind: &str) -> f64 {
    match kind {
        "english" => 4.0,
        "french" | "spanish" => 0.6,
        "german" | "polish" | "turkish" => 0.8,
        "rust" | "python" | "json" | "javascript" | "markdown" => 1.0,
        "chinese" => 1.0,
        "chinese_tw" => 0.4,
        "random" => 0.3,
        _ => 0.5,
    }
}

/// Every second document of each kind, from the first (0) or the second (1) on.
fn documents(from: usize) -> Vec<Document> {
    let root = std::env::var_os("BURSAR_CORPUS").expect("BURSAR_CORPUS names a folder");
    let list = |folder: PathBuf| {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable"));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let mut documents = Vec::new();
    for folder in list(root.into()) {
        let kind = folder.file_name().expect("a name").to_string_lossy().into_owned();
        for path in list(folder).into_iter().skip(from).step_by(2) {
            let text = fs::read_to_string(path).expect("UTF-8");
            documents.push(Document { kind: kind.clone(), text });
        }
    }
    documents
}
