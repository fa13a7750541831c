//! Owns the tests of exports: what is in a ledger file comes out of it, exactly, and nobody is disturbed.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use bursar::budget::Correction;
use bursar::clock::{Clock, ManualClock};
use bursar::journal::{Charges, SqliteJournal};
use bursar::ledger::{Posting, PostingKind};
use bursar::{BudgetManager, Estimate, Usage, Usd};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::Folder;

pub(crate) fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap())
}

pub(crate) fn open(folder: &Folder, clock: &ManualClock) -> BudgetManager {
    let journal = SqliteJournal::open(folder.file("budget.db")).unwrap();
    BudgetManager::builder().clock(clock.clone()).journal(journal).build().unwrap()
}

fn charges(folder: &Folder) -> Charges {
    Charges::open(folder.file("budget.db")).unwrap()
}

fn csv_of(charges: Charges) -> String {
    let mut text = Vec::new();
    charges.write_csv(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The rows of an export, each by the names of its columns.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// One charge of each kind; the report at the end.
fn one_of_each(budget: &BudgetManager, clock: &ManualClock) {
    let luna = budget.model("gpt-6-luna").unwrap();
    let (writer, user) = (budget.account("team/writer").unwrap(), budget.tag("user:42").unwrap());
    let usage = Usage { cache_read: 500, reasoning: 7, ..Usage::tokens(8_000, 100) };
    let ask = writer.ask(luna.estimate().input(9_000).max_output(400)).tag(&user);
    ask.reserve().unwrap().settle(usage);
    clock.advance(Duration::from_secs(86_400));
    writer.charge(Usage::tokens(10, 5)).model(&luna).record().unwrap();
    let late = budget.reserve("team", &Estimate::fixed(Usd::cents(7))).unwrap();
    late.mark_sent();
    clock.advance(Duration::from_secs(3_600));
    budget.report(); // the lease has ended
    late.settle_cost(Usd::cents(3));
    let less = Correction::new("-0.000000000003".parse().unwrap());
    let less = less.model("openai/gpt-6-luna").tag("user:42");
    budget.adjust("team/writer", less, clock.now(), "=1+1, says \"OpenAI\"\nin November").unwrap();
    budget.flush().unwrap();
}

#[test]
fn an_export_is_csv_with_a_line_for_each_charge() {
    let (folder, clock) = (Folder::new("csv"), clock());
    let budget = open(&folder, &clock);
    one_of_each(&budget, &clock);
    let expected = "\
day,at,reserved_at,account,tags,model,kind,cost_usd,confidence,input_uncached,input_audio,input_image,\
cache_read,cache_read_audio,cache_write_5m,cache_write_30m,cache_write_1h,cache_write_12h,output,reasoning,\
output_audio,output_image,audio_seconds,requests,web_search_requests,file_search_requests,code_containers,\
maps_requests,why
2026-11-24,2026-11-24T09:30:00Z,2026-11-24T09:30:00Z,team/writer,\"[\"\"user:42\"\"]\",openai/gpt-6-luna,settled,\
0.0008585,exact,8000,0,0,500,0,0,0,0,0,100,7,0,0,0,0,0,0,0,0,
2026-11-25,2026-11-25T09:30:00Z,2026-11-25T09:30:00Z,team/writer,,openai/gpt-6-luna,recorded,0.0000035,exact,\
10,0,0,0,0,0,0,0,0,5,0,0,0,0,0,0,0,0,0,
2026-11-25,2026-11-25T10:30:00Z,2026-11-25T09:30:00Z,team,,,expired,0.07,assumed,\
0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
2026-11-25,2026-11-25T10:30:00Z,2026-11-25T09:30:00Z,team,,,reversed,-0.07,assumed,\
0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
2026-11-25,2026-11-25T10:30:00Z,2026-11-25T09:30:00Z,team,,,settled,0.03,reported,\
0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
2026-11-25,2026-11-25T10:30:00Z,2026-11-25T10:30:00Z,team/writer,\"[\"\"user:42\"\"]\",\
openai/gpt-6-luna,adjusted,-0.000000000003,reported,\
0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,\"'=1+1, says \"\"OpenAI\"\"
in November\"
";
    assert_eq!(csv_of(charges(&folder)), expected);
}

#[test]
fn json_lines_say_the_same_and_change_no_text() {
    let (folder, clock) = (Folder::new("jsonl"), clock());
    let budget = open(&folder, &clock);
    one_of_each(&budget, &clock);
    let mut text = Vec::new();
    assert_eq!(charges(&folder).write_json_lines(&mut text).unwrap(), 6);
    let csv = csv_of(charges(&folder));
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let text = String::from_utf8(text).unwrap();
    for (line, row) in text.lines().zip(rows(&csv)) {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).unwrap();
        assert_eq!(object.len(), header.len());
        for column in &header {
            let shown = match &object[*column] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Array(tags) if tags.is_empty() => String::new(),
                other => other.to_string(),
            };
            let cell = &row[*column];
            assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), shown, "{column} of {line}");
        }
    }
    let last = text.lines().last().unwrap();
    assert!(last.contains(r#""cost_usd":"-0.000000000003""#), "{last}");
    assert!(last.contains(r#""tags":["user:42"]"#), "{last}");
    assert!(last.contains(r#""why":"=1+1, says \"OpenAI\"\nin November""#), "{last}");
}

/// An export for a spreadsheet: no name and no reason is a formula.
#[test]
fn no_text_of_an_export_is_a_formula() {
    let (folder, clock) = (Folder::new("formula"), clock());
    let budget = open(&folder, &clock);
    let names = ["=cmd|'!A0", "+1", "-1", "@SUM(A1)", "'quoted", "＝1", "plain-1"];
    for name in names {
        budget.adjust(name, Usd::cents(1), clock.now(), name).unwrap();
    }
    for (row, name) in rows(&csv_of(charges(&folder))).iter().zip(names) {
        for column in ["account", "why"] {
            let cell = &row[column];
            let expected = if name == "plain-1" { name.to_owned() } else { format!("'{name}") };
            assert_eq!(*cell, expected);
        }
        assert_eq!(row["cost_usd"], "0.01");
    }
}

#[test]
fn a_range_of_time_is_that_of_the_calls() {
    let (folder, clock) = (Folder::new("range"), clock());
    let budget = open(&folder, &clock);
    one_of_each(&budget, &clock);
    let between = |from: &str, until: &str| {
        let (from, until) = (from.parse().unwrap(), until.parse().unwrap());
        let kinds =
            charges(&folder).between(from, until).map(|charge| charge.unwrap().kind.as_str());
        kinds.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(between("2026-11-24T09:30:00Z", "2026-11-25T09:30:00Z"), "settled");
    let late = "expired reversed settled"; // booked an hour later, and made before
    assert_eq!(between("2026-11-25T09:30:00Z", "2026-11-25T10:00:00Z"), format!("recorded {late}"));
    assert_eq!(between("2026-11-25T10:30:00Z", "2027-01-01T00:00:00Z"), "adjusted");
    assert_eq!(between("2026-11-25T10:30:00.000001Z", "2027-01-01T00:00:00Z"), "");
    let ends = bursar::clock::Timestamp::MIN..bursar::clock::Timestamp::MAX;
    assert_eq!(charges(&folder).between(ends.start, ends.end).count(), 6);
}

#[test]
fn a_file_in_use_is_read_as_it_was_and_not_changed() {
    let (folder, clock) = (Folder::new("in-use"), clock());
    let budget = open(&folder, &clock);
    let charge = |times| {
        for _ in 0..times {
            budget
                .reserve("a", &Estimate::fixed(Usd::cents(2)))
                .unwrap()
                .settle_cost(Usd::cents(1));
        }
    };
    charge(700);
    let mut reading = charges(&folder);
    let first = reading.next().unwrap().unwrap();
    assert_eq!((first.kind, first.cost), (PostingKind::Settled, Usd::cents(1).pico()));
    charge(50); // the budget does not wait for whoever reads
    assert_eq!(reading.map(Result::unwrap).count(), 699, "more than one page, and nothing newer");
    assert_eq!(charges(&folder).count(), 750);
    drop(budget);

    let file = folder.file("budget.db");
    let before = fs::read(&file).unwrap();
    let mut text = Vec::new();
    assert_eq!(charges(&folder).write_csv(&mut text).unwrap(), 750);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn what_cannot_be_read_is_explained() {
    let (folder, clock) = (Folder::new("unread"), clock());
    drop(open(&folder, &clock).adjust("a", Usd::cents(1), clock.now(), "why"));
    let told = |name: &str| Charges::open(folder.file(name)).unwrap_err().to_string();
    assert!(told("none.db").contains("there is no"), "{}", told("none.db"));
    assert!(!folder.file("none.db").exists(), "and none is made");
    fs::write(folder.file("notes.txt"), "no database ".repeat(200)).unwrap();
    assert!(told("notes.txt").contains("it is no SQLite database"), "{}", told("notes.txt"));
    Connection::open(folder.file("other.db")).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(told("other.db").contains("database of something else"), "{}", told("other.db"));

    let change = |text: &str| {
        Connection::open(folder.file("budget.db")).unwrap().execute_batch(text).unwrap();
    };
    change("UPDATE charges SET cost = 'much'");
    let mut broken = charges(&folder);
    let error = broken.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("the charge with the id 1 is not what was written: `much`"), "{error}");
    assert!(broken.next().is_none(), "nothing after an error");
    change("UPDATE charges SET cost = '1', kind = 'guessed'");
    let error = charges(&folder).write_csv(Vec::new()).unwrap_err().to_string();
    assert!(error.contains("`guessed` is no kind of charge"), "{error}");
    change("UPDATE meta SET value = 99 WHERE name = 'schema'");
    assert!(told("budget.db").contains("was written by a newer bursar"), "{}", told("budget.db"));

    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    change("UPDATE meta SET value = 1; UPDATE charges SET kind = 'adjusted'");
    if let Ok(full) = full {
        let error = charges(&folder).write_json_lines(full).unwrap_err();
        assert!(error.to_string().starts_with("the export cannot be written: "), "{error}");
    }
}

/// A hundred thousand lines in the memory of a few hundred.
#[test]
fn an_export_takes_the_memory_of_a_page() {
    let (folder, clock) = (Folder::new("memory"), clock());
    one_of_each(&open(&folder, &clock), &clock);
    let file = Connection::open(folder.file("budget.db")).unwrap();
    let columns: Vec<String> = {
        let mut ask = file.prepare("SELECT name FROM pragma_table_info('charges')").unwrap();
        let names = ask.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).filter(|name| name != "id").collect()
    };
    let columns = columns.join(", ");
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)";
    file.execute_batch(&format!(
        "INSERT INTO charges ({columns}) {many} SELECT {columns} FROM n, charges WHERE id = 1"
    ))
    .unwrap();
    let mut written = 0;
    let memory = allocation_counter::measure(|| {
        written = charges(&folder).write_csv(std::io::sink()).unwrap();
    });
    assert_eq!(written, 100_006);
    assert!(memory.bytes_max < 400_000, "{} bytes at most", memory.bytes_max);
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
            let ask = account.ask(model(of).estimate().input(input + cached).max_output(output));
            let ask = if tag { ask.tag(&user) } else { ask };
            let usage = Usage { cache_read: cached, ..Usage::tokens(input, output) };
            ask.reserve().unwrap().settle(usage);
        }
        Booked::Recorded { account: at, model: of, input, output } => {
            account(at).charge(Usage::tokens(input, output)).model(&model(of)).record().unwrap();
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

fn few() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few())]

    /// What is parsed out of an export adds up to the report, to the picodollar.
    #[test]
    fn an_export_adds_up_to_the_report(all in prop::collection::vec(booked(), 1..40)) {
        let (folder, clock) = (Folder::new("adds-up"), clock());
        let budget = open(&folder, &clock);
        for one in &all {
            book(&budget, &clock, one);
        }
        budget.flush().unwrap(); // a guard that was dropped is written by another thread
        let report = budget.report();
        let rows = rows(&csv_of(charges(&folder)));
        let cost = |row: &BTreeMap<String, String>| row["cost_usd"].parse::<Usd>().unwrap();
        for account in &report.accounts {
            let path = account.account.as_str();
            let within = |row: &&BTreeMap<String, String>| {
                let own = &row["account"];
                path.is_empty() || own == path || own.starts_with(&format!("{path}/"))
            };
            let spent = Usd::checked_sum(rows.iter().filter(within).map(cost)).unwrap();
            prop_assert_eq!(spent, account.spent, "account `{}`", path);
            let sum = |column: &str| -> i64 {
                rows.iter().filter(within).map(|row| row[column].parse::<i64>().unwrap()).sum()
            };
            prop_assert_eq!(sum("input_uncached"), account.usage.input_uncached as i64);
            prop_assert_eq!(sum("cache_read"), account.usage.cache_read as i64);
            prop_assert_eq!(sum("output"), account.usage.output as i64);
        }
        for tag in report.tags.iter().filter(|tag| tag.account.as_str() == "user:42") {
            let tagged = rows.iter().filter(|row| row["tags"].contains("user:42"));
            prop_assert_eq!(Usd::checked_sum(tagged.map(cost)).unwrap(), tag.spent);
        }
        for model in &report.models {
            let name = model.model.as_deref().unwrap_or_default();
            let used = rows.iter().filter(|row| row["model"] == name);
            prop_assert_eq!(Usd::checked_sum(used.map(cost)).unwrap(), model.cost, "{}", name);
        }
        let read: Vec<Posting> = charges(&folder).map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), rows.len());
    }
}
