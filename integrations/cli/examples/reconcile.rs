//! Exports the charges of a ledger file, or compares them with a provider's invoice.
//!
//! ```sh
//! cargo run -p bursar-cli --example reconcile -- export durable.db > charges.csv       # or --json-lines
//! cargo run -p bursar-cli --example reconcile -- compare durable.db openai-costs.csv   # as OpenAI exports it
//! ```

use std::error::Error;
use std::fs::File;
use std::io;
use std::process::ExitCode;

use bursar::Usd;
use bursar::journal::Charges;
use bursar_cli::{Invoice, write_csv, write_json_lines};

const USAGE: &str = "usage: reconcile export FILE [--json-lines]
       reconcile compare FILE INVOICE.csv        (an export of OpenAI's, Anthropic's or OpenRouter's)";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["export", file] => export(file, false),
        ["export", file, "--json-lines"] => export(file, true),
        ["compare", file, invoice] => compare(file, invoice),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Every charge of a file, for a spreadsheet or a program. The budget may be in use meanwhile.
fn export(file: &str, json_lines: bool) -> Result<(), Box<dyn Error>> {
    let charges = Charges::open(file)?;
    let out = io::stdout().lock();
    let written =
        if json_lines { write_json_lines(charges, out)? } else { write_csv(charges, out)? };
    eprintln!("{written} charges");
    Ok(())
}

/// What a provider bills, next to what is in a file.
fn compare(file: &str, invoice: &str) -> Result<(), Box<dyn Error>> {
    let invoice = Invoice::read(File::open(invoice)?)?;
    let comparison = invoice.compare(Charges::open(file)?)?;
    print!("{comparison}");
    for row in comparison.rows.iter().filter(|row| row.correction() != Usd::ZERO) {
        let (day, model, by) = (row.day, &row.model, row.correction().exact());
        println!("to book on {day} for `{model}`: {by}   (`BudgetManager::adjust`)");
    }
    Ok(())
}
