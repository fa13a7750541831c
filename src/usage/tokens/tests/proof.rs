//! Tests that [`Bound`] is never below the count of `o200k_base` and `cl100k_base`, and the test that
//! writes what it looks up:
//!
//! ```text
//! cargo test --release --features tiktoken --lib write_known -- --ignored
//! ```
#![allow(clippy::expect_used, clippy::float_arithmetic, clippy::print_stdout)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use ::tiktoken::CoreBpe;

use super::super::bound::{Bound, WHOLE};
use super::super::known::{self, Known, LONGEST};
use super::super::{Heuristic, TokenCounter};

fn vocabularies() -> [(&'static str, &'static CoreBpe); 2] {
    ["cl100k_base", "o200k_base"]
        .map(|name| (name, ::tiktoken::get_encoding(name).expect("the feature is on")))
}

/// All tokens, in the order in which they were learnt: the common ones first.
fn tokens(vocabulary: &CoreBpe) -> Vec<Vec<u8>> {
    let number = u32::try_from(vocabulary.vocab_size()).expect("a small number");
    (0..number).map(|token| vocabulary.decode(&[token])).collect()
}

/// How many of the first tokens of `cl100k_base` are considered. Half of them are in both.
const LEARNT_FIRST: usize = 50_000;

#[test]
#[ignore = "writes known.txt, and prints the table of two-byte letters"]
fn write_known() {
    let [(_, cl100k), (_, o200k)] = vocabularies();
    let others: HashSet<Vec<u8>> = tokens(o200k).into_iter().collect();
    let both = tokens(cl100k).into_iter().enumerate().filter(|(rank, token)| {
        // The shortest are what a bound of unknown words rests on.
        (*rank < LEARNT_FIRST || token.len() <= 3) && others.contains(token)
    });
    let listed: BTreeSet<Vec<u8>> = both
        .map(|(_, token)| token)
        .filter(|token| (2..=LONGEST).contains(&token.len()) && token.is_ascii())
        .filter(|token| !token.ends_with(b" ")) // the walk counts spaces by their number
        .collect();
    let (mut out, mut last) = (String::new(), Vec::new());
    // A one-letter word is a token too, and may be safe.
    let letters = (b'A'..=b'Z').chain(b'a'..=b'z').map(|letter| vec![letter]);
    let all: BTreeSet<Vec<u8>> = listed.into_iter().chain(letters).collect();
    for token in all {
        let shared = token.iter().zip(&last).take_while(|(a, b)| a == b).count();
        let is_word = token.iter().all(u8::is_ascii_alphabetic);
        let first = if is_word && is_safe(&token) { b'A' } else { b'a' };
        out.push(char::from(first + u8::try_from(shared).expect("at most 16")));
        for &byte in &token[shared..] {
            match byte {
                b'\n' => out.push_str("\\n"),
                b'\r' => out.push_str("\\r"),
                b'\t' => out.push_str("\\t"),
                b'\\' => out.push_str("\\\\"),
                _ => out.push(char::from(byte)),
            }
        }
        out.push('\n');
        last = token;
    }
    fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/usage/tokens/known.txt"), out)
        .expect("the source is writable");
    println!("{:#018x?}", whole());
}

/// The rule of [`Known::is_safe`], asked of both vocabularies.
fn is_safe(word: &[u8]) -> bool {
    let word = std::str::from_utf8(word).expect("ASCII");
    vocabularies().iter().all(|(_, vocabulary)| {
        let before = (1_u8..0x7f).filter(|byte| !byte.is_ascii_alphanumeric());
        let mut before = before.filter(|byte| !matches!(byte, b'\n' | b'\r')).map(char::from);
        let mut behind = ["s", "t", "re", "ve", "m", "ll", "d"].iter();
        vocabulary.count(word) == 1
            && before.all(|mark| vocabulary.count(&format!("{mark}{word}")) <= 2)
            && behind.all(|end| {
                let cost = vocabulary.count(&format!(" {word}"));
                vocabulary.count(&format!("{word}'{end}")) <= 2
                    && vocabulary.count(&format!(" {word}'{end}")) <= cost + 1
            })
    })
}

/// The characters of two bytes of which the fourth fact of [`Bound`] holds.
fn whole() -> [u64; 32] {
    let sets = vocabularies().map(|(_, vocabulary)| tokens(vocabulary));
    let is_middle = |byte: u8| byte & 0xc0 == 0x80;
    // Tokens that begin within one character and end within another, or go on in ASCII: such a
    // token has a cut on both of its sides, and joins only one pair of neighbours.
    let mut leads = HashSet::new();
    let mut trails = HashSet::new();
    for token in sets.iter().flatten().filter(|token| is_middle(token[0])) {
        let last = token.iter().rposition(|&byte| byte >= 0xc0);
        if let Some(at) = last {
            let rest = token[at..].to_vec();
            if String::from_utf8(rest).is_err() {
                leads.insert(token[at]);
            }
        }
        if token.iter().any(u8::is_ascii) {
            trails.insert(token[0]);
        }
    }
    let sets = sets.map(|set| set.into_iter().collect::<HashSet<_>>());
    let mut table = [0; 32];
    for code in 0x80..0x800_u32 {
        let text = char::from_u32(code).expect("no surrogate").to_string().into_bytes();
        let is_whole = sets.iter().all(|set| set.contains(&text))
            && !leads.contains(&text[0])
            && !trails.contains(&text[1]);
        table[code as usize / 64] |= u64::from(is_whole) << (code % 64);
    }
    table
}

/// The list is what the walk rests on: a token that only one vocabulary has would break the bound.
#[test]
fn what_the_list_holds_is_in_both_vocabularies() {
    let sets = vocabularies()
        .map(|(_, vocabulary)| tokens(vocabulary).into_iter().collect::<HashSet<_>>());
    let mut listed = 0;
    known::each(|token, is_safe| {
        assert!(sets.iter().all(|set| set.contains(token)), "{:?}", token.escape_ascii());
        assert!(Known::get().has(token) && token.is_ascii() && !token.contains(&0));
        assert_eq!(Known::get().is_safe(token), is_safe, "{:?}", token.escape_ascii());
        // All of them take a minute; `write_known` asks of each.
        if is_safe && listed % 16 == 0 {
            assert!(self::is_safe(token), "{:?}", token.escape_ascii());
        }
        listed += 1;
    });
    assert!(listed > 40_000, "{listed}");
    assert_eq!(WHOLE, whole());
    for (letter, longest) in [(" ", 79), ("\t", 20), ("\n", 10)] {
        for length in 1..=longest {
            let run = letter.repeat(length).into_bytes();
            assert!(sets.iter().all(|set| set.contains(&run)), "{length} times {letter:?}");
        }
    }
    for number in 0..1_000 {
        for text in [format!("{number}"), format!("{number:02}"), format!("{number:03}")] {
            assert!(sets.iter().all(|set| set.contains(text.as_bytes())), "{text}");
        }
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, number: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % number
    }

    fn of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }

    /// Random characters of an alphabet.
    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| self.of(&letters)).collect()
    }
}

fn check(text: &str, kind: &str) {
    let bound = Bound::of(text).total();
    for (name, vocabulary) in vocabularies() {
        let truth = vocabulary.count(text) as u64;
        assert!(bound >= truth, "{kind}, {name}: {truth} tokens above the bound {bound}: {text:?}");
    }
}

/// The finding: 0.29 to 0.91 of the truth in combining marks, hieroglyphs, tags, private use, …
#[test]
fn the_bound_holds_in_every_block_of_unicode() {
    let mut dice = Dice(14);
    // Beyond the ideographs of the supplementary planes nearly nothing is assigned.
    let dense = 0..0x2_0000 / 128_u32;
    let sparse = (0x2_0000 / 128..0x11_0000 / 128_u32).step_by(8);
    for block in dense.chain(sparse) {
        let block: Vec<char> =
            (block * 128..(block + 1) * 128).filter_map(char::from_u32).collect();
        if block.is_empty() {
            continue; // surrogates
        }
        let kind = format!("the block of U+{:04X}", u32::from(block[0]));
        check(&block.iter().collect::<String>(), &kind);
        let letter = dice.of(&block);
        check(&letter.to_string().repeat(1 + dice.below(30)), &kind);
        check(
            &format!("{letter}word a{letter}b ({letter} '{letter}'s 1{letter}2\n{letter}\t"),
            &kind,
        );
        for _ in 0..2 {
            let mixed: String = (0..60)
                .map(|_| match dice.below(6) {
                    0 => ' ',
                    1 => char::from(b' ' + dice.below(95) as u8),
                    _ => dice.of(&block),
                })
                .collect();
            check(&mixed, &kind);
        }
    }
}

#[test]
fn the_bound_holds_for_each_character_of_the_lower_planes() {
    for letter in (1..0x3000).filter_map(char::from_u32) {
        check(&format!("{letter}\n {letter}{letter} word{letter} Ab{letter}c"), "a character");
    }
}

#[test]
fn the_bound_holds_for_text_that_was_made_to_be_expensive() {
    const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    let alphabets: &[(&str, String)] = &[
        ("letters", LOWER.into()),
        ("capitals", LETTERS[26..].into()),
        ("mixed case", LETTERS.into()),
        ("base64", format!("{LETTERS}0123456789+/")),
        ("hex", "0123456789abcdef".into()),
        ("digits", "0123456789".into()),
        ("numbers", "0123456789.,-: ".into()),
        ("digits of others", "12345678²½٣１ ".into()),
        ("punctuation", PUNCTUATION.into()),
        ("punctuation and space", format!("{PUNCTUATION}{PUNCTUATION} \n\r\t")),
        ("slashes", "/;\n'sa )".into()),
        ("contractions", "'’stmdrevlSTLL aé(\n".into()),
        ("white space", "   \n\r\t\u{b}\u{c}\u{a0}\u{3000}\u{85}a(7é".into()),
        ("all that is printed", format!("{LETTERS}0123456789{PUNCTUATION} ")),
        ("control characters", (0..128).map(|byte: u8| char::from(byte)).collect()),
        ("letters of two bytes", format!("{LOWER}àéßøłőșКМЕъяαΩاלأприветհայ '-")),
    ];
    let mut dice = Dice(1);
    for (kind, alphabet) in alphabets {
        for round in 0..400 {
            let length = 1 + dice.below(40);
            let text = dice.text(alphabet, length);
            check(&text, kind);
            if round % 40 == 0 {
                check(&dice.text(alphabet, 1_500), kind);
            }
            check(&format!(" {text}_{text}"), kind);
        }
    }
    for length in (0..200).chain([1_000, 5_000]) {
        for letter in [" ", "\n", "\t", "\r\n", "a", "A", "-", "=", "/", "'", "é", "0"] {
            check(&letter.repeat(length), "a run");
            check(&format!("x{}y", letter.repeat(length)), "a run");
        }
    }
}

/// Words in company that byte-pair encoding may divide otherwise than alone: glued together, behind
/// a mark, before a contraction.
#[test]
fn the_bound_holds_for_words_however_they_are_joined() {
    let words = words();
    let mut dice = Dice(2);
    for _ in 0..3_000 {
        let count = 1 + dice.below(6);
        let (mut glued, mut marked, mut ended) = (String::new(), String::new(), String::new());
        for _ in 0..count {
            let word = &words[dice.below(words.len())];
            match dice.below(4) {
                0 => glued += &capital(word),
                1 => glued += &word.to_uppercase(),
                _ => glued += word,
            }
            marked.push(dice.of(&[
                '_', '.', '-', '(', '\'', '"', '/', ' ', '$', '\t', '<', '{', '[', '@', '#', '%',
                '&', '*', '=', '+', ':', ';', ',', '\n', '“', '—',
            ]));
            marked += word;
            ended.push(' ');
            ended += word;
            ended += dice.of(&["'s", "'t", "'re", "'S", "s'", "’s", "é", "ö", "К", "я", "'ll've"]);
        }
        check(&glued, "glued");
        check(&marked, "marked");
        check(&ended, "ended");
    }
}

/// What no rule of a test would make: any tokens beside each other.
#[test]
fn the_bound_holds_for_tokens_in_any_order() {
    let mut dice = Dice(3);
    let all: Vec<String> = vocabularies()
        .iter()
        .flat_map(|(_, vocabulary)| tokens(vocabulary))
        .filter_map(|token| String::from_utf8(token).ok())
        .collect();
    all.iter().step_by(17).for_each(|token| check(token, "a token"));
    for _ in 0..6_000 {
        let text: String = (0..=dice.below(5)).map(|_| &*all[dice.below(all.len())]).collect();
        check(&text, "tokens");
    }
}

/// On text that people write, a bound that is far too high would be no use.
#[test]
fn on_the_named_corpora_the_bound_is_at_most_1_35_times_the_truth() {
    let corpora = corpora();
    assert_eq!(corpora.keys().copied().collect::<Vec<_>>(), ["code", "english", "json"]);
    for (kind, text) in corpora {
        assert!(text.len() > 30_000, "{kind} has {} bytes", text.len());
        check(text.as_str(), kind);
        text.lines().step_by(31).for_each(|line| check(line, kind));
        let bound = Heuristic::new().upper_bound(&text);
        for (name, vocabulary) in vocabularies() {
            let truth = vocabulary.count(&text) as u64;
            assert!(bound * 100 <= truth * 135, "{kind}, {name}: {bound} for {truth}");
        }
    }
}

fn words() -> Vec<String> {
    let all = corpora().into_values().collect::<String>();
    let words = all.split(|letter: char| !letter.is_ascii_alphabetic());
    let words: BTreeSet<&str> = words.filter(|word| (1..16).contains(&word.len())).collect();
    words.into_iter().map(str::to_owned).collect()
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// The corpora that `tests/data/tokens_corpus.txt` names, out of this repository.
fn corpora() -> BTreeMap<&'static str, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpora: BTreeMap<&str, String> = BTreeMap::new();
    for line in include_str!("../../../../tests/data/tokens_corpus.txt").lines() {
        let Some((kind, place)) = line.split_once(' ').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let text = corpora.entry(kind).or_default();
        let (folder, ending) = place.split_once('*').unwrap_or((place, ""));
        gather(&root.join(folder), ending, text);
    }
    corpora
}

fn gather(place: &Path, ending: &str, text: &mut String) {
    if place.is_file() {
        let name = place.to_string_lossy();
        if name.ends_with(ending) && !name.ends_with("bound.rs") {
            *text += &fs::read_to_string(place).expect("UTF-8");
            text.push('\n');
        }
        return;
    }
    // The package of the crate has no benches and no examples.
    let Ok(entries) = fs::read_dir(place) else { return };
    let entries = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<_> = entries.collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| !path.ends_with("target"))
        .for_each(|path| gather(path, ending, text));
}
