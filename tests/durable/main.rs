//! Owns the tests of what survives: a restart, `kill -9`, several processes, a failing journal; and of what is
//! made of it: exports, and comparisons with invoices.
#![cfg(feature = "sqlite")]

mod awaited;
mod disk;
mod export;
mod faults;
mod files;
mod invoices;
mod kill;
mod life;
mod reconcile;
mod shared;
mod verify;

use std::path::PathBuf;

/// A folder of its own for each test, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("bursar-{}-{name}", std::process::id()));
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
