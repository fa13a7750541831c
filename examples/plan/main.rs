//! Plans what agents will cost, and writes the limits that follow from it as a policy file.
//!
//! `cargo run --example plan` shows a plan; `cargo run --example plan -- --help` says how to make
//! your own; with `--policy` it prints the file instead of the table.

mod options;

use std::error::Error;

use bursar::{Policy, PriceBook};

use options::Options;

fn main() {
    if let Err(error) = run() {
        eprintln!("plan: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let book = PriceBook::builtin();
    let Some(options) = Options::read(std::env::args().skip(1), &book)? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let plan = options.plan.build(options.at)?;
    if options.policy {
        println!("# What the plan sets aside, at the prices of {}.", options.at);
        println!("# {}\n", plan.to_string().lines().last().unwrap_or_default());
        let policy: Policy = plan.limits().into_iter().collect();
        print!("{}", policy.to_toml());
    } else {
        println!("{plan}\n\nAs limits (--policy prints them as a file):");
        for (accounts, limit) in plan.limits() {
            let accounts = if accounts.as_str().is_empty() { "all" } else { accounts.as_str() };
            println!("  {accounts:<22} {limit}");
        }
    }
    Ok(())
}
