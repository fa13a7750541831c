//! Tests of exports: every charge of a ledger file is a line, exact to the picodollar.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::time::Duration;

use bursar::budget::Correction;
use bursar::clock::{Clock, ManualClock};
use bursar::journal::Charges;
use bursar::ledger::Posting;
use bursar::{BudgetManager, Estimate, Usage, Usd};
use bursar_cli::{write_csv, write_json_lines};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::{Folder, book, booked, charges, clock, open};

fn csv_of(charges: Charges) -> String {
    let mut text = Vec::new();
    write_csv(charges, &mut text).unwrap();
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
    let ask = writer.request(luna.estimate().input(9_000).max_output(400)).tag(&user);
    ask.reserve().unwrap().settle(usage);
    clock.advance(Duration::from_secs(86_400));
    writer.record(Usage::tokens(10, 5)).model(&luna).book().unwrap();
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
    assert_eq!(write_json_lines(charges(&folder), &mut text).unwrap(), 6);
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
fn an_export_that_cannot_be_written_or_read_fails_with_the_reason() {
    let (folder, clock) = (Folder::new("unwritten"), clock());
    drop(open(&folder, &clock).adjust("a", Usd::cents(1), clock.now(), "why"));
    if let Ok(full) = OpenOptions::new().write(true).open("/dev/full") {
        let error = write_json_lines(charges(&folder), full).unwrap_err();
        assert!(error.to_string().starts_with("the export cannot be written: "), "{error}");
    }
    let file = Connection::open(folder.file("budget.db")).unwrap();
    file.execute_batch("UPDATE charges SET kind = 'guessed'").unwrap();
    let error = write_csv(charges(&folder), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("`guessed` is no kind of charge"), "{error}");
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
        written = write_csv(charges(&folder), std::io::sink()).unwrap();
    });
    assert_eq!(written, 100_006);
    assert!(memory.bytes_max < 400_000, "{} bytes at most", memory.bytes_max);
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
