//! A budget that survives: run it twice, and the second run goes on where the first stopped.
//!
//! ```sh
//! cargo run --features sqlite --example durable                # ten calls on durable.db
//! cargo run --features sqlite --example durable -- --kill      # ends itself without warning
//! cargo run --features sqlite --example durable -- report durable.db
//! cargo run --features sqlite --example durable -- verify durable.db   # is the file whole?
//! ```

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use bursar::journal::SqliteJournal;
use bursar::{BudgetManager, Limit, Period, Usage, Usd};

const USAGE: &str = "usage: durable [--kill] [FILE]                 (durable.db if none is named)
       durable report FILE
       durable verify FILE";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => work(Path::new("durable.db"), false),
        ["--kill"] => work(Path::new("durable.db"), true),
        ["--kill", file] => work(Path::new(file), true),
        ["report", file] => report(Path::new(file)),
        ["verify", file] => verify(Path::new(file)),
        ["report" | "verify"] => Err(USAGE.into()),
        [word] if !word.starts_with('-') => work(Path::new(word), false),
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

/// Ten calls, and what is left after them. `dies` in the middle of the sixth.
fn work(file: &Path, dies: bool) -> Result<(), Box<dyn Error>> {
    let budget = BudgetManager::builder()
        .limit("", Limit::spend(Usd::cents(20)).per(Period::MONTH).alert_at([50, 90]))
        .on_alert(|alert| println!("! {alert}"))
        .journal(SqliteJournal::open(file)?)
        .build()?;
    println!("{} is spent already, {} is held", budget.spent().exact(), budget.held().exact());

    let writer = budget.account("team/writer")?;
    let user = budget.tag("user:42")?;
    let terra = budget.model("gpt-6.1-terra")?;
    for call in 1..=10_u64 {
        let ask = writer.request(terra.estimate().input(1_200).max_output(800)).tag(&user);
        let hold = match ask.reserve() {
            Ok(hold) => hold,
            Err(refused) => {
                println!("{refused}");
                break;
            }
        };
        hold.mark_sent();
        if dies && call == 6 {
            println!("killed in the middle of call {call}: {} is held", hold.held().exact());
            std::process::abort();
        }
        let receipt = hold.settle(Usage::tokens(1_150, 30 * call));
        println!("call {call}: {}", receipt.cost.exact());
    }
    budget.flush()?; // the report shows what is written
    println!("\n{}", budget.report());
    println!("sqlite3 {} 'select * from spend_by_day'", file.display());
    Ok(())
}

/// What is in a file, without changing a limit.
fn report(file: &Path) -> Result<(), Box<dyn Error>> {
    if !file.exists() {
        return Err(format!("there is no {}", file.display()).into());
    }
    let budget = BudgetManager::builder().journal(SqliteJournal::open(file)?).build()?;
    println!("{}", budget.report());
    Ok(())
}

/// Whether all of a file is what was written.
fn verify(file: &Path) -> Result<(), Box<dyn Error>> {
    println!("{}: {}", file.display(), SqliteJournal::verify(file)?);
    Ok(())
}
