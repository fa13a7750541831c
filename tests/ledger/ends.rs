//! Tables for the ends of a hold: leases, late words, growth, keys, and the ends of the numbers.

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
