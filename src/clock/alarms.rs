//! The alarms of a clock, and the one thread that wakes those of [`SystemClock`](super::SystemClock).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::{Time, Timestamp};
use crate::sync::{Lock, Signal, spawn};

/// Wakers, each with its moment. A few: one for each budget on the clock.
#[derive(Debug, Default)]
pub(super) struct Alarms(Vec<(Timestamp, Waker)>);

impl Alarms {
    /// Sets an alarm. A waker has one, at the earliest moment that it has asked for; what is left
    /// over comes back, to be dropped without the lock.
    #[must_use]
    pub(super) fn set(&mut self, at: Timestamp, waker: Waker) -> Option<Waker> {
        match self.0.iter_mut().find(|(_, own)| own.will_wake(&waker)) {
            Some((own_at, _)) => {
                *own_at = at.min(*own_at);
                Some(waker)
            }
            None => {
                self.0.push((at, waker));
                None
            }
        }
    }

    /// Takes out what is due, to be woken without the lock.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Waker> {
        if self.next().is_none_or(|at| at > now) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.0);
        let (due, later): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at <= now);
        self.0 = later;
        due.into_iter().map(|(_, waker)| waker).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn next(&self) -> Option<Timestamp> {
        self.0.iter().map(|(at, _)| *at).min()
    }
}

/// Wakes each; a panic of one keeps none of the others from it.
pub(crate) fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        let woken = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        woken.unwrap_or_else(std::mem::forget);
    }
}

/// The alarms of the machine's clock, and the thread that rings them: started by the first alarm,
/// gone when there has been none for a while, or no clock.
#[derive(Debug, Default)]
pub(super) struct Bell {
    ringing: Lock<Ringing>,
    changed: Signal,
}

#[derive(Debug, Default)]
struct Ringing {
    alarms: Alarms,
    has_thread: bool,
    is_over: bool,
}

impl Bell {
    /// Without an alarm for so long, the thread ends.
    const IDLE: Duration = Duration::from_secs(1);
    /// The shortest wait: the coarse clock advances only every few milliseconds.
    const LEAST: Duration = Duration::from_millis(1);
    /// Waiting stands still while the machine is suspended, time does not.
    const MOST: Duration = Duration::from_secs(60);

    /// Without a thread to be had, what is set rings with the next alarm that gets one.
    pub(super) fn set(self: &Arc<Bell>, at: Timestamp, waker: Waker, time: &Time) {
        let mut ringing = self.ringing.lock();
        let left_over = ringing.alarms.set(at, waker);
        if ringing.has_thread {
            self.changed.notify();
        } else {
            let (bell, time) = (Arc::clone(self), time.same());
            ringing.has_thread = spawn("bursar-clock", move || bell.ring(&time)).is_ok();
        }
        drop(ringing);
        drop(left_over);
    }

    /// The clock is gone.
    pub(super) fn end(&self) {
        self.ringing.lock().is_over = true;
        self.changed.notify();
    }

    fn ring(&self, time: &Time) {
        let mut ringing = self.ringing.lock();
        while !ringing.is_over {
            let now = time.now();
            let due = ringing.alarms.take_due(now);
            if !due.is_empty() {
                drop(ringing);
                wake_all(due);
                ringing = self.ringing.lock();
                continue;
            }
            let next = ringing.alarms.next();
            let span = next.map_or(Bell::IDLE, |at| at.since(now).clamp(Bell::LEAST, Bell::MOST));
            let in_vain = self.changed.wait(&mut ringing, span);
            if in_vain && ringing.alarms.len() == 0 {
                break;
            }
        }
        ringing.has_thread = false;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::clock::{Clock, ManualClock, SystemClock};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_waker_has_one_alarm_at_its_earliest_moment() {
        let (one, other) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let (first, second) = (Waker::from(Arc::clone(&one)), Waker::from(Arc::clone(&other)));
        let clock = ManualClock::at(at(0));
        for secs in [9, 3, 7] {
            clock.wake_at(at(secs), &first);
        }
        clock.wake_at(at(5), &second);
        assert_eq!(clock.alarms(), 2);

        let woken = || (one.0.load(Ordering::SeqCst), other.0.load(Ordering::SeqCst));
        clock.set(at(2));
        assert_eq!((woken(), clock.alarms()), ((0, 0), 2));
        clock.set(at(3));
        assert_eq!((woken(), clock.alarms()), ((1, 0), 1));
        clock.advance(Duration::from_secs(60));
        assert_eq!((woken(), clock.alarms()), ((1, 1), 0));
        clock.wake_at(at(63), &first);
        assert_eq!((woken(), clock.alarms()), ((2, 1), 0), "what is past is due at once");
        clock.wake_at(Timestamp::MAX, &first);
        assert_eq!(clock.alarms(), 0, "what never comes is not waited for");
    }

    #[test]
    fn the_thread_of_the_machine_clock_ends_when_it_has_nothing_to_do() {
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let clock = SystemClock::new();
        let bell = Arc::clone(&clock.bell);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let moment = clock.now().plus(Duration::from_millis(20));
        clock.wake_at(moment, &waker);
        while clock.now() < moment {
            std::thread::park();
        }
        clock.wake_at(moment.plus(Duration::from_secs(3_600)), &waker);
        assert!(bell.ringing.lock().has_thread);
        drop(clock);
        while bell.ringing.lock().has_thread {
            std::thread::yield_now();
        }
    }
}
