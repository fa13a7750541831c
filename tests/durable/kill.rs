//! `kill -9` of a process that works, again and again: what was acknowledged is there, once.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;
use bursar::{BudgetManager, Estimate, Limit, Usd};
use rusqlite::Connection;

use crate::Folder;

const KILLS: u32 = 120;
const THREADS: u32 = 4;
/// Says to this test binary that it is the child, and which file is its.
const CHILD: &str = "BURSAR_KILL_CHILD";

fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap())
}

fn open(file: &Path, waits: bool, clock: &ManualClock) -> BudgetManager {
    BudgetManager::builder()
        .limit("", Limit::spend(Usd::dollars(1_000_000)))
        .clock(clock.clone())
        .wait_for_disk(waits)
        .journal(SqliteJournal::open(file).unwrap())
        .build()
        .unwrap()
}

/// Says to the child not to wait for the disk when a call ends.
const DETACHED: &str = "BURSAR_KILL_DETACHED";

/// The child: each thread makes calls on an account of its own, and says so when each is booked.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Ok(file) = std::env::var(CHILD) else { return };
    let budget = open(Path::new(&file), std::env::var(DETACHED).is_err(), &clock());
    thread::scope(|scope| {
        for worker in 0..THREADS {
            let budget = &budget;
            scope.spawn(move || {
                let account = budget.account(&format!("worker/{worker}")).unwrap();
                loop {
                    let hold = account.reserve(&Estimate::fixed(Usd::cents(5))).unwrap();
                    hold.settle_cost(Usd::cents(3));
                    // Written by one call, so that a line is whole or not there.
                    let _ = std::io::stdout().write_all(format!("booked {worker}\n").as_bytes());
                }
            });
        }
    });
}

/// Kills the child that many times; returns how many calls each worker said to be booked.
fn kill(file: &Path, kills: u32, detached: bool) -> Vec<i128> {
    let mut acknowledged = vec![0_i128; THREADS as usize];
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kill::child", "--nocapture", "--test-threads=1"])
            .env(CHILD, file)
            .envs(detached.then_some((DETACHED, "")))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // At a moment of its own each time: after so many answers, in the middle of the next.
        let answers = 1 + (round * 7_919) % 61;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut count = |lines: &mut dyn Iterator<Item = std::io::Result<String>>, most: u32| {
            let booked = lines.map_while(Result::ok).filter_map(|line| {
                line.rsplit_once("booked ").and_then(|(_, worker)| worker.parse::<usize>().ok())
            });
            booked.take(most as usize).for_each(|worker| acknowledged[worker] += 1);
        };
        count(&mut lines, answers);
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        count(&mut lines, u32::MAX);
    }
    acknowledged
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_is_there_once() {
    let folder = Folder::new("kill");
    let file = folder.file("budget.db");
    let acknowledged = kill(&file, KILLS, false);
    let booked = check(&file);
    for (worker, (booked, acknowledged)) in booked.iter().zip(&acknowledged).enumerate() {
        // At most one call of each thread and life was booked and not yet acknowledged.
        let unheard = booked - acknowledged;
        assert!((0..=i128::from(KILLS)).contains(&unheard), "{worker}: {booked}, {acknowledged}");
    }
    assert!(acknowledged.iter().sum::<i128>() > i128::from(KILLS));
}

/// Of calls whose end did not wait for the disk, each is charged, or its hold is there and is charged
/// in full when its lease ends.
#[test]
fn what_was_settled_and_not_written_falls_to_its_hold() {
    const DETACHED_KILLS: u32 = 40;
    let folder = Folder::new("kill-detached");
    let file = folder.file("budget.db");
    let acknowledged = kill(&file, DETACHED_KILLS, true);
    let booked = check(&file);
    let clock = clock();
    let budget = open(&file, true, &clock);
    let report = budget.report();
    let worker = |worker: usize| report.account(&format!("worker/{worker}")).unwrap();
    let mut spent = Usd::ZERO;
    for (place, (booked, acknowledged)) in booked.iter().zip(&acknowledged).enumerate() {
        let holds = i128::from(worker(place).open_calls);
        // Each life leaves at most one settled call and one reserved one of each thread unacknowledged.
        let unheard = booked + holds - acknowledged;
        assert!((0..=2 * i128::from(DETACHED_KILLS)).contains(&unheard), "{place}: {unheard}");
        let pico = booked * Usd::cents(3).pico() + holds * Usd::cents(5).pico();
        spent = spent.checked_add(Usd::from_pico(pico)).unwrap();
    }
    clock.advance(Duration::from_secs(15 * 60 + 1));
    budget.flush().unwrap();
    assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO));
}

/// Everything in the file fits together; returns how many calls each worker has booked.
fn check(file: &Path) -> Vec<i128> {
    let connection = Connection::open(file).unwrap();
    let whole: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let twice: i64 = connection
        .query_row(
            "SELECT count(*) FROM (SELECT event FROM charges GROUP BY event HAVING count(*) > 1)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(twice, 0);
    let mut ledger = bursar::ledger::Ledger::new();
    let mut journal = SqliteJournal::open(file).unwrap();
    let news = bursar::journal::Journal::begin(&mut journal, 0).unwrap();
    if let Some(snapshot) = news.snapshot {
        ledger = snapshot;
    }
    news.events.iter().for_each(|event| ledger.apply(event));
    ledger.check_invariants().unwrap();
    drop(journal);

    let budget = open(file, true, &clock());
    (0..THREADS)
        .map(|worker| {
            let name = format!("worker/{worker}");
            let spent = budget.account(&name).unwrap().spent().pico();
            let lines: i64 = connection
                .query_row(
                    "SELECT count(*) FROM charges WHERE account = ?1 AND cost = '0.03'",
                    [&name],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(spent, i128::from(lines) * Usd::cents(3).pico());
            i128::from(lines)
        })
        .collect()
}

/// Three processes on one limit: the sum is at the limit and never above.
#[test]
fn three_processes_share_one_limit() {
    let folder = Folder::new("three");
    let file = folder.file("budget.db");
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "kill::spender", "--nocapture"])
                .env(CHILD, &file)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let budget = open(&file, true, &clock());
    assert_eq!((budget.spent(), budget.held()), (Usd::cents(300), Usd::ZERO));
    let connection = Connection::open(&file).unwrap();
    let most: i64 =
        connection.query_row("SELECT count(*) FROM charges", [], |row| row.get(0)).unwrap();
    assert_eq!(most, 300);
}

#[test]
#[ignore = "a child of the test above"]
fn spender() {
    let Ok(file) = std::env::var(CHILD) else { return };
    let budget = BudgetManager::builder()
        .limit("shared", Limit::spend(Usd::dollars(3)))
        .clock(ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap()))
        .wait_for_disk(true)
        .journal(SqliteJournal::options().patience(Duration::from_secs(60)).open(file).unwrap())
        .build()
        .unwrap();
    let account = budget.account("shared").unwrap();
    while account.spent() < Usd::dollars(3) {
        match account.reserve(&Estimate::fixed(Usd::cents(1))) {
            Ok(hold) => drop(hold.settle_cost(Usd::cents(1))),
            Err(error) => assert!(error.denied().is_some(), "{error}"),
        }
        // By its own ledger, brought up to date by each write.
        assert!(account.spent().checked_add(account.held()).unwrap() <= Usd::dollars(3));
        budget.flush().unwrap();
    }
}
