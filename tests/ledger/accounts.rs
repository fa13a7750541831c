//! Tables for accounts: opened, frozen, closed and folded.

use crate::table;

#[test]
fn accounts_are_opened_from_above() {
    table(
        "
        open a/b                        -> NoParent
        open a
        open a                          -> Exists
        open a/b
        open user:1                     -> NoParent
        open user:
        open user:1
        open user:1/x
        ",
    );
}

#[test]
fn freezing_covers_what_is_below_and_stops_only_new_calls() {
    table(
        "
        limit a spend 20 slice=5
        hold x a/b 1 in=10 lease=60
        hold y a/b 1
        freeze a
        hold z a 1                      -> frozen a
        hold z a/b 1                    -> frozen a
        hold z a/b 1 wrapup             -> frozen a
        hold z a/b                      -> frozen a
        hold z a/b 0.5 inside=x         -> frozen a
        grow x 1                        -> frozen a
        grow x 1 wrapup                 -> frozen a
        hold z a/new/deep 1             -> frozen a
        hold z c 1
        settle y 2
        record a/b 1
        renew x 90
        +90s                            -> ok !expired a/b 1
        release x
        sum a                           -> 3 + 0, 0 calls
        freeze a/b
        thaw a
        hold z a 1
        hold z a/new/deep 1
        hold z a/b 1                    -> frozen a/b
        thaw a/b
        hold z a/b 1
        thaw a/b
        freeze /
        hold z c 1                      -> frozen /
        thaw /
        freeze team:
        hold z c 1 tag=team:blue        -> frozen team:
        hold z c 1 tag=user:1
        record c 1 tag=team:blue
        ",
    );
}

#[test]
fn a_run_ends_when_its_last_hold_does() {
    table(
        "
        limit a spend 10
        limit a/run spend 5
        hold x a/run 1 model=p/m in=5
        hold y a/run/child 1 model=p/m in=5
        record a/run 1
        close a/run
        hold z a/run 1                  -> Closed
        hold z a/run/child 1            -> Closed
        hold z a/run 0.1 inside=x       -> Closed
        open a/run/other                -> Closed
        open a/run                      -> Exists
        grow x 0.5                      -> Closed
        record a/run 1
        close a/run
        settle x 1.2
        sum a/run                       -> 3.2 + 1, 3 calls
        settle y 0.3
        sum a/run                       -> gone
        sum a/run/child                 -> gone
        see a/run spend                 -> nothing
        record a/run 1                  -> Closed
        sum a                           -> 3.5 + 0, 4 calls
        see a spend                     -> 3.5 + 0
        // The place is used again; the old id stays dead.
        open a/next
        hold z a/run 1                  -> Closed
        sum a/next                      -> 0 + 0, 0 calls
        freeze a/run                    -> Closed
        close a/run                     -> Closed
        // A limit outlives the account it is for, but its counts do not.
        open a/run
        see a/run spend                 -> 0 + 0
        hold z a/run 6                  -> no: a/run spend asks 6 of 5, 0 + 0, never
        // Without holds it is gone at once.
        close a/run
        sum a/run                       -> gone
        close /                         -> NotClosable
        ",
    );
}

/// A tag does not wait for its calls: what is forgotten is gone at once, or not at all.
#[test]
fn a_tag_is_closed_when_no_call_carries_it() {
    table(
        "
        limit user: spend 10
        limit user:* spend 5
        open user:1
        open user:1/phone
        hold x a 1 tag=user:1/phone
        close user:1                    -> InUse { calls: 1 }
        settle x 1
        hold y a 2 tag=user:1
        settle y 2
        close user:1
        sum user:1                      -> gone
        sum user:1/phone                -> gone
        sum user:                       -> 3 + 0, 2 calls
        see user: spend                 -> 3 + 0
        close user:                     -> NotClosable
        open user:1
        see user:1 spend                -> 0 + 0
        ",
    );
}

/// The settle that ends a run can be the one that crosses its threshold: it is told all the same.
#[test]
fn a_run_that_ends_over_its_limit_is_still_told_of() {
    table(
        "
        limit a/run spend 1 alert=50
        hold x a/run 1
        hold y b/run 1 lease=60
        close a/run
        close b/run
        settle x 3                      -> ok !50% a/run spend !over a/run spend
        sum a/run                       -> gone
        +60s                            -> ok !expired b/run 1
        sum b/run                       -> gone
        ",
    );
}

/// The late word of a call whose run has gone reaches the account above.
#[test]
fn a_late_word_finds_the_heir() {
    table(
        "
        limit / spend 10
        limit a spend 10 day
        hold x a/run/child 1 lease=60 in=10 model=p/m tag=user:1
        hold y a/run 1 lease=60
        close a/run
        +60s                            -> ok !expired a/run/child 1 !expired a/run 1
        sum a/run                       -> gone
        sum a                           -> 2 + 0, 2 calls
        open a/new
        open a/new/other
        settle x 0.2 in=4
        sum a                           -> 1.2 + 0, 2 calls
        sum user:1                      -> 0.2 + 0, 1 calls
        see / spend                     -> 1.2 + 0
        see a spend day                 -> 1.2 + 0
        release y
        sum a                           -> 0.2 + 0, 1 calls
        see a spend day                 -> 0.2 + 0
        ",
    );
}

#[test]
fn closing_takes_the_counters_of_patterns_with_it() {
    table(
        "
        open a
        limit a/* spend 1
        limit a/* requests 2 day
        hold x a/1 1
        hold y a/2 1
        close a/1
        settle x 1
        see a/1 spend                   -> nothing
        limit a/* spend 2
        see a/2 spend                   -> 0 + 1
        open a/3
        see a/3 spend                   -> 0 + 0
        lift a/* spend
        see a/2 spend                   -> nothing
        see a/3 spend                   -> nothing
        close a/2
        settle y 1
        limit a spend 5
        see a spend                     -> 2 + 0
        ",
    );
}
