//! [`BudgetedWire`]: a wire of rig's that keeps what is needed to shorten its requests.

use rig_core::completion::CompletionRequest;
use rig_core::error::EncodeError;
use rig_core::operation::Completion;
use rig_core::wire::{Descriptor, Encoded, Mode, Wire, WireFrame};

/// A wire of rig's whose requests can still be shortened when they are about to be sent: one half of
/// what [`Budget::around`](crate::Budget::around) makes. What it sends and reads is the inner wire's.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetedWire<W> {
    inner: W,
    shortens: bool,
}

impl<W> BudgetedWire<W> {
    pub(crate) fn new(inner: W, shortens: bool) -> BudgetedWire<W> {
        BudgetedWire { inner, shortens }
    }

    /// The wire inside.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The wire inside, without a budget.
    pub fn into_inner(self) -> W {
        self.inner
    }
}

impl<W> Wire for BudgetedWire<W>
where
    W: Wire<Op = Completion, Payload = Encoded, Frame = WireFrame>,
{
    type Op = Completion;
    type Payload = Payload<W>;
    type Frame = WireFrame;
    type Decoder<'id> = W::Decoder<'id>;
    type Reassembler = W::Reassembler;

    fn describe(&self) -> Descriptor<'_> {
        self.inner.describe()
    }

    fn encode(&self, request: CompletionRequest, mode: Mode) -> Result<Payload<W>, EncodeError> {
        let Descriptor { name, model, .. } = self.inner.describe();
        let provider = name.to_owned();
        let model = request.model.clone().or_else(|| model.map(str::to_owned));
        let again = self.shortens.then(|| (self.inner.clone(), request.clone(), mode));
        Ok(Payload { encoded: self.inner.encode(request, mode)?, provider, model, again })
    }

    fn decoder<'id>(&self) -> W::Decoder<'id> {
        self.inner.decoder()
    }

    fn reassembler(&self) -> W::Reassembler {
        self.inner.reassembler()
    }
}

/// A request that is ready to be sent, and can be made again with a shorter output.
pub struct Payload<W> {
    pub(crate) encoded: Encoded,
    /// The provider, as rig names it.
    pub(crate) provider: String,
    /// The model that is asked, unless the body names another.
    pub(crate) model: Option<String>,
    again: Option<(W, CompletionRequest, Mode)>,
}

impl<W> Payload<W>
where
    W: Wire<Op = Completion, Payload = Encoded>,
{
    /// The same request with this output cap; as it was, if it cannot be shortened.
    pub(crate) fn shortened(self, max_tokens: u64) -> Result<Encoded, EncodeError> {
        match self.again {
            Some((wire, request, mode)) => wire.encode(request.max_tokens(max_tokens), mode),
            None => Ok(self.encoded),
        }
    }
}
