//! Owns the models: small scenes of two or three threads, run in every order in which they can meet.
//!
//! `cargo test` in this folder. The library is built with `--cfg shuttle`: its locks, atomics and
//! threads are then the checker's (`src/sync/model.rs`), which decides at each use of one who goes on.
//! A scene is played again and again, each time in another order, until there is none left with so many
//! *preemptions*: changes of thread where the one that ran could have gone on. Almost every bug of this
//! kind shows with two (Musuvathi and Qadeer, PLDI 2007). A thread that waits for ever is found as a
//! deadlock; shuttle prints the schedule of what failed, for `shuttle::replay`.

#[cfg(not(shuttle))]
compile_error!(
    "the models need `--cfg shuttle`: run `cargo test` in tests/models, without RUSTFLAGS"
);

#[cfg(all(test, shuttle))]
mod books;
#[cfg(all(test, shuttle))]
mod disk;
#[cfg(all(test, shuttle))]
mod explore;
#[cfg(all(test, shuttle))]
mod flight;
#[cfg(all(test, shuttle))]
mod guards;
#[cfg(all(test, shuttle))]
mod lines;
#[cfg(all(test, shuttle))]
mod waiters;
