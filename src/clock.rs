//! Time: [`Timestamp`], the [`Clock`] trait, [`SystemClock`], and [`ManualClock`] for tests.
//!
//! A budget takes the machine's clock unless [`Builder::clock`](crate::budget::Builder::clock) gives
//! it another: [`ManualClock`] in tests and simulations.

mod alarms;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::parse::ParseError;
use crate::sync::Lock;
use crate::sync::atomic::{AtomicI64, Ordering};
pub(crate) use alarms::wake_all;
use alarms::{Alarms, Bell};

/// A moment: microseconds since 1970-01-01T00:00:00Z.
///
/// Written and read as RFC 3339 text.
///
/// ```
/// use bursar::clock::Timestamp;
///
/// let start: Timestamp = "2026-11-24T09:30:00Z".parse()?;
/// assert_eq!(start.as_micros(), 1_795_512_600_000_000);
/// assert_eq!(start.plus(std::time::Duration::from_secs(90)).to_string(), "2026-11-24T09:31:30Z");
/// # Ok::<(), bursar::parse::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before everything.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// After everything: what never comes.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The last moment that comes.
    pub(crate) const LAST: Timestamp = Timestamp(i64::MAX - 1);

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// Seconds since 1970-01-01T00:00:00Z; what does not fit becomes [`MIN`](Timestamp::MIN) or
    /// [`MAX`](Timestamp::MAX).
    pub const fn from_secs(secs: i64) -> Timestamp {
        Timestamp(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment `span` later; [`Timestamp::MAX`] if there is none.
    #[must_use]
    pub fn plus(self, span: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(micros(span)))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let span = i128::from(self.0).saturating_sub(i128::from(earlier.0));
        Duration::from_micros(u64::try_from(span).unwrap_or(0))
    }

    fn civil(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_microsecond(self.0).ok()
    }
}

/// A span in microseconds, at most `i64::MAX`.
pub(crate) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.civil() {
            Some(moment) => fmt::Display::fmt(&moment, f),
            None if self.0 < 0 => f.write_str("before the year -9999"),
            None => f.write_str("after the year 9999"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.civil() {
            Some(moment) => write!(f, "Timestamp({moment})"),
            None => write!(f, "Timestamp({}us)", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Timestamp, ParseError> {
        match text.parse::<jiff::Timestamp>() {
            Ok(moment) => Ok(Timestamp(moment.as_microsecond())),
            Err(_) => Err(ParseError::new(text, NO_MOMENT)),
        }
    }
}

const NO_MOMENT: &str = "a moment; write RFC 3339, such as `2026-11-24T09:30:00Z`";

/// In text formats as RFC 3339; the few moments outside the years ±9999 as microseconds.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.civil() {
            Some(moment) => serializer.collect_str(&moment),
            None => serializer.serialize_i64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        deserializer.deserialize_any(TimestampVisitor)
    }
}

struct TimestampVisitor;

impl de::Visitor<'_> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment, such as \"2026-11-24T09:30:00Z\", or microseconds since 1970")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, micros: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(micros))
    }

    fn visit_u64<E: de::Error>(self, micros: u64) -> Result<Timestamp, E> {
        i64::try_from(micros).map(Timestamp).map_err(|_| E::custom("the moment is out of range"))
    }
}

/// Where the time comes from.
///
/// The ledger asks while it holds its lock, so `now` has to be quick, must not block, and must not
/// call back into a budget. A clock that goes back does no harm: the ledger's time only moves
/// forward.
///
/// ```
/// use std::task::Waker;
///
/// use bursar::clock::{Clock, SystemClock, Timestamp};
/// use std::time::Duration;
///
/// /// A day ahead of the machine, to see what tomorrow's limits do.
/// struct Tomorrow(SystemClock);
///
/// const DAY: Duration = Duration::from_secs(86_400);
///
/// impl Clock for Tomorrow {
///     fn now(&self) -> Timestamp {
///         self.0.now().plus(DAY)
///     }
///
///     fn wake_at(&self, at: Timestamp, waker: &Waker) {
///         self.0.wake_at(Timestamp::from_micros(at.as_micros() - DAY.as_micros() as i64), waker);
///     }
/// }
///
/// let now = SystemClock::new().now();
/// assert!(Tomorrow(SystemClock::new()).now() > now);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Wakes `waker` once, when [`now`](Clock::now) has come to `at` or soon after; at once if it
    /// has already. The budget holds no lock when it calls this, and the clock must not hold one when
    /// it wakes: the woken task reads the time and may set the next alarm.
    ///
    /// A budget has one waker (see [`Waker::will_wake`]), whatever the number of calls that wait.
    /// Of a waker that is set again before it was woken, the earlier moment alone may be kept.
    fn wake_at(&self, at: Timestamp, waker: &Waker);
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn wake_at(&self, at: Timestamp, waker: &Waker) {
        (**self).wake_at(at, waker);
    }
}

/// The machine's clock.
///
/// It reads the wall clock once, when it is made, and from then on advances with the machine's
/// monotonic clock, so changing the system date cannot start a new budget window. On Linux it reads the
/// coarse monotonic clock (a few milliseconds of resolution), which costs a fifth of the fine one;
/// a budget's windows do not need more; and it adds the time for which the machine was suspended,
/// within a second after it wakes. On other systems it stands still while the machine sleeps, where
/// the monotonic clock does.
///
/// The first alarm starts a thread that waits for it, one for each clock; it ends when there has been
/// none for a second, and with the clock. Wakers run on that thread, and so do a budget's observers for
/// events that time has caused.
#[derive(Debug)]
pub struct SystemClock {
    time: Time,
    bell: Arc<Bell>,
}

/// What the machine's clock reads.
#[derive(Debug)]
struct Time {
    wall_at_start: i64,
    monotonic: monotonic::Clock,
}

impl Time {
    #[inline]
    fn now(&self) -> Timestamp {
        Timestamp(self.wall_at_start.saturating_add(self.monotonic.elapsed_micros()))
    }

    /// The same time, for another thread.
    fn same(&self) -> Time {
        Time { wall_at_start: self.wall_at_start, monotonic: self.monotonic.same() }
    }
}

impl SystemClock {
    /// A clock that starts at the machine's present wall time.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn new() -> SystemClock {
        let wall = std::time::SystemTime::now();
        let wall_at_start = match wall.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => micros(before.duration()).saturating_neg(),
        };
        let time = Time { wall_at_start, monotonic: monotonic::Clock::start() };
        SystemClock { time, bell: Arc::default() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.time.now()
    }

    fn wake_at(&self, at: Timestamp, waker: &Waker) {
        if at < Timestamp::MAX {
            self.bell.set(at, waker.clone(), &self.time);
        }
    }
}

impl Drop for SystemClock {
    fn drop(&mut self) {
        self.bell.end();
    }
}

#[cfg(target_os = "linux")]
mod monotonic {
    use std::sync::atomic::{AtomicI64, Ordering};

    use rustix::time::{ClockId, clock_gettime};

    /// How often it is asked whether the machine has slept, in microseconds of being awake.
    const ASK_EVERY: i64 = 1_000_000;

    /// Time since the start, asleep or awake.
    #[derive(Debug)]
    pub(super) struct Clock {
        awake_at_start: i64,
        asleep_at_start: i64,
        /// How long it has slept since the start, and when that was last asked.
        asleep: AtomicI64,
        asked: AtomicI64,
    }

    impl Clock {
        pub(super) fn start() -> Clock {
            let awake = read(ClockId::MonotonicCoarse);
            Clock {
                awake_at_start: awake,
                asleep_at_start: asleep(),
                asleep: AtomicI64::new(0),
                asked: AtomicI64::new(awake),
            }
        }

        pub(super) fn same(&self) -> Clock {
            Clock {
                asleep: AtomicI64::new(self.asleep.load(Ordering::Relaxed)),
                asked: AtomicI64::new(self.asked.load(Ordering::Relaxed)),
                ..*self
            }
        }

        #[inline]
        pub(super) fn elapsed_micros(&self) -> i64 {
            let awake = read(ClockId::MonotonicCoarse);
            if awake.wrapping_sub(self.asked.load(Ordering::Relaxed)) >= ASK_EVERY {
                self.ask(awake);
            }
            awake
                .wrapping_sub(self.awake_at_start)
                .wrapping_add(self.asleep.load(Ordering::Relaxed))
        }

        #[cold]
        fn ask(&self, awake: i64) {
            self.asked.store(awake, Ordering::Relaxed);
            // The two clocks are read one after the other: a difference below a second is not a suspend.
            let slept = asleep().saturating_sub(self.asleep_at_start);
            let known = self.asleep.load(Ordering::Relaxed);
            if slept.saturating_sub(known) >= ASK_EVERY {
                self.asleep.fetch_max(slept, Ordering::Relaxed);
            }
        }
    }

    /// How long the machine has been suspended since it was started.
    fn asleep() -> i64 {
        read(ClockId::Boottime).saturating_sub(read(ClockId::Monotonic))
    }

    fn read(clock: ClockId) -> i64 {
        let now = clock_gettime(clock);
        // Cannot wrap: seconds since the machine was started.
        now.tv_sec.wrapping_mul(1_000_000).wrapping_add(now.tv_nsec / 1_000)
    }
}

#[cfg(not(target_os = "linux"))]
mod monotonic {
    #[derive(Debug)]
    pub(super) struct Clock(std::time::Instant);

    impl Clock {
        #[allow(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's clock"
        )]
        pub(super) fn start() -> Clock {
            Clock(std::time::Instant::now())
        }

        pub(super) fn same(&self) -> Clock {
            Clock(self.0)
        }

        pub(super) fn elapsed_micros(&self) -> i64 {
            super::micros(self.0.elapsed())
        }
    }
}

/// A clock that stands still until it is moved: for tests, simulations and replays.
///
/// Clones share the same time. The call that advances it wakes the alarms that have become due.
///
/// ```
/// use bursar::clock::{Clock, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::at("2026-03-29T00:30:00Z".parse()?);
/// clock.advance(Duration::from_secs(3_600));
/// assert_eq!(clock.now().to_string(), "2026-03-29T01:30:00Z");
/// # Ok::<(), bursar::parse::ParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Hands>);

#[derive(Debug)]
struct Hands {
    now: AtomicI64,
    alarms: Lock<Alarms>,
}

impl ManualClock {
    /// A clock that stands at `moment`.
    pub fn at(moment: Timestamp) -> ManualClock {
        let (now, alarms) = (AtomicI64::new(moment.0), Lock::default());
        ManualClock(Arc::new(Hands { now, alarms }))
    }

    /// Moves the hands forward.
    pub fn advance(&self, span: Duration) {
        let later = |now| Some(Timestamp(now).plus(span).0);
        let _ = self.0.now.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
        self.ring();
    }

    /// Puts the hands anywhere, back included.
    pub fn set(&self, moment: Timestamp) {
        self.0.now.store(moment.0, Ordering::SeqCst);
        self.ring();
    }

    /// How many alarms are set.
    pub fn alarms(&self) -> usize {
        self.0.alarms.lock().len()
    }

    fn ring(&self) {
        let due = self.0.alarms.lock().take_due(self.now());
        wake_all(due);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.now.load(Ordering::SeqCst))
    }

    fn wake_at(&self, at: Timestamp, waker: &Waker) {
        if at < Timestamp::MAX {
            let waker = waker.clone();
            let left_over = self.0.alarms.lock().set(at, waker);
            drop(left_over);
            self.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_at_the_edges_neither_wrap_nor_panic() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Timestamp::MAX.plus(day), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.plus(Duration::MAX), Timestamp(-1));
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::MAX.since(Timestamp::MIN), Duration::from_micros(u64::MAX));
        assert_eq!(Timestamp::MAX.to_string(), "after the year 9999");
        for moment in [Timestamp::MIN, Timestamp::MAX, Timestamp(0)] {
            let json = serde_json::to_string(&moment).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
        }
    }

    #[test]
    fn the_machine_clock_moves_forward_from_wall_time() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(first > "2025-01-01T00:00:00Z".parse().unwrap());
        assert!(clock.now() >= first);
    }
}
