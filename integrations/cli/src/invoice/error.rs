//! [`InvoiceError`]: why an invoice is not read.

use std::io;

/// Why an invoice is not read. The sentence says where, what was found there and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvoiceError {
    /// The file cannot be read.
    #[error("the invoice cannot be read: {0}")]
    Read(io::Error),
    /// There is not even a header.
    #[error("the invoice is empty: its first line should name its columns")]
    Empty,
    /// The header is none of those that are known.
    #[error(
        "the invoice has a header that is not known ({}); \
         name its columns with `Columns` and read it with `Invoice::read_columns`",
        listed(.seen)
    )]
    UnknownHeader {
        /// The columns that it has.
        seen: Vec<String>,
    },
    /// A column that was named is not there.
    #[error("the invoice has no column `{column}`; it has {}", listed(.seen))]
    NoColumn {
        /// The column.
        column: String,
        /// The columns that it has.
        seen: Vec<String>,
    },
    /// A column that is needed is there twice.
    #[error("the invoice has two columns `{column}`; rename one of them")]
    TwoColumns {
        /// The column.
        column: String,
    },
    /// A line is no line of this table.
    #[error("line {line} of the invoice: {why}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A cell is not what its column has.
    #[error("line {line} of the invoice, column `{column}`: `{}` {why}", shown(.value))]
    Cell {
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
        /// What is wrong with it, and what should stand there.
        why: &'static str,
    },
}

impl From<io::Error> for InvoiceError {
    fn from(error: io::Error) -> InvoiceError {
        InvoiceError::Read(error)
    }
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 40;
    let shown: Vec<String> =
        names.iter().take(MOST).map(|name| format!("`{}`", shown(name))).collect();
    let more = if names.len() > MOST { ", …" } else { "" };
    shown.join(", ") + more
}

fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    match text.char_indices().nth(60) {
        Some((cut, _)) => text[..cut].chars().map(plain).chain(['…']).collect(),
        None => text.chars().map(plain).collect(),
    }
}
