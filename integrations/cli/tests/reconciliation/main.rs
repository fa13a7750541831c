//! Tests of reconciliation: exports of a ledger file, invoices, and the two compared.

mod export;
mod invoices;
mod reconcile;

use std::path::PathBuf;
use std::time::Duration;

use bursar::budget::Correction;
use bursar::clock::{Clock, ManualClock};
use bursar::journal::{Charges, SqliteJournal};
use bursar::{BudgetManager, Estimate, Usage, Usd};
use proptest::prelude::*;

/// A folder of its own for each test, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("bursar-cli-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap())
}

pub(crate) fn open(folder: &Folder, clock: &ManualClock) -> BudgetManager {
    let journal = SqliteJournal::open(folder.file("budget.db")).unwrap();
    BudgetManager::builder()
        .clock(clock.clone())
        .wait_for_disk(true)
        .journal(journal)
        .build()
        .unwrap()
}

pub(crate) fn charges(folder: &Folder) -> Charges {
    Charges::open(folder.file("budget.db")).unwrap()
}

/// What a random budget books.
#[derive(Clone, Debug)]
pub(crate) enum Booked {
    Settled { account: usize, tag: bool, model: usize, input: u64, cached: u64, output: u64 },
    Recorded { account: usize, model: usize, input: u64, output: u64 },
    Plain { account: usize, pico: i64 },
    Lost { account: usize, pico: i64, late: bool },
    Adjusted { account: usize, model: usize, pico: i64 },
    Pass { minutes: u64 },
}

pub(crate) const ACCOUNTS: [&str; 4] = ["acme", "acme/crawler", "acme/crawler/deep", "other"];
pub(crate) const MODELS: [&str; 3] =
    ["openai/gpt-6-luna", "openai/gpt-6.1-terra", "anthropic/claude-opus-4-1"];

pub(crate) fn booked() -> impl Strategy<Value = Booked> {
    let pico = 1_i64..5_000_000_000_000;
    prop_oneof![
        4 => (0_usize..4, any::<bool>(), 0_usize..3, 0_u64..90_000, 0_u64..9_000, 0_u64..900).prop_map(
            |(account, tag, model, input, cached, output)| Booked::Settled {
                account, tag, model, input, cached, output
            }
        ),
        2 => (0_usize..4, 0_usize..3, 0_u64..90_000, 0_u64..900).prop_map(
            |(account, model, input, output)| Booked::Recorded { account, model, input, output }
        ),
        1 => (0_usize..4, pico.clone()).prop_map(|(account, pico)| Booked::Plain { account, pico }),
        1 => (0_usize..4, pico.clone(), any::<bool>())
            .prop_map(|(account, pico, late)| Booked::Lost { account, pico, late }),
        2 => (0_usize..4, 0_usize..3, -900_000_000_i64..900_000_000)
            .prop_map(|(account, model, pico)| Booked::Adjusted { account, model, pico }),
        2 => (1_u64..1_500).prop_map(|minutes| Booked::Pass { minutes }),
    ]
}

pub(crate) fn book(budget: &BudgetManager, clock: &ManualClock, booked: &Booked) {
    let model = |model: usize| budget.model(MODELS[model]).unwrap();
    let account = |account: usize| budget.account(ACCOUNTS[account]).unwrap();
    match *booked {
        Booked::Settled { account: at, tag, model: of, input, cached, output } => {
            let user = budget.tag("user:42").unwrap();
            let account = account(at);
            let ask =
                account.request(model(of).estimate().input(input + cached).max_output(output));
            let ask = if tag { ask.tag(&user) } else { ask };
            let usage = Usage { cache_read: cached, ..Usage::tokens(input, output) };
            ask.reserve().unwrap().settle(usage);
        }
        Booked::Recorded { account: at, model: of, input, output } => {
            account(at).record(Usage::tokens(input, output)).model(&model(of)).book().unwrap();
        }
        Booked::Plain { account: at, pico } => {
            let estimate = Estimate::fixed(Usd::dollars(9));
            account(at).reserve(&estimate).unwrap().settle_cost(Usd::from_pico(pico.into()));
        }
        Booked::Lost { account: at, pico, late } => {
            let hold = account(at).reserve(&Estimate::fixed(Usd::from_pico(pico.into()))).unwrap();
            hold.mark_sent();
            clock.advance(Duration::from_secs(1_000));
            budget.report();
            if late {
                hold.settle_cost(Usd::from_pico(i128::from(pico) / 2));
            }
        }
        Booked::Adjusted { account: at, model, pico } => {
            let by = Correction::new(Usd::from_pico(pico.into())).model(MODELS[model]);
            // Refused where it would leave less than nothing.
            let _ = budget.adjust(ACCOUNTS[at], by, clock.now(), "random");
        }
        Booked::Pass { minutes } => clock.advance(Duration::from_secs(60 * minutes)),
    }
}
