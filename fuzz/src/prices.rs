//! The target `prices`: any bytes as a price list, in every format.

use bursar::clock::Timestamp;
use bursar::price::Terms;
use bursar::{Bill, PriceBook, Service, Usage};

/// No list panics; what is in a book that was read can be found, and a call that can be estimated
/// costs no more than its estimate.
pub fn run(data: &[u8]) {
    match PriceBook::from_list(data) {
        Ok(loaded) => {
            for finding in loaded.refused.iter().chain(&loaded.remarks) {
                assert!(!finding.to_string().is_empty());
            }
            assert!(!loaded.to_string().is_empty());
            use_book(&loaded.book);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(text) = std::str::from_utf8(data) {
        match PriceBook::from_toml(text) {
            Ok(book) => use_book(&book),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn use_book(book: &PriceBook) {
    let at = Timestamp::from_secs(1_790_000_000);
    for price in book.iter().take(8) {
        let model = book.find(price.name()).expect("the full name of a model finds it");
        for service in [Service::Standard, Service::Batch, Service::Fast] {
            let terms = Terms::from(service.clone());
            let bound = model.estimate().input(300_000).max_output(500).service(service);
            let Ok(bound) = bound.cost_at(at) else { continue };
            for usage in [
                Usage::tokens(300_000, 500),
                Usage::tokens(7, 500),
                Usage { cache_read: 1_000, reasoning: 400, ..Usage::tokens(299_000, 100) },
            ] {
                let asked = [model.clone()];
                let known = book.price_bill(&Bill::new(usage), &asked, &terms, at).cost;
                assert!(known.pico() >= 0, "{known}");
                if let Ok(cost) = price.cost(&usage, &terms, at) {
                    assert!(cost <= bound, "{usage:?} costs {cost}, above {bound}");
                }
            }
        }
    }
    let mut builtin = PriceBook::builtin();
    builtin.merge(book);
    assert!(builtin.len() >= book.len());
}
