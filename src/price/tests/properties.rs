//! Owns the properties: a cost is the naive sum, and no call within its estimate costs more.

use proptest::prelude::*;

use super::*;

/// The rate of a bucket, by the words of the module's documentation: the oracle.
fn naive_rate(price: &Written, service: usize, input: u64, bucket: usize) -> Option<u64> {
    const CHAINS: [&[usize]; 11] = [
        &[0],
        &[1],
        &[2, 0],
        &[3],
        &[4, 0],
        &[5, 4, 0],
        &[6, 5, 4, 0],
        &[7, 6, 5, 4, 0],
        &[8],
        &[9, 8],
        &[10],
    ];
    let pick = |blocks: &[&Named]| {
        CHAINS[bucket].iter().find_map(|key| blocks.iter().find_map(|block| block[*key]))
    };
    let base = &price.blocks[0];
    let base_tier = base.1.as_ref().filter(|tier| input > tier.0);
    if service == 0 {
        return match base_tier {
            Some((_, tier)) => pick(&[tier, &base.0]),
            None => pick(&[&base.0]),
        };
    }
    let (rates, own) = &price.blocks[service];
    match (own, base_tier) {
        (Some((above, tier)), _) if input > *above => pick(&[tier, rates, &base.0]),
        (None, Some((_, tier))) => pick(&[rates, &base.0]).max(pick(&[tier, &base.0])),
        _ => pick(&[rates, &base.0]),
    }
}

type Named = [Option<u64>; 11];

/// A price as a test writes it: standard, then batch, each with at most one tier.
#[derive(Clone, Debug)]
struct Written {
    blocks: [(Named, Option<(u64, Named)>); 2],
    fees: [u64; 2],
}

fn named() -> BoxedStrategy<Named> {
    let sparse = prop_oneof![Just(None), (0..=Rate::MAX.atto_per_token()).prop_map(Some)];
    proptest::array::uniform11(sparse).boxed()
}

fn written() -> BoxedStrategy<Written> {
    let block = || (named(), proptest::option::of((0_u64..3_000, named()))).boxed();
    let whole = (0..=Rate::MAX.atto_per_token(), 0..=Rate::MAX.atto_per_token());
    let fees = proptest::array::uniform2(0..=Fee::MAX.atto_each() / 1_000_000);
    ([block(), block()], whole, fees)
        .prop_map(|(mut blocks, (input, output), fees)| {
            blocks[0].0[0] = Some(input);
            blocks[0].0[8] = Some(output);
            Written { blocks, fees }
        })
        .boxed()
}

fn price_of(written: &Written) -> ModelPrice {
    let rates = |named: &Named| Rates(named.map(|rate| rate.map(Rate::from_atto)));
    let block = |(base, tier): &(Named, Option<(u64, Named)>)| {
        let block = Block::new(rates(base));
        match tier {
            Some((above, named)) => block.tier(Tier::above(*above, rates(named))),
            None => block,
        }
    };
    let fee = |micros: u64| Fee::each(Usd::from_pico(i128::from(micros))).unwrap();
    ModelPrice::new("acme", "owl", Rate::ZERO, Rate::ZERO)
        .service(Service::Standard, block(&written.blocks[0]))
        .service(Service::Batch, block(&written.blocks[1]))
        .per_search(fee(written.fees[0]))
        .per_request(fee(written.fees[1]))
        .regional("1.1".parse().unwrap())
}

/// Some counts, in the order of the buckets, then requests and searches.
fn counts() -> impl Strategy<Value = [u64; 13]> {
    let count = prop_oneof![Just(0), 0_u64..2_000, 0_u64..50_000_000_000];
    proptest::array::uniform13(count)
}

fn usage_of(c: &[u64; 13]) -> Usage {
    Usage {
        input_uncached: c[0],
        input_audio: c[1],
        cache_read: c[2],
        cache_read_audio: c[3],
        cache_write_5m: c[4],
        cache_write_30m: c[5],
        cache_write_1h: c[6],
        cache_write_12h: c[7],
        output: c[8],
        reasoning: c[9],
        output_audio: c[10],
        requests: c[11],
        web_search_requests: c[12],
    }
}

/// Ten attodollars times the surcharge, or the name of a bucket without a price.
fn naive_sum(price: &Written, service: usize, counts: &[u64; 13], regional: bool) -> Option<i128> {
    let input = counts[..8].iter().sum();
    let mut sum = 0_i128;
    for (bucket, count) in counts[..11].iter().enumerate().filter(|(_, count)| **count > 0) {
        sum += i128::from(*count) * i128::from(naive_rate(price, service, input, bucket)?);
    }
    // A call that used anything is one request at least, also where nobody counted.
    let requests = if counts.iter().all(|count| *count == 0) { 0 } else { counts[11].max(1) };
    let fees = i128::from(counts[12]) * i128::from(price.fees[0])
        + i128::from(requests) * i128::from(price.fees[1]);
    Some(sum * if regional { 11 } else { 10 } + fees * 1_000_000 * 10)
}

proptest! {
    #[test]
    fn a_cost_is_the_naive_sum(
        written in written(),
        counts in counts(),
        batch in any::<bool>(),
        is_regional in any::<bool>(),
    ) {
        let service = if batch { Service::Batch } else { Service::Standard };
        let terms = Terms { service, regional: is_regional };
        let cost = price_of(&written).cost(&usage_of(&counts), &terms, at(NOON));
        match naive_sum(&written, usize::from(batch), &counts, is_regional) {
            None => prop_assert!(cost.is_err(), "{cost:?}"),
            Some(sum) => {
                let (whole, rest) = (sum / 10_000_000, sum % 10_000_000);
                let up = rest > 5_000_000 || (rest == 5_000_000 && whole % 2 == 1);
                prop_assert_eq!(cost.unwrap().pico(), whole + i128::from(up));
            }
        }
    }
}

proptest! {
    // The dearest corners are rare: a part in one bucket, just beyond a tier.
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    /// The real cost of a call within its estimate is never above it.
    #[test]
    fn a_bound_holds(
        written in written(),
        batch in any::<bool>(),
        is_regional in any::<bool>(),
        marks in proptest::array::uniform4(any::<bool>()),
        talks in any::<bool>(),
        input in 0_u64..6_000,
        audio in prop_oneof![Just(0_u64), 0_u64..3_000],
        cap in 0_u64..3_000,
        choices in 1_u64..4,
        searches in 0_u64..3,
        parts in proptest::array::uniform11(prop_oneof![3 => Just(0), 1 => 1_u64..1_000]),
        shares in proptest::array::uniform3(prop_oneof![Just(1_000_u64), 0_u64..=1_000]),
    ) {
        let mut book = PriceBook::empty();
        book.insert(price_of(&written)).unwrap();
        let model = book.find("owl").unwrap();
        let service = if batch { Service::Batch } else { Service::Standard };
        let ttls = [
            CacheTtl::FiveMinutes,
            CacheTtl::ThirtyMinutes,
            CacheTtl::OneHour,
            CacheTtl::TwelveHours,
        ];
        let mut estimate = model.estimate().input(input).input_audio(audio).max_output(cap)
            .choices(choices).web_searches(searches).service(service.clone())
            .regional(is_regional).output_audio(talks);
        for (ttl, _) in ttls.into_iter().zip(marks).filter(|(_, marked)| *marked) {
            estimate = estimate.cache_writes(ttl);
        }
        // Split each bound over the buckets that it covers, by weight.
        let split = |total: u64, share: usize, buckets: &[usize], counts: &mut [u64; 13]| {
            let total = total * shares[share] / 1_000;
            let weight: u64 = buckets.iter().map(|bucket| parts[*bucket]).sum();
            counts[buckets[0]] = if weight == 0 { total } else { 0 };
            for bucket in buckets.iter().filter(|_| weight > 0) {
                counts[*bucket] = total * parts[*bucket] / weight;
            }
        };
        let published_30m = [0, usize::from(batch)].iter().any(|s| written.blocks[*s].0[5].is_some());
        let mut text = vec![0, 2];
        text.extend([4, 5, 6, 7].into_iter().zip(marks).filter(|(_, m)| *m).map(|(b, _)| b));
        if published_30m && !text.contains(&5) {
            text.push(5);
        }
        let mut counts = [0_u64; 13];
        split(input, 0, &text, &mut counts);
        split(audio, 1, &[1, 3], &mut counts);
        split(cap * choices, 2, if talks { &[8, 9, 10] } else { &[8, 9] }, &mut counts);
        counts[11] = 1;
        counts[12] = searches;
        let usage = usage_of(&counts);
        let terms = Terms { service, regional: is_regional };
        let cost = model.price().cost(&usage, &terms, at(NOON));
        if let (Ok(most), Ok(cost)) = (estimate.cost_at(at(NOON)), cost) {
            prop_assert!(cost <= most, "{cost} > {most} for {usage:?}");
        }
    }
}
