//! Tables for what users of today's tools suffer from, each told by its story.

use crate::table;

/// `llm-budget` 0.2.2 and others do not book a charge that would cross the cap: of these six, they
/// say $0.995 and go on admitting small calls, while the provider bills $2.495.
#[test]
fn money_does_not_vanish() {
    table(
        "
        limit / spend 1.00
        hold a / 0.9
        settle a 0.9
        hold b / 0.1
        settle b 0.5                    -> ok !over / spend
        see / spend                     -> 1.4 + 0
        hold c / 0.09                   -> no: / spend asks 0.09 of -0.4, 1.4 + 0, never
        // Calls that were made all the same are booked all the same.
        record / 0.09
        record / 0.5
        record / 0.005
        record / 0.5
        see / spend                     -> 2.495 + 0
        sum /                           -> 2.495 + 0, 6 calls
        hold d / 0.000000000001         -> no: / spend asks 0.000000000001 of -1.495, 2.495 + 0, never
        ",
    );
}

/// litellm #34732, #11083: calls that ask at the same time see each other's money.
#[test]
fn what_is_held_is_not_there_for_others() {
    table(
        "
        limit / spend 1
        hold a / 0.5
        hold b / 0.5
        hold c / 0.000000000001         -> no: / spend asks 0.000000000001 of 0, 0 + 1, when holds end
        release b
        hold c / 0.5
        ",
    );
}

/// litellm PR #27021: `<` where `<=` was meant refuses the first request. A limit can be reached,
/// it cannot be passed.
#[test]
fn the_whole_amount_can_be_spent() {
    table(
        "
        limit / spend 1
        limit / requests 1
        hold a / 1
        settle a 1
        see / spend                     -> 1 + 0
        see / requests                  -> 1 + 0
        hold b / 0                      -> no: / requests asks 1 of 0, 1 + 0, never
        ",
    );
}

/// litellm #27639, #36926: phantom holds. What ends leaves nothing behind.
#[test]
fn no_hold_leaks() {
    table(
        "
        limit acme spend 1 alert=50
        limit acme flight 1
        hold a acme 0.6 in=100 out=20
        release a
        see acme spend                  -> 0 + 0
        hold b acme 0.6 in=100 out=20
        settle b 0.2
        see acme spend                  -> 0.2 + 0
        see acme flight                 -> 0 + 0
        settle b 0.2                    -> NoSuchHold
        release b                       -> NoSuchHold
        release a                       -> NoSuchHold
        grow b 0.1                      -> NoSuchHold
        sum acme                        -> 0.2 + 0, 1 calls
        ",
    );
}

/// litellm #3738, #3113, #32597: several thresholds, each once.
#[test]
fn thresholds_fire_once_each() {
    table(
        "
        limit / spend 1 day alert=50,80,100
        record / 0.49
        record / 0.01                   -> ok !50% / spend
        record / 0.1
        record / 0.5                    -> ok !80% / spend !100% / spend !over / spend
        record / 0.5
        at 2026-11-25T00:00:00Z
        record / 0.5                    -> ok !50% / spend
        ",
    );
}
