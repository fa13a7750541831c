//! Doctests that must not compile: misuses of a hold, each beside a correct use that differs in a
//! line or two. Only `cargo test --doc` compiles this file, and rustdoc does not show it.
//!
//! Only a nightly compiler checks the error numbers. On stable, the correct use shows that the
//! misuse fails for the intended reason, and not because of a typo.

/// Settling a hold twice.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(1));
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
struct SettlingAHoldTwice;

/// Cloning a hold.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let twin = hold.clone();
/// hold.settle_cost(Usd::cents(1));
/// twin.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
struct CloningAHold;

/// Looking at a hold that was settled.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// assert_eq!(hold.held(), Usd::cents(5));
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(1));
/// assert_eq!(hold.held(), Usd::cents(5));
/// # Ok(())
/// # }
/// ```
struct LookingAtAHoldThatWasSettled;

/// Releasing a hold that was settled.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.release();
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(1));
/// hold.release();
/// # Ok(())
/// # }
/// ```
struct ReleasingAHoldThatWasSettled;

/// Settling a hold that was released.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.release();
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
struct SettlingAHoldThatWasReleased;

/// Settling a hold that was refunded.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.refund("it never arrived");
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.refund("it never arrived");
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
struct SettlingAHoldThatWasRefunded;

/// Settling a hold that was dropped.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// drop(hold);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// drop(hold);
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
struct SettlingAHoldThatWasDropped;

/// Growing a hold that was settled.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let mut hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.grow_cost(Usd::cents(1))?;
/// hold.settle_cost(Usd::cents(6));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let mut hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(5));
/// hold.grow_cost(Usd::cents(1))?;
/// # Ok(())
/// # }
/// ```
struct GrowingAHoldThatWasSettled;

/// Using a hold that moved to another task.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let task = std::thread::spawn(move || hold.settle_cost(Usd::cents(1)));
/// assert!(task.join().is_ok());
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let task = std::thread::spawn(move || hold.settle_cost(Usd::cents(1)));
/// hold.settle_cost(Usd::cents(1));
/// assert!(task.join().is_ok());
/// # Ok(())
/// # }
/// ```
struct UsingAHoldThatMovedToAnotherTask;

/// Giving one hold to two tasks.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let one = std::thread::spawn(move || drop(hold));
/// assert!(one.join().is_ok());
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let one = std::thread::spawn(move || drop(hold));
/// let two = std::thread::spawn(move || drop(hold));
/// assert!(one.join().is_ok() && two.join().is_ok());
/// # Ok(())
/// # }
/// ```
struct GivingOneHoldToTwoTasks;

/// Growing a hold from two places at once.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let mut hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let one = &mut hold;
/// one.grow_cost(Usd::cents(1))?;
/// let two = &mut hold;
/// two.grow_cost(Usd::cents(1))?;
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0499
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let mut hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let one = &mut hold;
/// let two = &mut hold;
/// two.grow_cost(Usd::cents(1))?;
/// one.grow_cost(Usd::cents(1))?;
/// # Ok(())
/// # }
/// ```
struct GrowingAHoldFromTwoPlacesAtOnce;

/// Settling a hold while its call is being sent.
///
/// ```
/// # use bursar::agent::testing::block_on;
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let call = hold.sending(async { 1 });
/// assert_eq!(block_on(call), 1);
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0505
/// # use bursar::agent::testing::block_on;
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let call = hold.sending(async { 1 });
/// hold.settle_cost(Usd::cents(1));
/// assert_eq!(block_on(call), 1);
/// # Ok(())
/// # }
/// ```
struct SettlingAHoldWhileItsCallIsBeingSent;

/// Asking inside a call that has ended.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let ask = crawler.request(Estimate::fixed(Usd::cents(2))).inside(&hold);
/// ask.reserve()?.settle_cost(Usd::cents(1));
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0505
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let ask = crawler.request(Estimate::fixed(Usd::cents(2))).inside(&hold);
/// hold.settle_cost(Usd::cents(1));
/// ask.reserve()?.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
struct AskingInsideACallThatHasEnded;

/// Handing a hold to a stream and settling it.
///
/// ```
/// # use bursar::agent::testing::Items;
/// # use bursar::agent::BudgetedStream;
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let stream = BudgetedStream::new(hold, Items::new([Ok::<u8, String>(1)]), |_, _| {});
/// drop(stream);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::agent::testing::Items;
/// # use bursar::agent::BudgetedStream;
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let stream = BudgetedStream::new(hold, Items::new([Ok::<u8, String>(1)]), |_, _| {});
/// hold.settle_cost(Usd::cents(1));
/// drop(stream);
/// # Ok(())
/// # }
/// ```
struct HandingAHoldToAStreamAndSettlingIt;

/// Reserving twice with one question.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let ask = crawler.request(Estimate::fixed(Usd::cents(2)));
/// ask.reserve()?.release();
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let ask = crawler.request(Estimate::fixed(Usd::cents(2)));
/// ask.reserve()?.release();
/// ask.reserve()?.release();
/// # Ok(())
/// # }
/// ```
struct ReservingTwiceWithOneQuestion;

/// Awaiting one place in line twice.
///
/// ```
/// # use bursar::agent::testing::block_on;
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # use std::time::Duration;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let waiting = crawler.request(Estimate::fixed(Usd::cents(2))).wait(Duration::ZERO);
/// block_on(waiting)?.release();
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::agent::testing::block_on;
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # use std::time::Duration;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let waiting = crawler.request(Estimate::fixed(Usd::cents(2))).wait(Duration::ZERO);
/// block_on(waiting)?.release();
/// block_on(waiting)?.release();
/// # Ok(())
/// # }
/// ```
struct AwaitingOnePlaceInLineTwice;

/// Using a run that was closed.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let run = crawler.run("1")?;
/// run.reserve(&Estimate::fixed(Usd::cents(1)))?.release();
/// run.close();
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let run = crawler.run("1")?;
/// run.close();
/// run.reserve(&Estimate::fixed(Usd::cents(1)))?.release();
/// # Ok(())
/// # }
/// ```
struct UsingARunThatWasClosed;

/// Closing a run twice.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let run = crawler.run("1")?;
/// run.close();
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let run = crawler.run("1")?;
/// run.close();
/// run.close();
/// # Ok(())
/// # }
/// ```
struct ClosingARunTwice;

/// Making a hold out of nothing.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let made: Option<bursar::Reservation> = Some(hold);
/// drop(made);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0599
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// let made: bursar::Reservation = bursar::Reservation::default();
/// drop((made, hold));
/// # Ok(())
/// # }
/// ```
struct MakingAHoldOutOfNothing;

/// Money times a float.
///
/// ```
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// assert_eq!(Usd::cents(50).checked_mul(2), Some(Usd::dollars(1)));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0369
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// # let crawler = budget.account("crawler")?;
/// let hold = crawler.reserve(&Estimate::fixed(Usd::cents(5)))?;
/// assert_eq!(Usd::cents(50) * 2.0, Usd::dollars(1));
/// # Ok(())
/// # }
/// ```
struct MoneyTimesAFloat;

/// Forgetting to keep a hold, where warnings are errors.
///
/// ```
/// #![deny(unused_must_use)]
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// let hold = budget.reserve("crawler", &Estimate::fixed(Usd::cents(5)))?;
/// hold.settle_cost(Usd::cents(1));
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// # use bursar::{BudgetManager, Estimate, Usd};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let budget = BudgetManager::new(Usd::dollars(1))?;
/// budget.reserve("crawler", &Estimate::fixed(Usd::cents(5)))?;
/// # Ok(())
/// # }
/// ```
struct NotKeepingAHold;
