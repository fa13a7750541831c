//! Reconciliation of a [bursar](https://crates.io/crates/bursar) ledger file with what providers bill: exports of its
//! charges, and invoices compared with them.
//!
//! - [`write_csv`] and [`write_json_lines`] export the [`Charges`](bursar::journal::Charges) of a file.
//! - [`Invoice`] reads the CSV file that a provider exports.
//! - [`Invoice::compare`] puts the two side by side, by day and model: a [`Comparison`]. What differs is booked with
//!   [`BudgetManager::adjust`](bursar::BudgetManager::adjust).

mod compare;
mod export;
mod invoice;

pub use compare::{Comparison, Excluded, Presence, Row, Sides, Unmatched};
pub use export::{ExportError, write_csv, write_json_lines};
pub use invoice::{Columns, Figures, Invoice, InvoiceError};

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
