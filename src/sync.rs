//! Owns the lock: the one place that names a mutex, so that a model checker can take its place.

#[allow(clippy::disallowed_types, reason = "the one place that names them")]
mod real {
    pub(crate) use parking_lot::{Mutex, RwLock};
}

pub(crate) use real::{Mutex, RwLock};
