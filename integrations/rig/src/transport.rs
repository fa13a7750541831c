//! [`BudgetedTransport`]: one request, from the reserve to the settle.

use std::sync::Arc;

use rig_core::driver::{Exchange, Opening, Transport};
use rig_core::operation::Completion;
use rig_core::wire::{Encoded, Wire, WireFrame};

use crate::Budget;
use crate::books::{Books, Watched};
use crate::wire::BudgetedWire;

/// A transport of rig's that sends nothing which the budget does not admit: the other half of what
/// [`Budget::around`] makes.
#[derive(Clone, Debug)]
pub struct BudgetedTransport<T> {
    inner: T,
    budget: Arc<Budget>,
}

impl<T> BudgetedTransport<T> {
    pub(crate) fn new(inner: T, budget: Budget) -> BudgetedTransport<T> {
        BudgetedTransport { inner, budget: Arc::new(budget) }
    }

    /// The transport inside.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The transport inside, without a budget.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<W, T> Transport<BudgetedWire<W>> for BudgetedTransport<T>
where
    W: Wire<Op = Completion, Payload = Encoded, Frame = WireFrame>,
    T: Transport<W>,
{
    fn send(&self, payload: crate::wire::Payload<W>, exchange: Exchange) -> Opening<WireFrame> {
        let (inner, budget) = (self.inner.clone(), Arc::clone(&self.budget));
        Opening::new(async move {
            let (hold, encoded) = budget.admit(payload)?;
            // From here on, a reply that is lost, or not waited for, is charged.
            hold.mark_sent();
            let mut books = Books::new(hold);
            match inner.send(encoded, exchange).await {
                Ok(opened) => Ok(opened.map_frames(|frames| Watched::new(frames, books))),
                Err(error) => {
                    books.note_failure(&error);
                    Err(error)
                }
            }
        })
    }
}
