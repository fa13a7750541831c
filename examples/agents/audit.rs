//! The audit: our report beside the server's bill, model by model.

use std::fmt::Write;

use bursar::Report;

use super::server::Books;

/// The two as a table, and whether they are the same.
pub fn audit(report: &Report, books: &Books) -> (String, bool) {
    let (ours, bill) = (&report.models, books.by_model());
    let mut same = ours.len() == bill.len();
    let mut table = format!(
        "{:<28} {:>8} {:>8} {:>16} {:>16}\n",
        "PICODOLLARS", "booked", "came", "our report", "server's bill"
    );
    for model in ours {
        let name = model.model.as_deref().unwrap_or("no model");
        let (_, id) = name.split_once('/').unwrap_or(("", name));
        let (came, billed) = bill.get(id).copied().unwrap_or_default();
        let (booked, cost) = (model.requests, model.cost.pico());
        same &= came == booked && i128::try_from(billed) == Ok(cost);
        let _ = writeln!(table, "{name:<28} {booked:>8} {came:>8} {cost:>16} {billed:>16}");
    }
    table += match same {
        true => "Equal, to the picodollar. What was refused never came.",
        false => "THEY DIFFER.",
    };
    (table, same)
}
