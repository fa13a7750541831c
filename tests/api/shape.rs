//! What an item looks like from outside, as one line.

use syn::{
    Attribute, Fields, FnArg, ImplItem, Item, ItemFn, ItemImpl, ItemMacro, Meta, Pat, Signature,
    TraitItem, Variant, Visibility, parse_quote,
};

use crate::tree::{Condition, is_hidden, is_open};

/// The name inside an item, under which condition it is there, and the line.
type Part = (String, Condition, String);

/// A public item: first itself, then its fields, variants or what a trait has.
pub(crate) fn item(full: &str, item: &Item) -> Vec<Part> {
    let own = |line: String| (String::new(), Condition::default(), line);
    let mut bare = item.clone();
    match (item, &mut bare) {
        (Item::Struct(whole), Item::Struct(bare)) => {
            let marks = marks(&whole.attrs);
            let (open, mut parts) = fields(full, &whole.fields);
            bare.attrs.clear();
            bare.fields = Fields::Unit;
            bare.semi_token = Some(Default::default());
            let line = printed(Item::Struct(bare.clone()));
            let line = named(&line, "struct", &whole.ident, full);
            let inside = match (&whole.fields, open) {
                (Fields::Unit, _) | (Fields::Named(_), true) => "",
                (Fields::Named(_), false) => " { .. }",
                (Fields::Unnamed(_), true) => "()",
                (Fields::Unnamed(_), false) => "(..)",
            };
            parts.insert(0, own(format!("{line}{inside}{marks}")));
            parts
        }
        (Item::Enum(whole), Item::Enum(bare)) => {
            let marks = marks(&whole.attrs);
            bare.attrs.clear();
            bare.variants.clear();
            let line = printed(Item::Enum(bare.clone()));
            let mut parts = vec![own(named(&line, "enum", &whole.ident, full) + &marks)];
            parts.extend(whole.variants.iter().flat_map(|one| variant(full, one)));
            parts
        }
        (Item::Trait(whole), Item::Trait(bare)) => {
            bare.attrs.clear();
            bare.items.clear();
            let line = printed(Item::Trait(bare.clone()));
            let mut parts = vec![own(named(&line, "trait", &whole.ident, full))];
            parts.extend(whole.items.iter().filter_map(|item| of_trait(full, item)));
            parts
        }
        (Item::Fn(whole), _) => vec![own(function(full, &whole.vis, &whole.sig))],
        (Item::Const(whole), _) => {
            let (name, of) = (&whole.ident, &whole.ty);
            let line = printed(parse_quote!(pub type #name = #of;));
            vec![own(constant(full, &line))]
        }
        (Item::Type(whole), Item::Type(bare)) => {
            bare.attrs.clear();
            vec![own(named(&printed(Item::Type(bare.clone())), "type", &whole.ident, full))]
        }
        _ => panic!("{full} is of a kind that the list does not know"),
    }
}

/// What an inherent impl has, if it is public.
pub(crate) fn associated(owner: &str, item: &ImplItem) -> Option<Part> {
    let seen = |seen: &Visibility, attributes: &[Attribute]| {
        let shown = is_open(seen) && !is_hidden(attributes);
        Condition::of(attributes).filter(|_| shown)
    };
    match item {
        ImplItem::Fn(item) => {
            let when = seen(&item.vis, &item.attrs)?;
            let name = item.sig.ident.to_string();
            let line = function(&format!("{owner}::{name}"), &item.vis, &item.sig);
            Some((name, when, line))
        }
        ImplItem::Const(item) => {
            let when = seen(&item.vis, &item.attrs)?;
            let (name, of) = (&item.ident, &item.ty);
            let line = printed(parse_quote!(pub type #name = #of;));
            Some((name.to_string(), when, constant(&format!("{owner}::{name}"), &line)))
        }
        _ => None,
    }
}

fn of_trait(full: &str, item: &TraitItem) -> Option<Part> {
    match item {
        TraitItem::Fn(item) if !is_hidden(&item.attrs) => {
            let name = item.sig.ident.to_string();
            let given = if item.default.is_some() { " { .. }" } else { "" };
            let line = function(&format!("{full}::{name}"), &parse_quote!(pub), &item.sig);
            Some((name, Condition::of(&item.attrs)?, line + given))
        }
        TraitItem::Type(item) => {
            let mut bare: syn::TraitItemType = item.clone();
            bare.attrs.clear();
            let name = item.ident.to_string();
            let line = printed(parse_quote!(pub trait Holder { #bare }));
            let line =
                line.trim_start_matches("pub trait Holder {").trim_end_matches(['}', ' ', ';']);
            let line = line.trim().replacen(&name, &format!("{full}::{name}"), 1);
            Some((name, Condition::of(&item.attrs)?, format!("pub {line}")))
        }
        TraitItem::Const(item) => {
            let (name, of) = (&item.ident, &item.ty);
            let line = printed(parse_quote!(pub type #name = #of;));
            Some((
                name.to_string(),
                Condition::of(&item.attrs)?,
                constant(&format!("{full}::{name}"), &line),
            ))
        }
        _ => None,
    }
}

fn variant(full: &str, variant: &Variant) -> Vec<Part> {
    let name = variant.ident.to_string();
    let (path, marks) = (format!("{full}::{name}"), marks(&variant.attrs));
    let when = Condition::of(&variant.attrs).unwrap_or_default();
    let inside = match &variant.fields {
        Fields::Unit => String::new(),
        Fields::Unnamed(fields) => {
            let fields: Vec<String> =
                fields.unnamed.iter().map(|field| of_type(&field.ty)).collect();
            format!("({})", fields.join(", "))
        }
        Fields::Named(fields) => {
            let field = |field: &syn::Field| {
                format!("{}: {}", field.ident.as_ref().unwrap(), of_type(&field.ty))
            };
            let fields: Vec<String> = fields.named.iter().map(field).collect();
            format!(" {{ {} }}", fields.join(", "))
        }
    };
    vec![(name, when, format!("pub {path}{inside}{marks}"))]
}

/// Whether all fields are public, and a line for each that is.
fn fields(full: &str, fields: &Fields) -> (bool, Vec<Part>) {
    let mut all_open = true;
    let mut parts = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        if !is_open(&field.vis) {
            all_open = false;
            continue;
        }
        let name = field.ident.as_ref().map_or(place.to_string(), |name| name.to_string());
        let when = Condition::of(&field.attrs).unwrap_or_default();
        parts.push((name.clone(), when, format!("pub {full}::{name}: {}", of_type(&field.ty))));
    }
    (all_open, parts)
}

/// `impl Trait for Type`, with what its types are.
pub(crate) fn impl_of(block: &ItemImpl) -> String {
    let mut bare = block.clone();
    bare.attrs.clear();
    bare.items.retain(|item| matches!(item, ImplItem::Type(_)));
    printed(Item::Impl(bare))
}

pub(crate) fn macro_call(called: &ItemMacro) -> String {
    let mut bare = called.clone();
    bare.attrs.clear();
    printed(Item::Macro(bare)).replace("& ", "&").replace(" <", "<").replace(" >", ">")
}

/// The names of a path, without what they are given.
pub(crate) fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn function(full: &str, seen: &Visibility, signature: &Signature) -> String {
    let mut signature = signature.clone();
    for input in &mut signature.inputs {
        // That a function changes what it was given is its own business.
        match input {
            FnArg::Receiver(own) => own.mutability = None,
            FnArg::Typed(input) => {
                if let Pat::Ident(name) = &mut *input.pat {
                    name.mutability = None;
                }
            }
        }
    }
    let name = signature.ident.clone();
    let whole: ItemFn = parse_quote!(#seen #signature {});
    named(&printed(Item::Fn(whole)), "fn", &name, full)
}

fn constant(full: &str, line: &str) -> String {
    let of = line.split_once(" = ").map_or(line, |(_, of)| of);
    format!("pub const {full}: {of}")
}

fn of_type(of: &syn::Type) -> String {
    let line = printed(parse_quote!(type T = #of;));
    line.trim_start_matches("type T = ").to_owned()
}

/// The line with the whole path in the place of the name.
fn named(line: &str, kind: &str, name: &syn::Ident, full: &str) -> String {
    line.replacen(&format!("{kind} {name}"), &format!("{kind} {full}"), 1)
}

/// What others depend on of the attributes: what is derived, and that more may come.
fn marks(attributes: &[Attribute]) -> String {
    let mut marks = String::new();
    for attribute in attributes {
        match &attribute.meta {
            Meta::Path(path) if path.is_ident("non_exhaustive") => marks += " #[non_exhaustive]",
            Meta::List(list) if list.path.is_ident("derive") => {
                marks += &format!(
                    " #[derive({})]",
                    list.tokens.to_string().replace(" ,", ",").replace(" :: ", "::")
                );
            }
            _ => {}
        }
    }
    marks
}

/// One line of source, as rustfmt would have it if a line had no end.
fn printed(item: Item) -> String {
    let file = syn::File { shebang: None, attrs: Vec::new(), items: vec![item], ..parse_quote!() };
    let text = prettyplease::unparse(&file);
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (from, to) in
        [("( ", "("), (", )", ")"), ("< ", "<"), (", >", ">"), (" )", ")"), (" .", ".")]
    {
        line = line.replace(from, to);
    }
    let line = line.trim_end_matches(';').trim_end_matches("{}").trim_end();
    line.trim_end_matches(',').replace(", {", " {")
}
