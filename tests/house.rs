//! The rules of the house: layers, import circles, names, words, first lines, and where clocks and
//! locks may be named.

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
fn the_first_line_of_a_file_says_what_it_is_for() {
    // The published crate has no benches and no examples.
    let is_there = |folder: &&str| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).exists();
    for folder in ["src", "tests", "benches", "examples"].into_iter().filter(is_there) {
        for (file, text) in sources(folder) {
            let first = text.lines().next().unwrap_or_default();
            let is_included = first.starts_with("#![doc = include_str!");
            let is_said = first.starts_with("//! ") && first.len() > 20;
            assert!(!first.starts_with("//! Owns"), "{}: {first}", file.display());
            assert!(is_included || is_said, "{}: {first}", file.display());
        }
    }
}

#[test]
fn files_and_lines_are_short() {
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

/// Words that hide who does what. Documentation names the subject, and uses the field's terms.
const UNUSED_WORDS: [&str; 9] =
    ["told", "said", "anew", "whoever", "nobody", "somebody", "so many", "as ever", "by and by"];

#[test]
fn documentation_uses_standard_terms() {
    let is_doc = |line: &&str| line.trim_start().starts_with("//");
    for (file, text) in sources("src") {
        for line in text.lines().filter(is_doc) {
            let words: Vec<String> = line
                .split(|c: char| !c.is_alphabetic())
                .filter(|word| !word.is_empty())
                .map(str::to_lowercase)
                .collect();
            let text = format!(" {} ", words.join(" "));
            let found = UNUSED_WORDS.iter().find(|word| text.contains(&format!(" {word} ")));
            assert_eq!(found, None, "{}: {line}", file.display());
        }
    }
}

/// Two types of one name in one room send a reader to the wrong file.
#[test]
fn a_room_gives_a_name_to_one_type() {
    /// Twins of which a build has one.
    const TWINS: [&str; 3] = ["sync", "clock", "budget::CallSpan"];
    let mut homes = std::collections::BTreeMap::new();
    for (file, text) in sources("src") {
        let is_test =
            file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs");
        if is_test {
            continue;
        }
        for item in syn::parse_file(&text).unwrap().items {
            let name = match &item {
                syn::Item::Struct(item) => &item.ident,
                syn::Item::Enum(item) => &item.ident,
                syn::Item::Trait(item) => &item.ident,
                _ => continue,
            };
            let key = format!("{}::{name}", room(&file));
            let is_twin = TWINS.contains(&&*room(&file)) || TWINS.contains(&&*key);
            let before = homes.insert(key.clone(), file.clone()).filter(|_| !is_twin);
            assert_eq!(before, None, "{key} also stands in {}", file.display());
        }
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

/// A condition is an `if`: a `match` on `true` and `false` reads as something else.
#[test]
fn no_match_is_on_a_bool() {
    struct Matches(usize);
    impl<'ast> syn::visit::Visit<'ast> for Matches {
        fn visit_expr_match(&mut self, found: &'ast syn::ExprMatch) {
            let is_bool = |arm: &syn::Arm| match &arm.pat {
                syn::Pat::Lit(literal) => matches!(literal.lit, syn::Lit::Bool(_)),
                _ => false,
            };
            self.0 += usize::from(found.arms.iter().all(is_bool));
            syn::visit::visit_expr_match(self, found);
        }
    }
    for (file, text) in sources("src") {
        let mut matches = Matches(0);
        syn::visit::Visit::visit_file(&mut matches, &syn::parse_file(&text).unwrap());
        assert_eq!(matches.0, 0, "{}", file.display());
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

/// The modules of `src` and which of them each names in its `use` lines, past what is re-exported.
mod imports {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use syn::UseTree;

    type Module = Vec<String>;

    /// A name that a module brings in: from where, and whether others see it there.
    struct Import {
        path: Module,
        alias: String,
        is_public: bool,
    }

    fn leaves(tree: &UseTree, path: &Module, found: &mut Vec<(Module, String)>) {
        let with = |ident: &syn::Ident| [path.clone(), vec![ident.to_string()]].concat();
        match tree {
            UseTree::Path(next) => leaves(&next.tree, &with(&next.ident), found),
            UseTree::Name(name) => found.push((with(&name.ident), name.ident.to_string())),
            UseTree::Rename(name) => found.push((with(&name.ident), name.rename.to_string())),
            UseTree::Glob(_) => found.push((path.clone(), "*".to_owned())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, path, found)),
        }
    }

    /// The path from the root of the crate; `None` of another crate.
    fn absolute(own: &Module, path: &Module, modules: &BTreeSet<Module>) -> Option<Module> {
        let mut base = own.clone();
        let mut rest = path.as_slice();
        match rest.first().map(String::as_str) {
            Some("crate") => base.clear(),
            Some("self") => {}
            Some("super") => {
                while let Some(("super", below)) = rest.split_first().map(|(f, r)| (f.as_str(), r))
                {
                    base.pop();
                    rest = below;
                }
                return Some([base, rest.to_vec()].concat());
            }
            Some(first) => {
                let child = [base.clone(), vec![first.to_owned()]].concat();
                return modules.contains(&child).then(|| [base, rest.to_vec()].concat());
            }
            None => return None,
        }
        Some([base, rest[1..].to_vec()].concat())
    }

    fn module_of(file: &Path) -> Module {
        let below = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
        let names = below.with_extension("");
        let mut module: Module =
            names.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        module
    }

    pub(super) fn edges() -> BTreeMap<Module, BTreeSet<Module>> {
        let sources = super::sources("src");
        let modules: BTreeSet<Module> = sources.iter().map(|(file, _)| module_of(file)).collect();
        let mut all: BTreeMap<Module, Vec<Import>> = BTreeMap::new();
        for (file, text) in &sources {
            let module = module_of(file);
            if module.iter().any(|name| name.contains("tests")) {
                continue;
            }
            for item in syn::parse_file(text).unwrap().items {
                let syn::Item::Use(item) = item else { continue };
                let is_public = !matches!(item.vis, syn::Visibility::Inherited);
                let mut found = Vec::new();
                leaves(&item.tree, &Vec::new(), &mut found);
                for (path, alias) in found {
                    let Some(path) = absolute(&module, &path, &modules) else { continue };
                    all.entry(module.clone()).or_default().push(Import { path, alias, is_public });
                }
            }
        }
        // Follows a name through re-exports to the module that has it.
        let home = |path: &Module| {
            let mut path = path.clone();
            for _ in 0..8 {
                let depth = (0..=path.len()).rev().find(|n| modules.contains(&path[..*n])).unwrap();
                let Some(name) = path.get(depth) else { break };
                let mut imports = all.get(&path[..depth]).into_iter().flatten();
                let next = imports.find(|one| one.is_public && one.alias == *name);
                let Some(next) = next else {
                    path.truncate(depth);
                    break;
                };
                path = [next.path.clone(), path[depth + 1..].to_vec()].concat();
            }
            path
        };
        let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, imports) in &all {
            let named = imports.iter().filter(|one| !one.is_public).map(|one| home(&one.path));
            let others = named.filter(|named| named != module && !named.is_empty());
            edges.entry(module.clone()).or_default().extend(others);
        }
        edges
    }

    /// The sets of modules that reach each other.
    pub(super) fn cycles() -> Vec<BTreeSet<String>> {
        let edges = edges();
        let reach = |from: &Module| {
            let mut seen = BTreeSet::new();
            let mut next = vec![from.clone()];
            while let Some(module) = next.pop() {
                for named in edges.get(&module).into_iter().flatten() {
                    if seen.insert(named.clone()) {
                        next.push(named.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> =
            edges.keys().map(|module| (module, reach(module))).collect();
        let mut cycles = BTreeSet::new();
        for (module, all) in &reached {
            let back = |other: &&Module| reached.get(*other).is_some_and(|r| r.contains(*module));
            let cycle: BTreeSet<String> =
                all.iter().filter(back).map(|module| module.join("::")).collect();
            cycles.insert(cycle);
        }
        cycles.into_iter().collect()
    }
}

/// Files that import each other in a circle have to be read all at once: at most three may. The
/// modules named here have larger circles, which may shrink and not grow.
#[test]
fn at_most_three_files_import_each_other() {
    let largest = [("budget", 7), ("ledger", 18), ("price", 14)];
    let cycles = imports::cycles();
    assert!(!cycles.is_empty(), "the ledger and its parts name each other");
    for cycle in cycles {
        let rooms: std::collections::BTreeSet<&str> =
            cycle.iter().filter_map(|module| module.split("::").next()).collect();
        assert!(rooms.len() <= 1, "a circle through several modules: {cycle:?}");
        let known = largest.iter().find(|(room, _)| rooms.contains(room));
        let most = known.map_or(3, |(_, most)| *most);
        assert!(cycle.len() <= most, "{} files, and at most {most}: {cycle:?}", cycle.len());
    }
}
