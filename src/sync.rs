//! Locks, shared atomics and threads: the one file that names them, so that a model checker can
//! replace them; and [`block_on`], how a thread waits for a future.

#[cfg(not(shuttle))]
mod machine;
#[cfg(shuttle)]
mod model;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

#[cfg(not(shuttle))]
pub(crate) use machine::{
    Held, Lock, Signal, Thread, atomic, current, park, park_timeout, spawn, yield_now,
};
#[cfg(shuttle)]
pub(crate) use model::{
    Held, Lock, Signal, Thread, atomic, current, park, park_timeout, spawn, yield_now,
};

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        park();
    }
}

/// Runs a future on this thread for about this long at most; `None` if it has not ended then.
#[cfg(not(shuttle))]
pub(crate) fn block_on_within<F: Future>(future: F, span: Duration) -> Option<F::Output> {
    const SLICES: u32 = 50;
    let waker = Waker::from(Arc::new(Unpark(current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    for _ in 0..SLICES {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        park_timeout(span / SLICES);
    }
    None
}

/// In the models no time passes.
#[cfg(shuttle)]
pub(crate) fn block_on_within<F: Future>(future: F, _span: Duration) -> Option<F::Output> {
    Some(block_on(future))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
