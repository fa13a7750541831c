//! Tables for the ends of a hold: leases, late words, growth, keys, and the ends of the numbers.

use std::time::Duration;

use bursar::Usd;
use bursar::clock::Timestamp;
use bursar::ledger::{
    AccountId, Booking, Change, Command, Due, Ledger, Limit, Period, Reserve, Scope, Settle,
};

use crate::table;

/// A hold whose call never came back is charged; its late word books the difference, once, in the
/// window of the hold.
#[test]
fn an_expired_hold_is_charged_and_corrected() {
    table(
        "
        limit a spend 10
        limit a spend 10 day
        limit a tokens 1_000 rolling=172_800
        limit a requests 10 day
        limit a flight 1
        hold x a/b 1 in=100 out=50 lease=900
        expire x                        -> NotDue
        +899s
        see a spend                     -> 0 + 1
        +1s                             -> ok !expired a/b 1
        see a spend                     -> 1 + 0
        see a tokens rolling=172800     -> 150 + 0
        see a requests day              -> 1 + 0
        see a flight                    -> 0 + 0
        sum a/b                         -> 1 + 0, 1 calls
        expire x                        -> NoSuchHold
        renew x 60                      -> NoSuchHold
        grow x 1                        -> NoSuchHold
        hold y a/b 1 inside=x           -> NoSuchHold
        at 2026-11-25T09:00:00Z
        settle x 0.4 in=80 out=20
        see a spend                     -> 0.4 + 0
        see a spend day                 -> 0 + 0
        see a spend day previous        -> 0.4
        see a tokens rolling=172800     -> 100 + 0
        see a requests day previous     -> 1
        sum a/b                         -> 0.4 + 0, 1 calls
        settle x 0.4                    -> NoSuchHold
        release x                       -> NoSuchHold
        ",
    );
}

/// A late word is one step, however many parts its hold has: a limit that is over and stays so is not
/// told of again because the first part used less than was held.
#[test]
fn the_late_word_of_several_parts_is_told_as_one() {
    table(
        "
        limit a tokens 100
        hold x a 0 in=40 out=40 lease=900
        +10s
        grow x 0 in=10
        +890s                           -> ok !expired a 0
        record a in=20                  -> ok !over a tokens
        settle x in=70 out=20           -> ok
        see a tokens                    -> 110 + 0
        ",
    );
}

/// By policy the hold of a call that never came back is given back; its late word books the truth,
/// once, in the window of the hold.
#[test]
fn a_lapsed_hold_is_given_back_and_booked_late() {
    table(
        "
        leases lapse
        limit a spend 1
        limit a spend 1 day alert=50
        limit a tokens 1_000 rolling=172_800
        limit a requests 10 day
        limit a flight 1
        hold x a/b 1 in=100 out=50 lease=900
        lapse x                         -> NotDue
        +900s                           -> ok !lapsed a/b 1
        see a spend                     -> 0 + 0
        see a tokens rolling=172800     -> 0 + 0
        see a requests day              -> 0 + 0
        see a flight                    -> 0 + 0
        sum a/b                         -> 0 + 0, 0 calls
        lapse x                         -> NoSuchHold
        renew x 60                      -> NoSuchHold
        grow x 1                        -> NoSuchHold
        hold y a/b 1 inside=x           -> NoSuchHold
        // The room is another's by now: the truth is booked, and said to be too much.
        hold z a/b 0.9
        settle x 0.4 in=80 out=20       -> ok !over a spend !over a spend
        see a spend                     -> 0.4 + 0.9
        sum a/b                         -> 0.4 + 0.9, 1 calls
        settle x 0.4                    -> NoSuchHold
        release x                       -> NoSuchHold
        release z
        see a spend                     -> 0.4 + 0
        hold w a/b 0.6 in=10 lease=900
        at 2026-11-25T09:00:00Z         -> ok !lapsed a/b 0.6
        settle w 0.5 in=10              -> ok !50% a spend previous
        see a spend                     -> 0.9 + 0
        see a spend day                 -> 0 + 0
        see a spend day previous        -> 0.9
        see a tokens rolling=172800     -> 110 + 0
        see a requests day previous     -> 2
        sum a/b                         -> 0.9 + 0, 2 calls
        ",
    );
}

#[test]
fn a_lapsed_hold_that_was_never_sent_leaves_nothing() {
    table(
        "
        leases lapse
        limit a spend 1
        hold x a 1 lease=60
        +60s                            -> ok !lapsed a 1
        hold y a 1
        release x
        see a spend                     -> 0 + 1
        release x                       -> NoSuchHold
        ",
    );
}

/// What came out of an outer hold goes back there, and is not taken again by the late word.
#[test]
fn a_lapsed_inner_hold_gives_back_to_its_outer_one() {
    table(
        "
        leases lapse
        limit a spend 2
        hold out a 1
        hold in a/b 0.6 inside=out lease=60
        sum a                           -> 0 + 1, 0 calls
        +60s                            -> ok !lapsed a/b 0.6
        sum a                           -> 0 + 1, 0 calls
        settle in 0.5
        see a spend                     -> 0.5 + 1
        settle out 1
        see a spend                     -> 1.5 + 0
        ",
    );
}

/// A limit that was set in between counts the late word: nothing of it was counted anywhere before.
#[test]
fn a_late_word_of_a_lapsed_hold_reaches_limits_that_came_later() {
    table(
        "
        leases lapse
        hold x a 1 in=100 lease=60
        close a
        +60s                            -> ok !lapsed a 1
        limit / spend 9 day
        limit / tokens 500 opening=10
        settle x 0.7 in=90
        see / spend day                 -> 0.7 + 0
        see / tokens                    -> 100 + 0
        sum a                           -> gone
        ",
    );
}

#[test]
fn a_late_release_refunds() {
    table(
        "
        limit a spend 1 alert=100
        limit a requests 1
        hold x a 1 lease=60
        +60s                            -> ok !100% a spend !expired a 1
        hold y a 1                      -> no: a spend..
        release x
        see a spend                     -> 0 + 0
        see a requests                  -> 0 + 0
        sum a                           -> 0 + 0, 0 calls
        hold y a 1
        ",
    );
}

#[test]
fn a_late_word_can_be_dearer_than_what_was_assumed() {
    table(
        "
        limit a spend 1
        hold x a 1 lease=60
        +60s                            -> ok !expired a 1
        settle x 2.5                    -> ok !over a spend
        see a spend                     -> 2.5 + 0
        ",
    );
}

/// A limit that was set after a lease had ended has not counted that charge, and does not count
/// its correction.
#[test]
fn a_late_word_does_not_reach_limits_that_came_later() {
    table(
        "
        hold x a 1 in=100 model=p/m lease=60
        hold y a 1 in=100 model=p/m lease=120
        +60s                            -> ok !expired a 1
        limit a spend 1 day
        limit a spend 9 only=p/m
        limit a tokens 500 rolling=3600
        limit a spend 10
        limit a tokens 500 opening=10
        see a spend day                 -> 0 + 1
        +60s                            -> ok !expired a 1
        release x
        see a spend day                 -> 1 + 0
        see a spend only=p/m            -> 1 + 0
        see a tokens rolling=3600       -> 100 + 0
        see a spend                     -> 1 + 0
        see a tokens                    -> 110 + 0
        release y
        see a spend day                 -> 0 + 0
        see a spend only=p/m            -> 0 + 0
        see a tokens rolling=3600       -> 0 + 0
        see a spend                     -> 0 + 0
        see a tokens                    -> 10 + 0
        ",
    );
}

#[test]
fn leases_end_in_their_order_and_can_be_renewed() {
    table(
        "
        hold x a 1 lease=30
        hold y a 2 lease=10
        hold z a 3 lease=20
        hold w a 4 lease=40
        renew z 35
        +10s                            -> ok !expired a 2
        renew x never
        +20s
        +4s
        +1s                             -> ok !expired a 3
        +1_000s                         -> ok !expired a 4
        sum a                           -> 9 + 1, 3 calls
        settle x 1
        hold v a 1 lease=0              -> ok
        +0s                             -> ok !expired a 1
        ",
    );
}

/// What fell due first comes first: a lease that ended before midnight is charged to a day that is
/// still there, and its alerts are told.
#[test]
fn leases_and_windows_end_in_their_order() {
    table(
        "
        limit a spend 1 day alert=100
        limit b spend 1 day alert=100
        hold x a 1 lease=43100
        hold y b 1 lease=43210
        at 2026-11-25T00:01:00Z         -> ok !100% a spend !expired a 1 !100% b spend previous !expired b 1
        see a spend day previous        -> 1
        see b spend day previous        -> 1
        see b spend day                 -> 0 + 0
        ",
    );
}

/// A stream that outgrows its hold: a second part in the window of that moment, no second call.
#[test]
fn growth_is_a_part_of_its_own() {
    table(
        "
        limit a spend 2 day
        limit a requests 1 day
        limit a flight 1
        hold x a 1 out=100
        grow x 0.5 out=50
        grow x 0.6 out=50               -> no: a spend asks 0.6 of 0.5, 0 + 1.5, when holds end
        grow x 0.2 out=10..1000 per=0.001 -> ok out=300
        see a spend day                 -> 0 + 2
        see a requests day              -> 0 + 1
        see a flight                    -> 0 + 1
        at 2026-11-25T00:00:00Z
        see a spend day                 -> 0 + 0
        grow x 2
        // What was reserved yesterday is used first.
        settle x 3
        see a spend day previous        -> 2
        see a spend day                 -> 1 + 0
        see a requests day previous     -> 1
        see a requests day              -> 0 + 0
        ",
    );
}

/// The tokens that came from a cache go where their input went: no window counts less than none.
#[test]
fn cached_tokens_follow_their_input() {
    table(
        "
        limit a uncached 1_000 day
        limit a input 1_000 day
        hold x a in=100
        at 2026-11-25T00:00:00Z
        grow x in=50
        settle x 0 in=120 read=90
        see a input day previous        -> 100
        see a input day                 -> 20 + 0
        see a uncached day previous     -> 10
        see a uncached day              -> 20 + 0
        ",
    );
}

/// litellm #39455: retries counted twice.
#[test]
fn a_key_is_booked_once_in_a_day() {
    table(
        "
        record a 1 key=7
        record a 1 key=7                -> Duplicate
        record b 5 key=7                -> Duplicate
        record a 1 key=8
        at 2026-11-25T11:59:59Z
        record a 1 key=7                -> Duplicate
        at 2026-11-25T12:00:00Z
        record a 1 key=7
        record a 1 key=7                -> Duplicate
        record a 1
        record a 1
        sum a                           -> 5 + 0, 5 calls
        ",
    );
}

/// Law 6: a clock that goes back opens no window and ends no lease twice.
#[test]
fn time_does_not_go_back() {
    table(
        "
        limit a spend 1 day
        hold x a 0.4
        at 2026-11-25T08:00:00Z
        hold y a 0.6
        at 2026-11-24T12:00:00Z
        see a spend day                 -> 0 + 0.6
        hold z a 0.5                    -> no: a spend asks 0.5 of 0.4, 0 + 0.6, when holds end
        settle x 0.4
        settle y 0.6
        see a spend day                 -> 0.6 + 0
        see a spend day previous        -> 0.4
        hold z a 0.5                    -> no: a spend asks 0.5 of 0.4, 0.6 + 0, at 2026-11-26T00:00:00Z
        ",
    );
}

/// litellm #20615: one mistyped number poisons the books. What one charge can be has an end.
#[test]
fn absurd_amounts_are_refused() {
    table(
        "
        limit / tokens u64
        hold x a max in=max out=max
        hold y a max+1                  -> Impossible
        hold y a in=max+1               -> Impossible
        hold y a out=max+1              -> Impossible
        hold y a out=u64                -> Impossible
        hold y a out=0..u64             -> Impossible
        hold y a in=u64                 -> Impossible
        hold y a out=2 n=u64            -> Impossible
        hold y a out=2 per=max          -> Impossible
        grow x 0.000000000001           -> Impossible
        grow x in=1                     -> Impossible
        grow x out=1                    -> Impossible
        settle x max+1                  -> Impossible
        settle x 1 in=u64               -> Impossible
        settle x 1 out=max+1            -> Impossible
        settle x 1 in=1 search=u64      -> Impossible
        record a max+1                  -> Impossible
        record a 1 in=u64               -> Impossible
        record a 1 out=u64              -> Impossible
        record a 1 in=1 search=max+1    -> Impossible
        settle x max least
        hold x a max
        settle x max in=max out=max
        record a max in=max
        see / tokens                    -> 5000000000000 + 0
        sum a                           -> 300000000000 + 0, 3 calls
        ",
    );
}

/// Limits have no amount that a call could not have, and their own end.
#[test]
fn the_largest_limits_and_charges_add_up() {
    table(
        "
        limit / spend 1_000_000_000_000_000_000 // what a limit can be at most
        limit a spend 1_000_000_000_000_000_001 -> the limit..
        limit / output u64
        limit / requests u64
        limit / flight 4294967295
        limit / spend 1_000_000_000_000_000_000 rolling=316_224_000 alert=1,1000
        hold x a max in=max out=max
        hold y a max in=max out=max
        see / spend                     -> 0 + 200000000000
        settle x max in=max read=max out=max
        settle y 0.000000000001 in=0
        see / spend                     -> 100000000000.000000000001 + 0
        see / output                    -> 1000000000000 + 0
        see / spend rolling=316224000   -> 100000000000.000000000001 + 0
        ",
    );
}

/// A hold that was made as large as it gets can be settled all the same: law 3.
#[test]
fn a_hold_that_got_more_back_than_one_charge_can_be_is_settled() {
    table(
        "
        hold out a max in=max
        hold in a max in=max inside=out
        grow out max in=max
        release in
        sum a                           -> 0 + 200000000000, 0 calls
        settle out 1 least
        sum a                           -> 100000000000 + 0, 1 calls
        ",
    );
}

/// A clock can say anything: at the ends of time the sums still hold.
#[test]
fn at_the_ends_of_time() {
    for moments in [[Timestamp::MIN; 2], [Timestamp::MIN, Timestamp::MAX], [Timestamp::MAX; 2]] {
        let mut ledger = Ledger::new();
        let [first, then] = moments;
        let limit = Limit::spend(Usd::dollars(1)).alert_at([50]);
        let rolling = limit.clone().per(Period::rolling(Duration::from_secs(90)));
        for limit in [limit, rolling] {
            let scope = Scope::new("").unwrap();
            ledger.execute(first, &Command::SetLimit { scope, limit }).unwrap();
        }
        let mut reserve = Reserve::fixed(AccountId::ROOT, Usd::cents(60));
        reserve.lease_until = first.plus(Duration::from_secs(1));
        let event = ledger.execute(first, &Command::Reserve(reserve)).unwrap();
        let Change::Reserved(reserved) = event.change else { panic!("not reserved") };
        if let Some(Due::LeaseEnd(hold)) = ledger.due(then) {
            ledger.execute(then, &Command::ExpireCharged { hold }).unwrap();
        }
        let settle = Settle::cost(reserved.hold, Booking::Exactly(7));
        ledger.execute(then, &Command::Settle(settle)).unwrap();
        ledger.check_invariants().unwrap();
        assert_eq!(ledger.account(AccountId::ROOT).unwrap().balance.spent, 7);
    }
}
