//! Real faults of a disk and of a file under a manager that works: full, at a limit of size, not
//! to be written, locked, moved, replaced. Each is the same story: a reserve is refused with the
//! remedy, a settle is kept, one alert says so, and when the fault is over all is written, once.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar::clock::ManualClock;
use bursar::journal::SqliteJournal;
use bursar::{Alert, BudgetManager, Estimate, ReserveError, Usage, Usd};
use rusqlite::Connection;

use crate::Folder;

/// Says to this test binary that it is a child, and which folder is its.
const CHILD: &str = "BURSAR_DISK_CHILD";
/// Nobody, where the tests run as root, whom no file mode stops.
const NOBODY: u32 = 65_534;

struct World {
    file: PathBuf,
    budget: BudgetManager,
    alerts: Arc<Mutex<Vec<String>>>,
}

fn clock() -> ManualClock {
    ManualClock::at("2026-11-24T09:30:00Z".parse().unwrap())
}

impl World {
    fn new(file: PathBuf) -> World {
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&alerts);
        let journal = SqliteJournal::options().patience(Duration::ZERO).open(&file).unwrap();
        let budget = BudgetManager::builder()
            .clock(clock())
            .on_alert(move |alert: &Alert| heard.lock().unwrap().push(alert.to_string()))
            .wait_for_disk(true)
            .journal(journal)
            .build()
            .unwrap();
        World { file, budget, alerts }
    }

    /// Breaks something, works, mends it, and looks at what became of all.
    fn story(self, breaks: impl FnOnce(&Path), mends: impl FnOnce(&Path), remedy: &str) {
        let World { file, budget, alerts } = self;
        let account = budget.account("a").unwrap();
        let luna = budget.model("gpt-6-luna").unwrap();
        let reserve = || account.reserve(&Estimate::fixed(Usd::cents(10)));
        let holds = [(); 4].map(|()| reserve().unwrap());
        let [one, two, three, four] = holds;

        breaks(&file);
        for _ in 0..3 {
            let refused = reserve().unwrap_err();
            assert!(matches!(refused, ReserveError::Journal(_)), "{refused}");
            let sentence = refused.to_string();
            assert!(sentence.starts_with("the call cannot be written down: "), "{sentence}");
            assert!(sentence.contains(&*file.to_string_lossy()), "{sentence}");
            assert!(sentence.contains(remedy), "{remedy}: {sentence}");
        }
        assert_eq!(one.settle_cost(Usd::cents(7)).cost, Usd::cents(7));
        two.release();
        three.mark_sent();
        drop(three);
        account.record(Usage::tokens(1_000, 0)).model(&luna).book().unwrap();
        assert!(budget.flush().is_err());
        assert_eq!((budget.spent(), budget.held()), (Usd::ZERO, Usd::cents(40)));
        let told = alerts.lock().unwrap().clone();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("cannot be written and wait: "), "{told:?}");
        assert!(told[0].contains(remedy), "{told:?}");

        mends(&file);
        budget.flush().unwrap();
        let spent = Usd::cents(17).checked_add("0.0001".parse().unwrap()).unwrap();
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::cents(10)));
        four.settle_cost(Usd::cents(1));
        let spent = spent.checked_add(Usd::cents(1)).unwrap();
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO));
        assert_eq!(alerts.lock().unwrap().len(), 1);
        drop((account, luna, budget));

        let journal = SqliteJournal::open(&file).unwrap();
        let budget = BudgetManager::builder()
            .clock(clock())
            .wait_for_disk(true)
            .journal(journal)
            .build()
            .unwrap();
        assert_eq!((budget.spent(), budget.held()), (spent, Usd::ZERO));
        let lines = Connection::open(&file).unwrap();
        let mut lines = lines.prepare("SELECT cost FROM charges ORDER BY cost").unwrap();
        let lines = lines.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let lines: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(lines, ["0.0001", "0.01", "0.07", "0.1"]);
    }
}

/// Runs a test of this file in a process of its own, begun by other words, as nobody if modes are to
/// count.
fn alone(words: &[&str], test: &str, folder: &Path, as_nobody: bool) {
    let test_binary = std::env::current_exe().unwrap();
    let mut all = words.to_vec();
    let test_binary = test_binary.to_string_lossy();
    all.extend([&*test_binary, "--ignored", "--exact", test, "--nocapture", "--test-threads=1"]);
    let mut command = Command::new(all[0]);
    command.args(&all[1..]).env(CHILD, folder);
    if as_nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
}

fn childs_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// A disk of half a megabyte in memory, in a name space of the child's own.
#[test]
fn a_full_disk() {
    let folder = Folder::new("full");
    let mount = "mount -t tmpfs -o size=512k none \"$0\" && exec \"$@\"";
    let place = folder.file("");
    let place = place.to_string_lossy();
    let may = |flags: &&str| {
        let words = [*flags, "sh", "-c", mount, &place, "true"];
        Command::new("unshare").args(words).output().is_ok_and(|done| done.status.success())
    };
    let Some(flags) = ["-m", "-rm"].into_iter().find(may) else {
        return eprintln!("SKIPPED: no disk can be mounted here (`unshare -rm`)");
    };
    let words = ["unshare", flags, "sh", "-c", mount, &place];
    alone(&words, "disk::full", &folder.file(""), false);
}

#[test]
#[ignore = "the child of the test above"]
fn full() {
    let Some(folder) = childs_folder() else { return };
    let ballast = folder.join("ballast");
    World::new(folder.join("budget.db")).story(
        |_| {
            let mut ballast = fs::File::create(&ballast).unwrap();
            while ballast.write_all(&[7; 512]).is_ok() {}
        },
        |_| fs::remove_file(&ballast).unwrap(),
        "the disk is full; free some space",
    );
}

/// No file may grow any more (`ulimit -f`): a write arrives in part, then not at all.
#[test]
fn a_limit_on_the_size_of_files() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return eprintln!("SKIPPED: there is no `prlimit` here");
    }
    let folder = Folder::new("size");
    let ignoring = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    alone(&ignoring, "disk::size_limit", &folder.file(""), false);
}

#[test]
#[ignore = "the child of the test above"]
fn size_limit() {
    let Some(folder) = childs_folder() else { return };
    let limit = |limit: &str| {
        let words = ["--pid", &std::process::id().to_string(), &format!("--fsize={limit}:")];
        assert!(Command::new("prlimit").args(words).status().unwrap().success());
    };
    for (name, more) in [("at-once.db", 0), ("in-part.db", 1_000)] {
        World::new(folder.join(name)).story(
            |file| limit(&(fs::metadata(beside(file, "-wal")).unwrap().len() + more).to_string()),
            |_| limit("unlimited"),
            "look at the disk, and at the limits on the size of files",
        );
    }
}

fn beside(file: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", file.display()))
}

#[test]
fn a_lock_that_another_holds_for_long() {
    let folder = Folder::new("locked");
    let other = Mutex::new(None);
    World::new(folder.file("budget.db")).story(
        |file| {
            let connection = Connection::open(file).unwrap();
            connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
            *other.lock().unwrap() = Some(connection);
        },
        |_| drop(other.lock().unwrap().take()),
        "end that process, or raise `SqliteOptions::patience`",
    );
}

#[test]
fn a_file_that_was_moved_and_is_put_back() {
    let folder = Folder::new("moved");
    let away = folder.file("away.db");
    World::new(folder.file("budget.db")).story(
        |file| fs::rename(file, &away).unwrap(),
        |file| fs::rename(&away, file).unwrap(),
        "it was moved or removed while it was in use; put that one back, or restart the process",
    );
}

/// The old process writes nothing more: not to a file without a name, and not to one of others. Nor
/// does a new one begin a ledger beside the log of the old.
#[test]
fn a_file_that_was_replaced() {
    let folder = Folder::new("replaced");
    let World { file, budget, .. } = World::new(folder.file("budget.db"));
    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(10))).unwrap();
    fs::rename(&file, folder.file("away.db")).unwrap();
    let refused = SqliteJournal::open(&file).unwrap_err().to_string();
    assert!(refused.contains("moved or removed without its log"), "{refused}");
    let new = World::new(folder.file("new.db"));
    new.budget.reserve("b", &Estimate::fixed(Usd::cents(3))).unwrap().settle_cost(Usd::cents(2));
    drop(new);
    fs::rename(folder.file("new.db"), &file).unwrap();
    let refused = budget.reserve("a", &Estimate::fixed(Usd::cents(10))).unwrap_err().to_string();
    assert!(refused.contains("another file was put in its place while it was in use"), "{refused}");
    hold.settle_cost(Usd::cents(9));
    assert_eq!(budget.spent(), Usd::ZERO);
    // The first file is back, with its log: what waited is written.
    fs::rename(folder.file("away.db"), &file).unwrap();
    budget.flush().unwrap();
    assert_eq!(budget.spent(), Usd::cents(9));
}

#[test]
fn a_file_that_was_deleted_is_begun_anew_by_the_next_process() {
    let folder = Folder::new("deleted");
    let World { file, budget, alerts } = World::new(folder.file("budget.db"));
    let hold = budget.reserve("a", &Estimate::fixed(Usd::cents(10))).unwrap();
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&file, end)).unwrap();
    }
    hold.settle_cost(Usd::cents(9));
    assert_eq!(alerts.lock().unwrap().len(), 1);
    assert!(budget.reserve("a", &Estimate::fixed(Usd::cents(10))).is_err());
    assert_eq!(World::new(file.clone()).budget.spent(), Usd::ZERO);
    drop(budget);
    assert_eq!(World::new(file).budget.spent(), Usd::ZERO);
}

/// As somebody whom modes stop.
#[test]
fn a_file_and_a_folder_that_may_not_be_written() {
    let folder = Folder::new("modes");
    let probe = folder.file("probe");
    fs::write(&probe, "x").unwrap();
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o444)).unwrap();
    let is_root = fs::OpenOptions::new().append(true).open(&probe).is_ok();
    if is_root {
        chown(folder.file(""), Some(NOBODY), Some(NOBODY)).unwrap();
        let mut reach = Command::new(std::env::current_exe().unwrap());
        if !reach.arg("--list").uid(NOBODY).gid(NOBODY).output().is_ok_and(|o| o.status.success()) {
            return eprintln!("SKIPPED: only root can run this test binary");
        }
    }
    alone(&[], "disk::modes", &folder.file(""), is_root);
}

#[test]
#[ignore = "the child of the test above"]
fn modes() {
    let Some(folder) = childs_folder() else { return };
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let file = folder.join("budget.db");
    let World { budget, .. } = World::new(file.clone());
    // Who has the file open already goes on writing.
    mode(&file, 0o444);
    budget.reserve("a", &Estimate::fixed(Usd::cents(3))).unwrap().settle_cost(Usd::cents(2));
    drop(budget);
    let says = |what: &str| {
        let error = SqliteJournal::open(&file).unwrap_err().to_string();
        assert!(error.contains(&*file.to_string_lossy()) && error.contains(what), "{error}");
    };
    says("it cannot be written; let this user write the file and its folder");
    mode(&file, 0o000);
    says("see that the folder is there, and that this user may write both");
    mode(&file, 0o644);
    mode(&folder, 0o555);
    says("let this user write the file and its folder");
    mode(&folder, 0o755);
    assert_eq!(World::new(file).budget.spent(), Usd::cents(2));
}
