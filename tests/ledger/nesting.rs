//! Tables for calls inside calls: a transfer under one lock.

use crate::table;

#[test]
fn an_inner_call_takes_from_the_outer_hold() {
    table(
        "
        limit / spend 10
        limit a spend 10
        limit a/b spend 4
        hold out a 10
        hold x a/b 3                    -> no: a spend asks 3 of 0, 0 + 10, when holds end
        hold in a/b 3 inside=out
        see / spend                     -> 0 + 10
        see a spend                     -> 0 + 10
        see a/b spend                   -> 0 + 3
        sum a                           -> 0 + 10, 0 calls
        sum a/b                         -> 0 + 3, 0 calls
        // The limits below the outer account are asked.
        hold in2 a/b 2 inside=out       -> no: a/b spend asks 2 of 1, 0 + 3, when holds end
        // The rest goes back to the outer hold.
        settle in 1
        see / spend                     -> 1 + 9
        see a/b spend                   -> 1 + 0
        hold in2 a/b 3 inside=out
        release in2
        see / spend                     -> 1 + 9
        // In an account of its own, too.
        hold in3 a 9 inside=out
        settle in3 9
        see / spend                     -> 10 + 0
        settle out 0
        see / spend                     -> 10 + 0
        sum a                           -> 10 + 0, 1 calls
        ",
    );
}

#[test]
fn what_the_outer_hold_does_not_have_is_an_ordinary_reserve() {
    table(
        "
        limit / spend 10
        hold out a 4
        hold in a/b 9 inside=out
        see / spend                     -> 0 + 9
        hold in2 a/b 2 inside=out       -> no: / spend asks 2 of 1, 0 + 9, when holds end
        hold in2 a/b inside=out out=1..100 per=0.1 -> ok out=10
        see / spend                     -> 0 + 10
        settle in 2                     // 2 of the 4 go back, the other 5 are free
        see / spend                     -> 2 + 3
        settle in2 1
        see / spend                     -> 3 + 2
        release out
        see / spend                     -> 3 + 0
        ",
    );
}

/// Requests count leaf calls, calls in flight count outermost holds.
#[test]
fn leaf_calls_and_outermost_holds() {
    table(
        "
        limit a requests 3
        limit a flight 1
        hold out a 10
        hold in1 a 1 inside=out
        see a requests                  -> 0 + 1
        see a flight                    -> 0 + 1
        hold in2 a 1 inside=out
        see a requests                  -> 0 + 2
        hold in3 a 1 inside=out
        hold in4 a 1 inside=out         -> no: a requests asks 1 of 0, 0 + 3, when holds end
        release in3
        settle in1 1
        settle in2 1
        see a requests                  -> 2 + 0
        settle out 0
        see a requests                  -> 2 + 0
        see a flight                    -> 0 + 0
        sum a                           -> 2 + 0, 2 calls
        // An outer call whose only inner call was not made is a leaf itself.
        hold out a 1
        hold in a 1 inside=out
        release in
        settle out 1
        see a requests                  -> 3 + 0
        ",
    );
}

#[test]
fn an_inner_call_that_costs_more_than_it_held() {
    table(
        "
        limit / spend 10
        limit a/b spend 3
        hold out a 8
        hold in a/b 3 inside=out
        settle in 5                     -> ok !over a/b spend
        see / spend                     -> 5 + 5
        see a/b spend                   -> 5 + 0
        settle out 0
        see / spend                     -> 5 + 0
        ",
    );
}

#[test]
fn an_outer_hold_that_ends_first() {
    table(
        "
        limit / spend 10
        limit a flight 1
        hold out a 8
        hold in a/b 3 inside=out
        settle out 1
        see / spend                     -> 1 + 3
        hold in2 a/b 1 inside=out       -> NoSuchHold
        grow in 1
        see / spend                     -> 1 + 4
        settle in 2
        see / spend                     -> 3 + 0
        // The place of the outer hold is another's by now: nothing goes there.
        hold out a 7
        release out
        hold out a 5
        hold in a 2 inside=out
        release out
        hold other a 1
        settle in 1
        see / spend                     -> 4 + 1
        ",
    );
}

#[test]
fn an_outer_hold_that_expires_first() {
    table(
        "
        limit / spend 10
        hold out a 8 lease=60
        hold in a/b 3 inside=out lease=900
        +60s                            -> ok !expired a 5
        see / spend                     -> 5 + 3
        settle in 1
        see / spend                     -> 6 + 0
        settle out 0
        see / spend                     -> 1 + 0
        sum a                           -> 1 + 0, 0 calls
        sum a/b                         -> 1 + 0, 1 calls
        ",
    );
}

#[test]
fn an_inner_hold_that_expires_is_charged() {
    table(
        "
        limit / spend 10
        hold out a 8
        hold in a/b 3 inside=out lease=60
        +60s                            -> ok !expired a/b 3
        see / spend                     -> 3 + 5
        settle in 1
        see / spend                     -> 1 + 5
        settle out 0
        see / spend                     -> 1 + 0
        ",
    );
}

#[test]
fn only_inside() {
    table(
        "
        hold out a/b 5 tag=user:1
        hold in a 1 inside=out tag=user:1       -> NotInside
        hold in c 1 inside=out tag=user:1       -> NotInside
        hold in a/b/c 1 inside=out              -> NotInside
        hold in a/b/c 1 inside=out tag=user:2   -> NotInside
        hold in a/b/c 1 inside=out tag=user:1 tag=team:blue
        settle out 0
        hold in a/b 1 inside=out tag=user:1     -> NoSuchHold
        ",
    );
}

#[test]
fn tags_of_the_outer_call_do_not_change_and_new_ones_are_asked() {
    table(
        "
        limit user:1 spend 5
        limit team:blue spend 1
        hold out a 5 tag=user:1
        hold in a 2 inside=out tag=user:1 tag=team:blue -> no: team:blue spend asks 2 of 1, 0 + 0, never
        hold in a 1 inside=out tag=user:1 tag=team:blue
        see user:1 spend                -> 0 + 5
        see team:blue spend             -> 0 + 1
        settle in 0.5
        see user:1 spend                -> 0.5 + 4.5
        see team:blue spend             -> 0.5 + 0
        sum user:1                      -> 0.5 + 4.5, 1 calls
        ",
    );
}

/// What came out of the outer hold belongs to the window of that hold, the excess to its own.
#[test]
fn windows_of_an_inner_call() {
    table(
        "
        limit a spend 10 day
        limit a/b spend 1 day
        hold out a 5
        at 2026-11-25T00:00:00Z
        see a spend day                 -> 0 + 0
        // The five come from yesterday's hold: today they ask nothing, not even of a/b.
        hold in a/b 5.5 inside=out
        see a spend day                 -> 0 + 0.5
        see a/b spend day               -> 0 + 0.5
        settle in 5.2                   -> ok !over a/b spend previous
        see a spend day previous        -> 5
        see a spend day                 -> 0.2 + 0
        see a/b spend day previous      -> 5
        see a/b spend day               -> 0.2 + 0
        ",
    );
}

/// Three deep, all at one moment: the rest of each goes back to where it came from.
#[test]
fn three_calls_deep() {
    table(
        "
        limit / spend 10
        hold one a 6
        hold two a 8 inside=one         // 6 from one, 2 of its own
        hold three a 8 inside=two
        see / spend                     -> 0 + 8
        settle three 1
        see / spend                     -> 1 + 7
        settle two 0
        see / spend                     -> 1 + 6 // one has its 6 again: the 1 was of two's own
        settle one 0
        see / spend                     -> 1 + 0
        ",
    );
    table(
        "
        limit / spend 10
        hold one a 6
        hold two a 8 inside=one
        hold three a 8 inside=two
        release three
        release two
        see / spend                     -> 0 + 6
        hold two a 6 inside=one
        see / spend                     -> 0 + 6
        ",
    );
}

/// A stream that outlives its call made the hold of the whole team smaller: what it left went to
/// nobody, and not to the next hold around it.
#[test]
fn what_is_left_goes_to_the_nearest_hold_around_that_is_open() {
    table(
        "
        limit / spend 10
        hold one a 6
        hold two a 4 inside=one
        hold three a/b 3 inside=two
        settle two 0                    // its 1 goes back to one
        see / spend                     -> 0 + 6
        settle three 1                  // and so do these 2
        see / spend                     -> 1 + 5
        hold more a 5 inside=one
        see / spend                     -> 1 + 5
        release more
        release one
        see / spend                     -> 1 + 0
        ",
    );
    // What two had reserved by itself is nobody else's.
    table(
        "
        limit / spend 10
        hold one a 6
        hold two a 8 inside=one         // 6 from one, 2 of its own
        hold three a 8 inside=two
        release two
        settle three 1                  // of two's own
        see / spend                     -> 1 + 6
        settle one 0
        see / spend                     -> 1 + 0
        ",
    );
    // Two that have ended, one by its lease; and the window is that of the outermost.
    table(
        "
        limit / spend 10
        limit / spend 9 day
        limit / requests 9
        hold one a 6
        at 2026-11-25T00:00:00Z
        hold two a 5 inside=one lease=60
        hold three a 4 inside=two
        hold four a 3 inside=three
        release three
        +60s                            -> ok !expired a 2
        see / spend                     -> 2 + 4
        see / spend day                 -> 0 + 0
        release four                    // three is over, two has expired
        see / spend                     -> 2 + 4
        see / requests                  -> 0 + 1
        hold more a 4 inside=one
        see / spend                     -> 2 + 4
        release more
        release one
        see / spend                     -> 2 + 0
        settle two 0
        see / spend                     -> 0 + 0
        ",
    );
}

#[test]
fn growth_of_an_inner_call_takes_from_the_outer_hold_first() {
    table(
        "
        limit / spend 10
        hold out a 6
        hold in a/b 2 inside=out
        grow in 3
        see / spend                     -> 0 + 6
        grow in 3
        see / spend                     -> 0 + 8
        grow in 3                       -> no: / spend asks 3 of 2, 0 + 8, when holds end
        settle in 1                     // 5 of the 6 go back
        see / spend                     -> 1 + 5
        ",
    );
}

/// A filter that counts the outer model but not the inner one has let the money go. It takes it
/// back only as far as there is room: law 1.
#[test]
fn what_goes_back_to_the_outer_hold_must_still_fit() {
    table(
        "
        limit a spend 10 only=p/big
        hold out a 10 model=p/big
        hold in a 8 inside=out model=p/small
        see a spend only=p/big          -> 0 + 2
        hold other a 8 model=p/big
        settle in 1
        see a spend only=p/big          -> 0 + 10
        sum a                           -> 1 + 10, 1 calls
        release other
        settle out 2
        see a spend only=p/big          -> 2 + 0
        hold out a 8 model=p/big
        hold in a 6 inside=out model=p/small
        settle in 1
        see a spend only=p/big          -> 2 + 7
        ",
    );
}

#[test]
fn a_filter_that_counts_only_the_inner_model_is_asked() {
    table(
        "
        limit a spend 3 only=p/small
        hold out a 10 model=p/big
        hold in a 4 inside=out model=p/small -> no: a spend asks 4 of 3, 0 + 0, never
        hold in a 3 inside=out model=p/small
        see a spend only=p/small        -> 0 + 3
        settle in 1
        see a spend only=p/small        -> 1 + 0
        ",
    );
}

/// An overrun goes on while money moves between an outer and an inner hold: it is told once.
#[test]
fn a_transfer_tells_nothing_twice() {
    table(
        "
        limit / spend 10 alert=50
        hold out a 9
        limit / spend 5 alert=50        -> ok !over / spend
        hold in a/b 6 inside=out
        settle in 1
        hold in a/b 6 inside=out
        grow in 1
        release in
        see / spend                     -> 1 + 8
        settle out 0
        ",
    );
}

/// What goes back to a window that is over takes nobody's room.
#[test]
fn what_goes_back_to_yesterday_always_fits() {
    table(
        "
        limit a spend 10 day only=p/big
        hold out a 10 model=p/big
        hold in a 8 inside=out model=p/small
        at 2026-11-25T00:00:00Z
        hold other a 10 model=p/big
        release in
        sum a                           -> 0 + 20, 0 calls
        ",
    );
}

/// A transfer can end an overrun, where a filter does not count the inner model: the next is told.
#[test]
fn a_transfer_can_end_an_overrun() {
    table(
        "
        limit a spend 10 only=p/big
        hold out a 10 model=p/big
        limit a spend 5 only=p/big      -> ok !over a spend
        hold in a 8 inside=out model=p/small
        record a 4 model=p/big          -> ok !over a spend
        ",
    );
}
