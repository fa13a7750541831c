//! The list of the public interface: `tests/data/api.txt` is what the sources say, so that no
//! change of it goes unseen. `UPDATE_API=1 cargo test --test api` accepts one.

mod shape;
mod table;
mod tree;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use syn::{ImplItem, Item, ItemImpl, Type};

use tree::{Condition, Definition, Module, Tree, Use, is_public};

const HEAD: &str = "\
# What `bursar` lets others name, one item a line, by path, with all features. Names in a signature
# are those of its source. `UPDATE_API=1 cargo test --test api` writes this file.
";

/// A line, and where it stands: by the path of its item, a type before its impls.
type Line = (String, u8, String);

struct Listing<'t> {
    tree: &'t Tree,
    /// By what path others name what is defined somewhere.
    names: HashMap<Definition, String>,
    lines: BTreeSet<Line>,
}

impl<'t> Listing<'t> {
    fn of(tree: &'t Tree) -> Listing<'t> {
        let mut listing = Listing { tree, names: HashMap::new(), lines: BTreeSet::new() };
        for module in tree.modules().filter(|module| module.is_public) {
            let path = module.public_path();
            listing.add(&path, 0, &module.when, format!("pub mod {path}"));
            for (item, when) in module.items() {
                if is_public(item) {
                    let name = tree::name_of(item).unwrap();
                    listing.add_item(&path, &name, item, &when, module.defines(&name));
                }
                if let Item::Macro(called) = item {
                    // What a macro writes is not seen; that it is called is.
                    if called.ident.is_none() {
                        listing.add(&path, 1, &when, shape::macro_call(called));
                    }
                }
            }
            for export in module.uses.iter().filter(|export| export.is_public) {
                listing.add_export(module, &path, export);
            }
        }
        for module in tree.modules() {
            for (item, when) in module.items() {
                if let Item::Impl(block) = item {
                    listing.add_impl(module, block, &when);
                }
            }
        }
        listing
    }

    fn add(&mut self, path: &str, rank: u8, when: &Condition, line: String) {
        self.lines.insert((path.to_owned(), rank, format!("{line}{when}")));
    }

    fn add_export(&mut self, module: &Module, path: &str, export: &Use) {
        let name = format!("{path}::{}", export.name);
        let when = module.when.and(&export.when);
        let mut hop = (module, export);
        loop {
            match self.tree.look_up(hop.0, &hop.1.from).expect("what is exported is somewhere") {
                // It has a public path already.
                (home, end) if home.is_public => {
                    let from = format!("{}::{end}", home.public_path());
                    return self.add(&name, 0, &when, format!("pub use {name} = {from}"));
                }
                (home, end) => match home.item(&end) {
                    Some(item) => {
                        let defined = home.defines(&end);
                        return self.add_item(path, &export.name, item, &when, defined);
                    }
                    None => hop = (home, home.use_of(&end).unwrap()),
                },
            }
        }
    }

    /// A public item, and what it has inside.
    fn add_item(
        &mut self,
        path: &str,
        name: &str,
        item: &Item,
        when: &Condition,
        defined: Definition,
    ) {
        let full = format!("{path}::{name}");
        for (inside, own, line) in shape::item(&full, item) {
            let place = if inside.is_empty() { full.clone() } else { format!("{full}::{inside}") };
            self.add(&place, 0, &when.and(&own), line);
        }
        self.names.insert(defined, full);
    }

    fn add_impl(&mut self, module: &Module, block: &ItemImpl, when: &Condition) {
        let owner = self.public_name(module, &block.self_ty);
        if let Some((of, _)) = &block.trait_ {
            let of = shape::segments(of);
            let known = self.tree.definition(module, &of);
            let of = known.as_ref().map(|defined| self.names.get(defined).cloned());
            // An own trait that nobody can name is nobody's business; for a type that is not ours,
            // the trait is the place.
            let place = match (owner, of) {
                (_, Some(None)) => return,
                (Some(owner), _) => owner,
                (None, Some(Some(of))) => of,
                (None, None) => return,
            };
            return self.add(&place, 1, when, shape::impl_of(block));
        }
        let Some(owner) = owner else { return };
        if !block.generics.params.is_empty() {
            self.add(&owner, 1, when, shape::impl_of(block)); // its bounds are those of what is in it
        }
        for item in &block.items {
            if let Some((name, own, line)) = shape::associated(&owner, item) {
                self.add(&format!("{owner}::{name}"), 0, &when.and(&own), line);
            }
            if let ImplItem::Macro(called) = item {
                panic!("{owner}: a macro, {:?}, and not seen", shape::segments(&called.mac.path));
            }
        }
    }

    fn public_name(&self, module: &Module, named: &Type) -> Option<String> {
        let Type::Path(path) = named else { return None };
        let defined = self.tree.definition(module, &shape::segments(&path.path))?;
        self.names.get(&defined).cloned()
    }
}

fn listed(root: &Path) -> String {
    let tree = Tree::read(root);
    let lines = Listing::of(&tree).lines;
    let lines = lines.into_iter().map(|(_, _, line)| format!("{line}\n"));
    HEAD.chars().chain(lines.collect::<String>().chars()).collect()
}

#[test]
fn the_public_interface_is_the_one_that_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (now, file) = (listed(&root.join("src/lib.rs")), root.join("tests/data/api.txt"));
    if std::env::var_os("UPDATE_API").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let (before, after): (BTreeSet<&str>, BTreeSet<&str>) =
        (written.lines().collect(), now.lines().collect());
    let gone = before.difference(&after).map(|line| format!("- {line}\n"));
    let new = after.difference(&before).map(|line| format!("+ {line}\n"));
    let changes: String = gone.chain(new).collect();
    assert!(
        written == now,
        "the public interface has changed:\n{changes}\
         `UPDATE_API=1 cargo test --test api` writes it down; CHANGELOG.md tells of it"
    );
}

/// What each kind of item looks like in the list; private things, tests and hidden ones are not in it.
#[test]
fn a_small_crate_is_listed_as_it_is_seen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/api/lib.rs");
    let listed = listed(&root);
    let lines: Vec<&str> = listed.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = include_str!("../data/api/expected.txt");
    assert_eq!(lines, expected.lines().collect::<Vec<_>>(), "\n{}\n", lines.join("\n"));
}
