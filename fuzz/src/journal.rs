//! The target `journal`: a ledger file of which bytes and rows were changed, and any text as an
//! event or a snapshot.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bursar::clock::{ManualClock, Timestamp};
use bursar::journal::{Journal, SqliteJournal};
use bursar::ledger::{
    AccountId, Adjust, Booking, Change, Command, Event, Ledger, Limit, ModelId, Path, Record,
    Reserve, Scope, Settle, Target,
};
use bursar::{BudgetManager, Confidence, Estimate, Usage, Usd};
use rusqlite::Connection;

/// The first byte says whether the rest is text to decode or changes of a file. A changed file is
/// refused with a sentence, or it is exactly the ledger of some moment.
pub fn run(data: &[u8]) {
    match data.split_first() {
        Some((b't', text)) => decode(text),
        Some((b'f', changes)) => open_changed(changes),
        _ => {}
    }
}

fn decode(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(event) = serde_json::from_str::<Event>(text) {
        let again = serde_json::to_string(&event).expect("an event has a text");
        assert_eq!(serde_json::from_str::<Event>(&again).ok(), Some(event));
    }
    if let Ok(ledger) = serde_json::from_str::<Ledger>(text) {
        let again = serde_json::to_string(&ledger).expect("a ledger has a text");
        assert_eq!(serde_json::from_str::<Ledger>(&again).ok(), Some(ledger));
    }
}

/// A file with two snapshots, its log not yet copied into it, and what the ledger was after each event.
struct Original {
    file: Vec<u8>,
    log: Vec<u8>,
    moments: Vec<Ledger>,
}

fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = root.join(format!("bursar-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let place = folder().join("original.db");
        let mut journal = SqliteJournal::open(&place).expect("a journal");
        let mut ledger = Ledger::new();
        ledger.keep_entries(true);
        let mut moments = vec![moment(&ledger)];
        for (number, command) in commands().iter().enumerate() {
            let now = Timestamp::from_secs(1_790_000_000 + number as i64);
            journal.begin(ledger.events()).expect("begun");
            ledger.execute(now, command).expect("a command that can be");
            journal.append(ledger.events(), &ledger.take_entries()).expect("appended");
            if [9, 18].contains(&number) {
                journal.keep(&ledger).expect("kept");
            }
            journal.commit().expect("committed");
            moments.push(moment(&ledger));
            if number == 20 {
                let other = Connection::open(&place).expect("a second connection");
                let copy = "PRAGMA wal_checkpoint(PASSIVE)";
                other.query_row(copy, [], |_| Ok(())).expect("copied");
            }
        }
        let file = fs::read(&place).expect("a file");
        let log = fs::read(place.with_extension("db-wal")).expect("a log");
        drop(journal);
        let _ = fs::remove_file(place);
        Original { file, log, moments }
    })
}

/// The ledger, as it would be read.
fn moment(ledger: &Ledger) -> Ledger {
    let mut ledger = ledger.clone();
    ledger.keep_entries(false);
    let _ = (ledger.take_entries(), ledger.take_notices());
    ledger
}

/// A command of each kind that charges something, and a hold that stays.
fn commands() -> Vec<Command> {
    let a = AccountId::from((1, 0));
    let reserve = |cents| Command::Reserve(Reserve::fixed(a, Usd::cents(cents)));
    // What the commands before have made, told by replaying them.
    let mut ledger = Ledger::new();
    let mut all = Vec::new();
    let mut add = |command: Command| {
        let event = ledger.execute(Timestamp::from_secs(1_790_000_000), &command);
        all.push(command);
        match event.expect("a command that can be").change {
            Change::Reserved(reserved) => Some(reserved.hold),
            _ => None,
        }
    };
    let limit = Limit::spend(Usd::dollars(1)).alert_at([50]);
    add(Command::OpenAccount { path: Path::new("a").expect("a path") });
    add(Command::SetLimit { scope: Scope::new("").expect("a path"), limit });
    add(Command::NameModel { name: "openai/gpt-6-luna".into() });
    for cents in 1..=7 {
        let hold = add(reserve(cents + 1)).expect("a hold");
        let booking = Booking::Exactly(Usd::cents(cents).pico());
        add(Command::Settle(Settle::cost(hold, booking)));
    }
    let target = Target::account(a);
    add(Command::Record(Record {
        target,
        cost: 5_000_000,
        usage: Usage::tokens(100, 10),
        model: ModelId::NONE,
        confidence: Confidence::Exact,
        key: Some(7),
    }));
    let about = Timestamp::from_secs(1_790_000_000);
    let why = "invoice 17".into();
    add(Command::Adjust(Adjust { target, cost: -1_000_000, about, why }));
    let released = add(reserve(3)).expect("a hold");
    add(Command::Release { hold: released });
    add(Command::Freeze { account: a, why: "enough".into() });
    add(Command::Thaw { account: a });
    add(reserve(9));
    all
}

/// A file that goes with its owner.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

fn open_changed(changes: &[u8]) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let Original { file, log, moments } = original();
    let place = folder().join(format!("{}.db", NUMBER.fetch_add(1, Ordering::Relaxed)));
    let copy = Copy(place.clone());
    let (mut file, mut log) = (file.clone(), log.clone());
    let rows = change_bytes(changes, &mut file, &mut log);
    fs::write(&place, file).expect("a file is written");
    fs::write(place.with_extension("db-wal"), log).expect("a log is written");
    if let Some(rows) = rows {
        change_rows(rows, &place);
    }
    // Other tables than ours, wherever they may come from, are no ledger.
    let mut journal = match SqliteJournal::open(&place) {
        Ok(journal) => journal,
        Err(error) => return assert!(error.to_string().contains("bursar-fuzz"), "{error}"),
    };
    let news = match journal.begin(0) {
        Ok(news) => news,
        Err(error) => return assert!(error.to_string().contains("bursar-fuzz"), "{error}"),
    };
    journal.roll_back();
    let mut ledger = news.snapshot.unwrap_or_default();
    news.events.iter().for_each(|event| ledger.apply(event));
    ledger.check_invariants().expect("the recount agrees");
    let number = usize::try_from(ledger.events()).expect("few events");
    assert_eq!(moments.get(number), Some(&moment(&ledger)), "not what it was after {number}");

    // It can be worked with, or says why not; and what is told to be written is there afterwards.
    let clock = ManualClock::at(Timestamp::from_secs(1_790_000_100));
    let build = |journal| BudgetManager::builder().clock(clock.clone()).journal(journal).build();
    let Ok(budget) = build(journal) else { return };
    let Ok(hold) = budget.reserve("b", &Estimate::fixed(Usd::cents(2))) else { return };
    hold.settle_cost(Usd::cents(1));
    let written = budget.flush();
    let spent = budget.spent();
    drop(budget);
    if written.is_ok() {
        let again = SqliteJournal::open(&place).ok().and_then(|journal| build(journal).ok());
        assert_eq!(again.map(|budget| budget.spent()), Some(spent));
    }
    drop(copy);
}

/// Changes of four bytes each: what, where (two bytes), to what. Returns what is left for rows.
fn change_bytes<'d>(
    mut changes: &'d [u8],
    file: &mut Vec<u8>,
    log: &mut Vec<u8>,
) -> Option<&'d [u8]> {
    for _ in 0..64 {
        let ([what, low, high, to], rest) = changes.split_first_chunk()?;
        changes = rest;
        let bytes = if what & 1 == 0 { &mut *file } else { &mut *log };
        let place = usize::from(u16::from_le_bytes([*low, *high])) * (1 + usize::from(what >> 6));
        let place = place % bytes.len().max(1);
        match what >> 1 & 7 {
            0 => return Some(changes),
            1 => bytes.truncate(place),
            2 => {
                bytes.iter_mut().skip(place).take(usize::from(*to) * 16).for_each(|byte| *byte = 0)
            }
            3 => bytes.iter_mut().skip(place).take(16).for_each(|byte| *byte ^= to),
            _ => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = *to),
        }
    }
    Some(changes)
}

/// Changes of rows as somebody with a shell would make them; what SQLite refuses stays as it was.
fn change_rows(changes: &[u8], place: &std::path::Path) {
    let Ok(connection) = Connection::open(place) else { return };
    for change in changes.chunks_exact(4).take(16) {
        let [what, row, at, to] = [change[0], change[1], change[2], change[3]];
        let (row, to) = (row % 32, to % 64);
        let text = |table: &str, column: &str| {
            let place = u16::from(at) * 4;
            format!(
                "UPDATE {table} SET {column} = substr({column}, 1, {place}) || char({to} + 48) || \
                 substr({column}, {place} + 2) WHERE number = {row}"
            )
        };
        let sql = match what % 16 {
            0 => text("events", "event"),
            1 => text("snapshots", "ledger"),
            2 => format!("DELETE FROM events WHERE number = {row}"),
            3 => format!("DELETE FROM events WHERE number > {row}"),
            4 => format!("DELETE FROM events WHERE number <= {row}"),
            5 => format!("DELETE FROM snapshots WHERE number = {row}"),
            6 => "DELETE FROM snapshots".to_owned(),
            7 => format!("UPDATE events SET seal = seal + {to} WHERE number = {row}"),
            8 => format!("UPDATE snapshots SET number = number + {to} WHERE number <= {row}"),
            9 => format!("UPDATE OR REPLACE events SET number = {to} WHERE number = {row}"),
            10 => format!("UPDATE events SET event = x'{to:02x}' WHERE number = {row}"),
            11 => format!("UPDATE meta SET value = {to}"),
            12 => format!("DELETE FROM charges WHERE event >= {row}"),
            13 => format!("INSERT INTO events VALUES ({to}, '{{}}', 0)"),
            14 => format!("UPDATE charges SET event = {to} * 9 WHERE event = {row}"),
            _ => "DROP TABLE IF EXISTS snapshots".to_owned(),
        };
        let _ = connection.execute_batch(&sql);
    }
}
