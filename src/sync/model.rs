//! The lock, the atomics and the threads of the models (`tests/models`): at each use of one the
//! checker may go on with another thread. It sees the steps in one order, never a reordered store.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

pub(crate) use shuttle::sync::atomic;
pub(crate) use shuttle::thread::{Thread, current, park, yield_now};

/// The lock of the crate, which no panic poisons.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(shuttle::sync::Mutex<T>);

/// The lock while it is held; empty only within [`Signal::wait`].
pub(crate) struct Held<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Lock<T> {
        Lock(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Held<'_, T> {
        Held(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    pub(crate) fn try_lock(&self) -> Option<Held<'_, T>> {
        self.0.try_lock().ok().map(|held| Held(Some(held)))
    }
}

#[allow(clippy::expect_used, reason = "no user builds this")]
impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is held")
    }
}

#[allow(clippy::expect_used, reason = "no user builds this")]
impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is held")
    }
}

/// Calls a thread that waits for a change under a lock.
#[derive(Debug, Default)]
pub(crate) struct Signal(shuttle::sync::Condvar);

impl Signal {
    pub(crate) fn notify(&self) {
        self.0.notify_one();
    }

    /// Waits until it is called: here no time passes.
    pub(crate) fn wait<T>(&self, held: &mut Held<'_, T>, _span: Duration) -> bool {
        held.0 =
            held.0.take().map(|guard| self.0.wait(guard).unwrap_or_else(PoisonError::into_inner));
        false
    }
}

/// The time may be over at any moment: others may run first, or none.
pub(crate) fn park_timeout(_span: Duration) {
    shuttle::thread::yield_now();
}

/// Starts a thread. The checker waits for its end: one that sleeps for ever is found.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
    let started = shuttle::thread::Builder::new().name(name.to_owned()).spawn(run)?;
    let thread = started.thread().clone();
    std::mem::forget(started); // else its end would not be waited for
    Ok(thread)
}
