//! The modules of a crate as its sources say them: what each defines, uses and exports.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, Meta, UseTree, Visibility};

use crate::table::Table;

/// Where something is defined: the module's path below the crate, and its name.
pub(crate) type Definition = (Vec<String>, String);

/// Under which `cfg` something is there: features by their name, anything else as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Condition(Vec<String>);

impl Condition {
    /// What the attributes say; `None` if it is there in tests only.
    pub(crate) fn of(attributes: &[Attribute]) -> Option<Condition> {
        let mut all = Vec::new();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
            let Meta::List(list) = &attribute.meta else { continue };
            let text = list.tokens.to_string();
            let words = || text.split(|c: char| !c.is_alphanumeric() && c != '_');
            let for_tests = words().any(|word| word == "test" || word == "doctest");
            if for_tests && !words().any(|word| word == "not") {
                return None;
            }
            let feature = text.strip_prefix("feature = \"").and_then(|rest| rest.strip_suffix('"'));
            all.push(feature.map_or(text.clone(), |feature| format!("feature {feature}")));
        }
        Some(Condition(all))
    }

    pub(crate) fn and(&self, other: &Condition) -> Condition {
        let mut both: Vec<String> = self.0.iter().chain(&other.0).cloned().collect();
        both.sort();
        both.dedup();
        Condition(both)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|condition| write!(f, "  [{condition}]"))
    }
}

/// `use from as name`, or of all names of `from`.
pub(crate) struct Use {
    pub(crate) name: String,
    pub(crate) from: Vec<String>,
    pub(crate) is_public: bool,
    pub(crate) when: Condition,
}

/// The name of a `use` of everything.
const ALL: &str = "*";

pub(crate) struct Module {
    path: Vec<String>,
    /// True if it and all above it are.
    pub(crate) is_public: bool,
    pub(crate) when: Condition,
    items: Vec<(Item, Condition)>,
    pub(crate) uses: Vec<Use>,
}

impl Module {
    /// As others name it.
    pub(crate) fn public_path(&self) -> String {
        std::iter::once("bursar")
            .chain(self.path.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("::")
    }

    /// The items, with all that is asked for them to be there.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&Item, Condition)> {
        self.items.iter().map(|(item, when)| (item, self.when.and(when)))
    }

    pub(crate) fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().map(|(item, _)| item).find(|item| name_of(item).as_deref() == Some(name))
    }

    pub(crate) fn use_of(&self, name: &str) -> Option<&Use> {
        self.uses.iter().find(|used| used.name == name)
    }

    pub(crate) fn defines(&self, name: &str) -> Definition {
        (self.path.clone(), name.to_owned())
    }
}

pub(crate) struct Tree(Vec<Module>);

impl Tree {
    /// Reads a crate from its root file on.
    pub(crate) fn read(root: &Path) -> Tree {
        let mut tree = Tree(Vec::new());
        let folder = root.parent().unwrap();
        tree.read_file(root, folder, Vec::new(), true, &Condition::default());
        tree
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = &Module> {
        self.0.iter()
    }

    fn read_file(
        &mut self,
        file: &Path,
        folder: &Path,
        path: Vec<String>,
        is_public: bool,
        when: &Condition,
    ) {
        let text =
            std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.read_items(parsed.items, folder, path, is_public, when);
    }

    fn read_items(
        &mut self,
        items: Vec<Item>,
        folder: &Path,
        path: Vec<String>,
        is_public: bool,
        when: &Condition,
    ) {
        let place = self.0.len();
        let (items_of, uses) = (Vec::new(), Vec::new());
        self.0.push(Module { path, is_public, when: when.clone(), items: items_of, uses });
        let tables: HashMap<String, Table> = items.iter().filter_map(Table::of).collect();
        for item in items.into_iter().flat_map(|item| unwrapped(item, &tables)) {
            let attributes = attributes(&item);
            let Some(own) = Condition::of(attributes) else { continue };
            let hidden = is_hidden(attributes);
            match item {
                Item::Mod(module) => {
                    let is_public = is_public && is_open(&module.vis) && !hidden;
                    let (name, when) = (module.ident.to_string(), when.and(&own));
                    let path = self.0[place].path.iter().cloned().chain([name.clone()]).collect();
                    let below = folder.join(&name);
                    match module.content {
                        Some((_, items)) => self.read_items(items, &below, path, is_public, &when),
                        None => {
                            let file = source(folder, &name);
                            self.read_file(&file, &below, path, is_public, &when);
                        }
                    }
                }
                Item::Use(used) => {
                    let is_public = is_open(&used.vis) && !hidden;
                    let mut add = |name, from| {
                        let when = own.clone();
                        self.0[place].uses.push(Use { name, from, is_public, when });
                    };
                    flatten(&used.tree, &[], &mut add);
                }
                item => self.0[place].items.push((item, own)),
            }
        }
    }

    fn module(&self, path: &[String]) -> Option<&Module> {
        self.0.iter().find(|module| module.path == path)
    }

    /// The module that a path names its end in, and that end; one step, without following a `use`
    /// there.
    pub(crate) fn look_up(&self, from: &Module, path: &[String]) -> Option<(&Module, String)> {
        let (end, before) = path.split_last()?;
        let home = self.module_at(from, before, 0)?;
        let found = home.item(end).is_some() || home.use_of(end).is_some();
        let is_module =
            || self.module(&[&home.path[..], std::slice::from_ref(end)].concat()).is_some();
        (found || is_module()).then(|| (home, end.clone()))
    }

    /// Where what a path names is defined; `None` if that is another crate.
    pub(crate) fn definition(&self, from: &Module, path: &[String]) -> Option<Definition> {
        self.definition_within(from, path, 0)
    }

    fn definition_within(&self, from: &Module, path: &[String], depth: u8) -> Option<Definition> {
        let (end, before) = path.split_last()?;
        let home = self.module_at(from, before, depth)?;
        if home.item(end).is_some() {
            return Some(home.defines(end));
        }
        let next = depth.checked_add(1).filter(|depth| *depth < 16)?;
        if let Some(used) = home.use_of(end) {
            return self.definition_within(home, &used.from, next);
        }
        let mut globs = home.uses.iter().filter(|used| used.name == ALL);
        globs.find_map(|used| {
            let path: Vec<String> = used.from.iter().cloned().chain([end.clone()]).collect();
            self.definition_within(home, &path, next)
        })
    }

    /// The module of that path, as `from` sees it.
    fn module_at<'t>(&'t self, from: &Module, path: &[String], depth: u8) -> Option<&'t Module> {
        let mut at = self.module(&from.path)?;
        for (step, name) in path.iter().enumerate() {
            at = match name.as_str() {
                "crate" => self.module(&[])?,
                "self" => at,
                "super" => self.module(at.path.split_last()?.1)?,
                name => {
                    let below: Vec<String> = [&at.path[..], &[name.to_owned()]].concat();
                    match (self.module(&below), at.use_of(name)) {
                        (Some(below), _) => below,
                        (None, Some(used)) if depth < 16 => {
                            let whole = [&used.from[..], &path[step + 1..]].concat();
                            return self.module_at(at, &whole, depth + 1);
                        }
                        _ => return None,
                    }
                }
            };
        }
        Some(at)
    }
}

fn source(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    if file.exists() { file } else { folder.join(name).join("mod.rs") }
}

/// The items inside a macro that only adds to them, such as `pin_project!`, and those that a table of
/// the same file makes.
fn unwrapped(item: Item, tables: &HashMap<String, Table>) -> Vec<Item> {
    match &item {
        Item::Macro(called) if called.ident.is_none() => {
            let name = called.mac.path.get_ident().map(ToString::to_string);
            if let Some(table) = name.and_then(|name| tables.get(&name)) {
                return table.items(called);
            }
            match syn::parse2::<syn::File>(called.mac.tokens.clone()) {
                Ok(inside) if !inside.items.is_empty() => inside.items,
                _ => vec![item],
            }
        }
        _ => vec![item],
    }
}

fn flatten(tree: &UseTree, above: &[String], add: &mut impl FnMut(String, Vec<String>)) {
    let with = |name: &syn::Ident| [above, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(&path.ident), add),
        UseTree::Name(name) if name.ident == "self" => {
            add(above.last().cloned().unwrap_or_default(), above.to_vec());
        }
        UseTree::Name(name) => add(name.ident.to_string(), with(&name.ident)),
        UseTree::Rename(renamed) => add(renamed.rename.to_string(), with(&renamed.ident)),
        UseTree::Glob(_) => add(ALL.to_owned(), above.to_vec()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, above, add)),
    }
}

pub(crate) fn is_open(seen: &Visibility) -> bool {
    matches!(seen, Visibility::Public(_))
}

pub(crate) fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("doc") && list.tokens.to_string().contains("hidden")
    })
}

/// Public, and meant to be seen.
pub(crate) fn is_public(item: &Item) -> bool {
    let seen = match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        _ => return false,
    };
    is_open(seen) && !is_hidden(attributes(item))
}

pub(crate) fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
