//! [`Table`]: the items that a `macro_rules!` makes of a table, as that of the buckets of usage does.
//!
//! It knows macros of one arm, `($($(#[$doc:meta])* $name:ident, $key:literal;)*) => { … }`: a row
//! is single tokens, and the attributes before it, which are documentation, are left out.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Ident, Item, ItemMacro, Token, braced, bracketed, parenthesized, token};

/// One `macro_rules!`.
pub(crate) struct Table {
    columns: Vec<String>,
    body: String,
}

impl Table {
    /// Its name and itself; `None` if the item is none that is known.
    pub(crate) fn of(item: &Item) -> Option<(String, Table)> {
        let Item::Macro(ItemMacro { ident: Some(name), mac, .. }) = item else { return None };
        Some((name.to_string(), syn::parse2(mac.tokens.clone()).ok()?))
    }

    /// What a call of it writes.
    ///
    /// # Panics
    /// If the call is no table.
    pub(crate) fn items(&self, called: &ItemMacro) -> Vec<Item> {
        let rows = rows.parse2(called.mac.tokens.clone()).expect("rows of single tokens");
        let text = self.filled(&self.body, &rows, None).expect("what a table is written into");
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{error}: {text}")).items
    }

    /// The body, or what it repeats for one row.
    fn filled(&self, body: &str, rows: &[Row], row: Option<&Row>) -> syn::Result<String> {
        let fill = |input: ParseStream<'_>| {
            let mut text = String::new();
            while !input.is_empty() {
                if let Some((open, inside, close)) = delimited(input)? {
                    text += &format!("{open}{}{close} ", self.filled(&inside, rows, row)?);
                } else if input.parse::<Option<Token![$]>>()?.is_none() {
                    text += &next(input)?;
                } else if let Some((_, inside, _)) = delimited(input)? {
                    let between = match input.peek(Token![*]) {
                        true => String::new(),
                        false => next(input)?,
                    };
                    input.parse::<Token![*]>()?;
                    // Within a row, only its attributes are repeated.
                    let all = if row.is_some() { &[] } else { rows };
                    let filled = all.iter().map(|row| self.filled(&inside, rows, Some(row)));
                    text += &filled.collect::<syn::Result<Vec<_>>>()?.join(&between);
                } else {
                    let name = input.call(Ident::parse_any)?;
                    let column = self.columns.iter().position(|column| name == column);
                    let cell = column.and_then(|column| row?.get(column));
                    text += cell.ok_or_else(|| input.error(format!("no cell for ${name}")))?;
                }
            }
            Ok(text)
        };
        fill.parse_str(body)
    }
}

impl Parse for Table {
    fn parse(input: ParseStream<'_>) -> syn::Result<Table> {
        let (pattern, row);
        parenthesized!(pattern in input);
        input.parse::<Token![=>]>()?;
        let (_, body, _) = delimited(input)?.ok_or_else(|| input.error("no body"))?;
        input.parse::<Option<Token![;]>>()?;
        pattern.parse::<Token![$]>()?;
        parenthesized!(row in pattern);
        pattern.parse::<Token![*]>()?;
        let mut columns = Vec::new();
        while !row.is_empty() {
            row.parse::<Token![$]>()?;
            if delimited(&row)?.is_some() {
                row.parse::<Token![*]>()?; // attributes
                continue;
            }
            columns.push(row.parse::<Ident>()?.to_string());
            row.parse::<Token![:]>()?;
            row.parse::<Ident>()?;
            next(&row)?;
        }
        Ok(Table { columns, body })
    }
}

type Row = Vec<String>;

fn rows(input: ParseStream<'_>) -> syn::Result<Vec<Row>> {
    let mut rows = Vec::new();
    while !input.is_empty() {
        input.call(Attribute::parse_outer)?;
        let mut row = Row::new();
        while input.parse::<Option<Token![;]>>()?.is_none() {
            row.push(next(input)?);
            input.parse::<Option<Token![,]>>()?;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// What stands in brackets, if that is what comes next.
fn delimited(input: ParseStream<'_>) -> syn::Result<Option<(&'static str, String, &'static str)>> {
    let inside;
    let (open, close) = if input.peek(token::Paren) {
        parenthesized!(inside in input);
        ("(", ")")
    } else if input.peek(token::Bracket) {
        bracketed!(inside in input);
        ("[", "]")
    } else if input.peek(token::Brace) {
        braced!(inside in input);
        ("{", "}")
    } else {
        return Ok(None);
    };
    let mut text = String::new();
    while !inside.is_empty() {
        text += &next(&inside)?;
    }
    Ok(Some((open, text, close)))
}

/// The next token or what stands in brackets, as text. Punctuation has no space behind it, so that
/// `::` stays one.
fn next(input: ParseStream<'_>) -> syn::Result<String> {
    let text = input.step(|cursor| match cursor.token_tree() {
        Some((tree, rest)) => Ok((tree.to_string(), rest)),
        None => Err(cursor.error("a token is missing")),
    })?;
    let is_mark = text.len() == 1 && text.starts_with(|c: char| c.is_ascii_punctuation());
    Ok(if is_mark { text } else { text + " " })
}
