//! The models: small scenes of two or three threads, run in every order in which they can meet.
//!
//! `cargo test` in this folder. The library is built with `--cfg shuttle`: its locks, atomics and
//! threads are then the checker's (`src/sync/model.rs`), which decides at each use of one who goes on.
//! A scene is played again and again, each time in another order, until there is none left with so many
//! *preemptions*: changes of thread where the one that ran could have gone on. Almost every bug of this
//! kind shows with two (Musuvathi and Qadeer, PLDI 2007). A thread that waits for ever is found as a
//! deadlock; shuttle prints the schedule of what failed, for `shuttle::replay`.
//!
//! Each of these faults was put into the code once, and this is who saw it, by the words of its name:
//!
//! | fault | seen by |
//! |---|---|
//! | a reserve is decided under one taking of the lock and applied under the next | `guards`: last cent, given back, inner calls, freezes |
//! | so is a growth | `guards`: outgrow |
//! | a settle books, and gives back under another taking | `guards`: report, lease, inner call, dropped |
//! | notices are read under the lock and cleared under the next | `guards`: alert |
//! | a guard that is dropped gives nothing back, or forgets that it was sent | `guards`: dropped, shared guard, inner call |
//! | what a lease has charged stays charged, or cannot be given back | `guards`: both of leases |
//! | the short way takes calls of a frozen account | `guards`: freezes |
//! | a closing run does not end with its last call; the rest of an inner call is not the outer one's | `guards`: run, inner call |
//! | nobody is woken; the waker that was shown first is kept | nearly all of `waiters` and `lines` |
//! | a call looks for room, and joins the line under another taking | six of `waiters` |
//! | what was found for one who has left is not given back | `waiters`: leaves; `lines`: leaves, manager |
//! | who leaves moves nobody up; nobody stands behind anybody | both: leaves the line |
//! | room is given out after the lock is free, or when all of a transaction is done | both: gets between |
//! | the last in line is served first | `waiters`: came first; `lines`: first is served first |
//! | no alarm, or only the first; a clock that does not look again; no deadline | `waiters`: deadline, each deadline, new day |
//! | who waits is refused when frozen; a changed rule is not noticed | `waiters`: freeze |
//! | inner calls are looked at only as the first in a line | `waiters`: inner call passes |
//! | a leader that ends keeps the flight, wakes nobody, or takes the flight along | `flight`: cancelled, fails, panics |
//! | only one is woken to lead | `flight`: leaves |
//! | a flight is looked for, and put there under another taking; it lands before it is kept; no second look | `flight`: of two, of three |
//! | a flight that has landed stays in the table | `flight`: forgotten |
//! | a waker is put there under another taking than the look | all of `flight`; in a ticket `books`: awaited |
//! | the lead is not passed on | `books`: at once; most of `lines` |
//! | the lead is free before the transaction is over | `books`: flush; `lines`: leaves |
//! | readers see, or jobs are answered, before the commit | `books`: reader, awaited, flush, commit that fails |
//! | the commit's error is not looked at; the ledger ahead is not undone; the outbox is forgotten | `books`: commit that fails, nobody asks; `lines`: fails, leaves, deadline |
//! | the writing thread is not woken, at first or after an error | `books`: awaited, nobody asks; `lines`: four |
//! | the end writes nothing more, leaves the thread asleep, or the thread keeps the manager | `books`: ends, awaited; `lines`: manager |
//! | one job for each transaction | `books`: at once |
//! | whoever gives up takes the job along | `books`: all that drop or end |
//! | who waits is told before the commit, loses the place by a failed one, or is not looked at after it | `lines`: fails, leaves, deadline |
//! | an admission that was given up while it was written is forgotten | `lines`: leaves, manager |
//! | nobody is served in the transaction; an arrival is not looked at | most of `lines` |

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
