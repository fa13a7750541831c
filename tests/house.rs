//! Owns the rules of the house: layers, first lines, and where clocks and locks may be named.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, lowest first; rooms in one row are apart from each other.
const LAYERS: &[&[&str]] = &[
    &["parse", "sync"],
    &["money"],
    &["clock"],
    &["calendar"],
    &["usage"],
    &["price"],
    &["ledger"],
    &["table"],
    &["journal"],
    &["budget", "context"],
    &["select", "plan", "cache"],
    &["agent", "telemetry"],
    &["guide", "misuse"],
];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What a package below `benches` has built is nobody's to read.
                if !path.ends_with("target") {
                    walk(&path, found);
                }
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty());
    found
}

/// The room of a source file: the first part of its path below `src`.
fn room(file: &Path) -> String {
    let below = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn a_room_names_only_what_lies_below_it() {
    for (file, text) in sources("src") {
        let own = room(&file);
        if own == "lib" {
            continue;
        }
        let own_layer = layer(&own).unwrap_or_else(|| panic!("{own} has no layer: add it"));
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for (at, _) in line.match_indices("crate::") {
                let named: String =
                    line[at + 7..].chars().take_while(|c| c.is_ascii_lowercase()).collect();
                let below = named == own || layer(&named).is_some_and(|layer| layer < own_layer);
                assert!(
                    below || named.is_empty(),
                    "{}: {own} names {named}: {line}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn the_first_line_of_a_file_says_what_it_owns() {
    // The published crate has no benches and no examples.
    let is_there = |folder: &&str| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).exists();
    for folder in ["src", "tests", "benches", "examples"].into_iter().filter(is_there) {
        for (file, text) in sources(folder) {
            let first = text.lines().next().unwrap_or_default();
            let is_included = first.starts_with("#![doc = include_str!");
            let is_said = first.starts_with("//! ") && first.len() > 20;
            assert!(is_included || is_said, "{}: {first}", file.display());
        }
    }
}

#[test]
fn a_file_is_one_that_somebody_would_open() {
    for (file, text) in sources("src") {
        let lines = text.lines().count();
        assert!(lines <= 700, "{} has {lines} lines; is there a place to cut it?", file.display());
        // Tables are read across, and samples are written by a program.
        let is_table = |line: &str| {
            line.trim_start().trim_start_matches("//").starts_with(['/', '!'])
                && line.contains(" | ")
        };
        let is_sample = |line: &str| line.contains("r#\"{\"");
        let is_long = |line: &str| line.chars().count() > 120;
        let long = text.lines().find(|l| is_long(l) && !is_table(l) && !is_sample(l));
        assert_eq!(long, None, "{}", file.display());
    }
}

#[test]
fn clocks_are_read_in_one_file_and_locks_named_in_one() {
    for (file, text) in sources("src") {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let clock = line.contains("SystemTime::now") || line.contains("Instant::now");
            assert!(!clock || room(&file) == "clock", "{}: {line}", file.display());
            let lock = line.contains("parking_lot::") || line.contains("std::sync::Mutex");
            assert!(!lock || room(&file) == "sync", "{}: {line}", file.display());
        }
    }
}

/// `if let … && …` needs a newer compiler than the manifest promises, and no older one is at hand
/// everywhere to say so.
#[test]
fn a_condition_has_no_let_among_others() {
    struct Chains(usize);
    impl<'ast> syn::visit::Visit<'ast> for Chains {
        fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
            let sides = [&*binary.left, &*binary.right];
            self.0 += sides.iter().filter(|side| matches!(side, syn::Expr::Let(_))).count();
            syn::visit::visit_expr_binary(self, binary);
        }
    }
    for (file, text) in sources("src") {
        let mut chains = Chains(0);
        syn::visit::Visit::visit_file(&mut chains, &syn::parse_file(&text).unwrap());
        assert_eq!(chains.0, 0, "{}", file.display());
    }
}

#[test]
fn the_feature_table_is_that_of_the_manifest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest: toml::Table =
        fs::read_to_string(root.join("Cargo.toml")).unwrap().parse().unwrap();
    let features = manifest.get("features").and_then(|features| features.as_table());
    let library = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    for feature in features.into_iter().flat_map(|table| table.keys()) {
        assert!(feature == "default" || library.contains(&format!("| `{feature}` |")), "{feature}");
    }
}
