//! The target `streams`: any bytes as a stream, cut in several ways.

use bursar::{Bill, Usage, UsageMeter};

/// No stream panics, and any chunking of one gives the same bill. The cuts come of the bytes, so
/// that the corpus is made of streams as they are.
pub fn run(data: &[u8]) {
    let whole = metered(std::iter::once(data));
    assert_eq!(metered(data.chunks(1)), whole, "byte by byte");
    for salt in [1, 2] {
        assert_eq!(metered(Cuts::of(data, salt)), whole, "cut with salt {salt}");
    }
    let bill = whole.bill.as_ref();
    assert!(bill.is_none_or(|bill| bill.usage.is_possible()), "{bill:?}");
}

#[derive(Debug, PartialEq)]
struct Metered {
    error: Option<String>,
    seen: Usage,
    bill: Option<Bill>,
}

fn metered<'d>(chunks: impl Iterator<Item = &'d [u8]>) -> Metered {
    let mut meter = UsageMeter::new().with_expected_input(1_000);
    let mut error = None;
    for chunk in chunks {
        let read = meter.push(chunk);
        error = error.or(read.err().map(|error| error.to_string()));
    }
    Metered { error, seen: meter.seen(), bill: meter.finish() }
}

/// Chunks of 0 to 31 bytes, of lengths that the bytes and the salt decide.
struct Cuts<'d> {
    rest: &'d [u8],
    state: u64,
}

impl<'d> Cuts<'d> {
    fn of(data: &'d [u8], salt: u64) -> Cuts<'d> {
        let mix = |state: u64, byte: &u8| (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Cuts { rest: data, state: data.iter().fold(salt, mix) | 1 }
    }
}

impl<'d> Iterator for Cuts<'d> {
    type Item = &'d [u8];

    fn next(&mut self) -> Option<&'d [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let length = usize::try_from(self.state % 32).unwrap_or(1).min(self.rest.len());
        let (chunk, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(chunk)
    }
}
