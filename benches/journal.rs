//! Prints what durability costs: pairs of reserve and settle with a journal, against the same in
//! memory and against a bare SQLite insert pair in the same run. `cargo bench --features sqlite --bench
//! journal`; `-- open 1000000` measures opening a file with so many charges. `-- ours 2000` and `-- bare 2000`
//! make so many pairs with one thread and print nothing, for an instruction count on a busy machine.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use bursar::journal::{Durability, Journal, SqliteJournal};
use bursar::ledger::{Booking, Change, Command, Reserve, Settle};
use bursar::{BudgetManager, Estimate, Limit, Period, Usd};
use rusqlite::{Connection, params};

const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 5;
const THREADS: [usize; 3] = [1, 8, 64];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let folder = std::env::temp_dir().join(format!("bursar-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the files");
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ours", pairs] => counted(&folder, pairs.parse().expect("a number of pairs"), true),
        ["bare", pairs] => counted(&folder, pairs.parse().expect("a number of pairs"), false),
        ["open", charges] => opening(&folder, charges.parse().expect("a number of charges")),
        _ => pairs(&folder),
    }
    let _ = std::fs::remove_dir_all(&folder);
}

fn pairs(folder: &Path) {
    println!("| work | threads | pairs a second | times the bare insert pair of one thread |");
    println!("|---|---:|---:|---:|");
    for durability in [Durability::ProcessDeath, Durability::PowerLoss] {
        let name = match durability {
            Durability::PowerLoss => "FULL",
            _ => "NORMAL",
        };
        let bare = bare(&folder.join(format!("bare-{name}.db")), name);
        let budgets: Vec<_> = THREADS
            .iter()
            .map(|threads| {
                let file = folder.join(format!("{name}-{threads}.db"));
                let options = SqliteJournal::options().durability(durability);
                let journal = options.open(file).expect("a journal");
                (*threads, limits().journal(journal).build().expect("a manager"))
            })
            .collect();
        let memory = limits().build().expect("a manager");
        let mut measured = vec![Vec::new(); budgets.len() + 2];
        for _ in 0..ROUNDS {
            measured[0].push(rate(1, &bare));
            measured[1].push(rate(1, &|_| pair(&memory, 0)));
            for (place, (threads, budget)) in budgets.iter().enumerate() {
                measured[place + 2].push(rate(*threads, &|thread| pair(budget, thread)));
            }
        }
        let rates: Vec<f64> = measured.iter_mut().map(|rates| median(rates)).collect();
        let line = |work: &str, threads: usize, rate: f64| {
            println!("| {work}, {name} | {threads} | {rate:.0} | {:.2} |", rates[0] / rate);
        };
        line("bare insert pair", 1, rates[0]);
        line("in memory", 1, rates[1]);
        for ((threads, _), rate) in budgets.iter().zip(&rates[2..]) {
            line("reserve and settle", *threads, *rate);
        }
    }
}

/// So many pairs of one thread, NORMAL.
fn counted(folder: &Path, pairs: usize, ours: bool) {
    if ours {
        let journal = SqliteJournal::open(folder.join("ours.db")).expect("a journal");
        let budget = limits().journal(journal).build().expect("a manager");
        (0..pairs).for_each(|_| pair(&budget, 0));
    } else {
        let bare = bare(&folder.join("bare.db"), "NORMAL");
        (0..pairs).for_each(|_| bare(0));
    }
}

fn limits() -> bursar::budget::Builder {
    BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(1_000_000_000)).per(Period::MONTH))
        .limit("a/*", Limit::spend(Usd::dollars(1_000_000_000)).per(Period::DAY))
}

fn pair(budget: &BudgetManager, thread: usize) {
    let hold = budget.reserve(&format!("a/{thread}"), &Estimate::fixed(Usd::cents(2)));
    hold.expect("room").settle_cost(Usd::cents(1));
}

/// Two transactions, each of one row of the size of an event; the second of a charge too.
fn bare(file: &Path, synchronous: &str) -> impl Fn(usize) + Sync + use<> {
    let connection = Connection::open(file).expect("a database");
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous};
             CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT, seal INTEGER);
             CREATE TABLE charges (id INTEGER PRIMARY KEY, account TEXT, cost TEXT)"
        ))
        .expect("tables");
    let connection = Mutex::new(connection);
    let event = "x".repeat(600);
    move |_| {
        let connection = connection.lock().expect("one thread");
        for charges in [false, true] {
            let run = |text: &str| {
                connection.prepare_cached(text).and_then(|mut run| run.execute([])).map(|_| ())
            };
            run("BEGIN IMMEDIATE").expect("begun");
            let mut insert = connection
                .prepare_cached("INSERT INTO events (event, seal) VALUES (?1, ?2)")
                .expect("prepared");
            insert.execute(params![event, 7]).expect("inserted");
            if charges {
                let text = "INSERT INTO charges (account, cost) VALUES ('a/b', '0.01')";
                run(text).expect("inserted");
            }
            run("COMMIT").expect("committed");
        }
    }
}

/// How often a second the threads together do it.
fn rate(threads: usize, work: &(impl Fn(usize) + Sync)) -> f64 {
    let started = Instant::now();
    let done: u64 = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let mut done = 0_u64;
                    while started.elapsed() < ROUND {
                        work(thread);
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
    });
    done as f64 / started.elapsed().as_secs_f64()
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// How long it takes to open a file with so many charges, and how large it is. They are written as the
/// manager would, but five thousand calls in each transaction.
fn opening(folder: &Path, charges: u64) {
    let file: PathBuf = folder.join("open.db");
    fill(&file, charges);
    let bytes = std::fs::metadata(&file).map_or(0, |file| file.len());
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            let journal = SqliteJournal::open(&file).expect("a journal");
            let budget = limits().journal(journal).build().expect("a manager");
            assert!(budget.spent() > Usd::ZERO);
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let time = median(&mut times);
    println!("{charges} charges: opened in {time:.0} ms, {} MB", bytes / 1_000_000);
}

fn fill(file: &Path, charges: u64) {
    let journal = SqliteJournal::open(file).expect("a journal");
    let budget = limits().journal(journal).build().expect("a manager");
    (0..64).for_each(|number| drop(budget.account(&format!("a/{number}"))));
    drop(budget);

    let mut journal = SqliteJournal::open(file).expect("a journal");
    let news = journal.begin(0).expect("begun");
    journal.roll_back();
    let mut ledger = news.snapshot.unwrap_or_default();
    news.events.iter().for_each(|event| ledger.apply(event));
    ledger.keep_entries(true);
    let accounts = ledger.accounts().filter(|account| account.path.as_str().starts_with("a/"));
    let accounts: Vec<_> = accounts.map(|account| account.id).collect();
    let mut number = 0;
    while number < charges {
        journal.begin(ledger.events()).expect("begun");
        let first = ledger.events() + 1;
        for _ in 0..5_000 {
            let now = ledger.now();
            let account = accounts[number as usize % accounts.len()];
            let reserve = Command::Reserve(Reserve::fixed(account, Usd::cents(2)));
            let held = ledger.execute(now, &reserve).expect("room").change;
            let Change::Reserved(held) = held else { continue };
            let settle = Settle::cost(held.hold, Booking::Exactly(Usd::cents(1).pico()));
            ledger.execute(now, &Command::Settle(settle)).expect("settled");
            number += 1;
        }
        journal.append(first, &ledger.take_entries()).expect("appended");
        let _ = ledger.take_notices();
        // As late as the manager would at most: opening reads all that came after the last snapshot.
        if number < charges {
            journal.keep(&ledger).expect("kept");
        }
        journal.commit().expect("committed");
    }
}
