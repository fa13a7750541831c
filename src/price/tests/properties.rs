//! Properties: a cost is the naive sum, and no call within its estimate costs more.

use proptest::prelude::*;

use super::*;

/// The rate of a bucket, by the words of the module's documentation: the oracle.
fn naive_rate(price: &Written, service: usize, input: u64, bucket: Bucket) -> Option<u64> {
    use Bucket::*;
    let chain: &[Bucket] = match bucket {
        CacheRead => &[CacheRead, Input],
        InputImage => &[InputImage, Input],
        CacheWrite5m => &[CacheWrite5m, Input],
        CacheWrite30m => &[CacheWrite30m, CacheWrite5m, Input],
        CacheWrite1h => &[CacheWrite1h, CacheWrite30m, CacheWrite5m, Input],
        CacheWrite12h => &[CacheWrite12h, CacheWrite1h, CacheWrite30m, CacheWrite5m, Input],
        Reasoning => &[Reasoning, Output],
        other => &[other],
    };
    let pick = |blocks: &[&Named]| {
        chain.iter().find_map(|key| blocks.iter().find_map(|block| block[*key as usize]))
    };
    let base = &price.blocks[0];
    let above = |tier: &Option<(u64, Named)>| {
        tier.as_ref().filter(|tier| input > tier.0).map(|(_, rates)| rates.clone())
    };
    let (standard, names) = (above(&base.1), |block: &Named| block[bucket as usize].is_some());
    let (rate, is_named) = if service == 0 {
        match &standard {
            Some(tier) => (pick(&[tier, &base.0]), names(tier)),
            None => (pick(&[&base.0]), names(&base.0)),
        }
    } else {
        let rates = &price.blocks[service].0;
        let long = standard
            .as_ref()
            .map(|tier| (naive_rate(price, 0, input, bucket), names(tier) || names(&base.0)));
        match (above(&price.blocks[service].1), long) {
            (Some(own), _) if names(&own) => (pick(&[&own]), true),
            (Some(own), Some((long, true))) => (pick(&[&own, rates, &base.0]).max(long), false),
            (Some(own), _) => (pick(&[&own, rates, &base.0]), false),
            (None, Some((long, _))) => (pick(&[rates, &base.0]).max(long), false),
            (None, None) => (pick(&[rates, &base.0]), names(rates)),
        }
    };
    let shorter = match bucket {
        CacheWrite30m => CacheWrite5m,
        CacheWrite1h => CacheWrite30m,
        CacheWrite12h => CacheWrite1h,
        _ => return rate,
    };
    if is_named { rate } else { rate.max(longest_write(price, service, input, shorter)) }
}

/// The dearest of a cache write and of those that are kept for a shorter time.
fn longest_write(price: &Written, service: usize, input: u64, bucket: Bucket) -> Option<u64> {
    let writes = [Bucket::CacheWrite5m, Bucket::CacheWrite30m, Bucket::CacheWrite1h];
    let writes = writes.into_iter().filter(|write| *write as usize <= bucket as usize);
    writes.filter_map(|write| naive_rate(price, service, input, write)).max()
}

/// A rate for each bucket, in their order; those of no tokens have none.
type Named = Vec<Option<u64>>;

/// A price as a test writes it: standard, then batch, each with at most one tier.
#[derive(Clone, Debug)]
struct Written {
    blocks: [(Named, Option<(u64, Named)>); 2],
    /// Picodollars, of each bucket that has a fee.
    fees: Vec<u64>,
}

fn named() -> BoxedStrategy<Named> {
    let rate = 0..=Rate::MAX.atto_per_token();
    let sparse = move |bucket: &Bucket| {
        if bucket.is_tokens() {
            proptest::option::of(rate.clone()).boxed()
        } else {
            Just(None).boxed()
        }
    };
    Bucket::ALL.iter().map(sparse).collect::<Vec<_>>().boxed()
}

fn written() -> BoxedStrategy<Written> {
    let block = || (named(), proptest::option::of((0_u64..3_000, named()))).boxed();
    let whole = (0..=Rate::MAX.atto_per_token(), 0..=Rate::MAX.atto_per_token());
    let fees = proptest::collection::vec(0..=Fee::MAX.atto_each() / 1_000_000, Bucket::FEES);
    ([block(), block()], whole, fees)
        .prop_map(|(mut blocks, (input, output), fees)| {
            blocks[0].0[Bucket::Input as usize] = Some(input);
            blocks[0].0[Bucket::Output as usize] = Some(output);
            Written { blocks, fees }
        })
        .boxed()
}

fn price_of(written: &Written) -> ModelPrice {
    let rates = |named: &Named| {
        let named = Bucket::ALL.iter().zip(named);
        named.fold(Rates::none(), |rates, (bucket, rate)| match rate {
            Some(rate) => rates.with(*bucket, Rate::from_atto(*rate)),
            None => rates,
        })
    };
    let block = |(base, tier): &(Named, Option<(u64, Named)>)| {
        let tiers = tier.iter().map(|(above, named)| Tier::above(*above, rates(named)));
        Block { rates: rates(base), tiers: tiers.collect() }
    };
    let epoch = Epoch {
        base: block(&written.blocks[0]),
        services: vec![(Service::Batch, block(&written.blocks[1]))],
        ..Epoch::default()
    };
    let price = ModelPrice::of_epochs("acme".into(), "owl".into(), vec![epoch]);
    let price = price.regional("1.1".parse().unwrap());
    let fees = Bucket::fees().zip(&written.fees);
    fees.fold(price, |price, (bucket, pico)| price.fee(bucket, Usd::from_pico(i128::from(*pico))))
}

fn usages() -> impl Strategy<Value = Usage> {
    let count = prop_oneof![Just(0), 0_u64..2_000, 0_u64..50_000_000_000];
    proptest::collection::vec(count, Bucket::COUNT).prop_map(|counts| {
        let mut usage = Usage::NONE;
        Bucket::ALL.iter().zip(counts).for_each(|(bucket, count)| usage.set(*bucket, count));
        usage
    })
}

/// Ten attodollars times the surcharge, or the name of a bucket without a price.
fn naive_sum(price: &Written, service: usize, usage: &Usage, regional: bool) -> Option<i128> {
    let input: u64 = Bucket::ALL[..9].iter().map(|bucket| usage.get(*bucket)).sum();
    let mut sum = 0_i128;
    for (bucket, count) in usage.iter().filter(|(bucket, _)| bucket.is_tokens()) {
        sum += i128::from(count) * i128::from(naive_rate(price, service, input, bucket)?);
    }
    // A call that used anything is one request at least, also where no counts came.
    let requests = if usage.is_none() { 0 } else { usage.requests.max(1) };
    let usage = Usage { requests, ..*usage };
    let fees = Bucket::fees().zip(&price.fees);
    let fees: i128 = fees.map(|(b, fee)| i128::from(usage.get(b)) * i128::from(*fee)).sum();
    Some(sum * if regional { 11 } else { 10 } + fees * 1_000_000 * 10)
}

proptest! {
    #[test]
    fn a_cost_is_the_naive_sum(
        written in written(),
        usage in usages(),
        batch in any::<bool>(),
        is_regional in any::<bool>(),
    ) {
        let service = if batch { Service::Batch } else { Service::Standard };
        let terms = Terms { service, regional: is_regional };
        let cost = price_of(&written).cost(&usage, &terms, at(NOON));
        match naive_sum(&written, usize::from(batch), &usage, is_regional) {
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
        fees in proptest::array::uniform5(0_u64..3),
        parts in proptest::array::uniform13(prop_oneof![3 => Just(0), 1 => 1_u64..1_000]),
        shares in proptest::array::uniform3(prop_oneof![Just(1_000_u64), 0_u64..=1_000]),
    ) {
        let mut book = PriceBook::empty();
        book.insert(price_of(&written)).unwrap();
        let model = book.find("owl").unwrap();
        let service = if batch { Service::Batch } else { Service::Standard };
        let ttls = CACHE_WRITES;
        let mut estimate = model.estimate().input(input).input_audio(audio).max_output(cap)
            .choices(choices).service(service.clone()).regional(is_regional).output_audio(talks);
        for (bucket, count) in Bucket::fees().filter(|b| *b != Bucket::Requests).zip(fees) {
            estimate = estimate.count(bucket, count);
        }
        for (write, _) in ttls.into_iter().zip(marks).filter(|(_, marked)| *marked) {
            estimate = estimate.cache_writes(write);
        }
        // Split each bound over the buckets that it covers, by weight.
        let split = |total: u64, share: usize, buckets: &[Bucket], usage: &mut Usage| {
            let total = total * shares[share] / 1_000;
            let weight: u64 = buckets.iter().map(|bucket| parts[*bucket as usize]).sum();
            usage.set(buckets[0], if weight == 0 { total } else { 0 });
            for bucket in buckets.iter().filter(|_| weight > 0) {
                usage.set(*bucket, total * parts[*bucket as usize] / weight);
            }
        };
        let names_30m = |block: usize| written.blocks[block].0[Bucket::CacheWrite30m as usize];
        let published_30m = [0, usize::from(batch)].into_iter().any(|b| names_30m(b).is_some());
        let mut text = vec![Bucket::Input, Bucket::CacheRead, Bucket::InputImage];
        let marked = ttls.into_iter().zip(marks).filter(|(_, marked)| *marked);
        text.extend(marked.map(|(write, _)| write));
        if published_30m && !text.contains(&Bucket::CacheWrite30m) {
            text.push(Bucket::CacheWrite30m);
        }
        let mut usage = Usage { requests: 1, ..Usage::NONE };
        split(input, 0, &text, &mut usage);
        split(audio, 1, &[Bucket::InputAudio, Bucket::CacheReadAudio], &mut usage);
        let mut answer = vec![Bucket::Output, Bucket::Reasoning, Bucket::OutputImage];
        answer.extend(talks.then_some(Bucket::OutputAudio));
        split(cap * choices, 2, &answer, &mut usage);
        let counted = Bucket::fees().filter(|bucket| *bucket != Bucket::Requests);
        counted.zip(fees).for_each(|(bucket, count)| usage.set(bucket, count));
        let terms = Terms { service, regional: is_regional };
        let cost = model.price().cost(&usage, &terms, at(NOON));
        if let (Ok(most), Ok(cost)) = (estimate.cost_at(at(NOON)), cost) {
            prop_assert!(cost <= most, "{cost} > {most} for {usage:?}");
        }
    }
}
