//! The server's own prices: picodollars for one token, written down by hand, not bursar's.

use crate::answer::Tokens;

/// Input, read from the cache, written to it, output: picodollars (1e-12 USD) a token.
const PRICES: &[(&str, [i128; 4])] = &[
    ("gpt-6.1-terra", [1_000_000, 50_000, 1_250_000, 5_000_000]),
    ("gpt-6-luna", [100_000, 10_000, 125_000, 500_000]),
    ("gpt-5", [1_250_000, 125_000, 1_250_000, 10_000_000]),
    ("gpt-5-2025-08-07", [1_250_000, 125_000, 1_250_000, 10_000_000]),
    ("gpt-5-mini", [250_000, 25_000, 250_000, 2_000_000]),
    ("gpt-4o-mini", [150_000, 75_000, 150_000, 600_000]),
    ("claude-opus-4-8", [5_000_000, 500_000, 6_250_000, 25_000_000]),
    ("claude-sonnet-4-5", [3_000_000, 300_000, 3_750_000, 15_000_000]),
    ("claude-haiku-4-5", [1_000_000, 100_000, 1_250_000, 5_000_000]),
];

/// What the tokens cost, in picodollars; `None` of a model that it does not have.
///
/// # Panics
/// If the input is so long that the model has a price for it that is not written down here.
pub(crate) fn cost(model: &str, tokens: Tokens) -> Option<i128> {
    assert!(tokens.all_input() <= 200_000, "no price for long contexts is written down here");
    let (_, [input, read, write, output]) = PRICES.iter().find(|(name, _)| *name == model)?;
    let cost = |count: u64, price: &i128| i128::from(count) * price;
    Some(
        cost(tokens.input, input)
            + cost(tokens.cached, read)
            + cost(tokens.written, write)
            + cost(tokens.all_output(), output),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_a_sum_of_products() {
        let tokens = Tokens::new(1_000, 100).cached(2_000).written(400).reasoning(20);
        // $0.001 + $0.0001 + $0.0005 + $0.0006
        assert_eq!(cost("gpt-6.1-terra", tokens), Some(2_200_000_000));
        assert_eq!(cost("gpt-9", tokens), None);
    }
}
