//! Tables for corrections: what an invoice says, booked in the window that it is about.

use crate::table;

#[test]
fn a_correction_counts_on_the_whole_line_of_its_account_and_tags() {
    table(
        "
        limit / spend 10
        limit acme spend 1 day
        limit acme spend 5 only=p/*
        limit user:* spend 3
        record acme/x 0.50 model=p/big
        adjust acme/x 0.25 model=p/big tag=user:1
        see acme spend day                  -> 0.75 + 0
        see acme spend only=p/*             -> 0.75 + 0
        see user:1 spend                    -> 0.25 + 0
        sum acme/x                          -> 0.75 + 0, 1 calls    // a correction is no call
        adjust acme/x -0.25 model=q/other
        see acme spend day                  -> 0.5 + 0
        see acme spend only=p/*             -> 0.75 + 0
        sum /                               -> 0.5 + 0, 0 calls
        ",
    );
}

/// Law 1: over the limit the truth is booked, told once, and calls that ask for money are refused until there is
/// room; a call that asks for none is not.
#[test]
fn a_correction_over_a_limit_stops_calls_until_there_is_room() {
    table(
        "
        limit acme spend 1 day alert=80
        adjust acme 1.50                    -> ok !80% acme spend !over acme spend
        hold a acme 0.01                    -> no: acme spend asks 0.01 of -0.5, 1.5 + 0, at 2026-11-25T00:00:00Z
        hold b acme 0                       -> ok
        adjust acme 0.10                    -> ok
        adjust acme -0.60                   -> ok
        hold a acme 0.01                    -> no: acme spend asks 0.01 of 0, 1 + 0, at 2026-11-25T00:00:00Z
        adjust acme -0.01                   -> ok
        hold a acme 0.01                    -> ok
        adjust acme 0.50                    -> ok !over acme spend
        at 2026-11-25T00:00:00Z
        hold c acme 0.99                    -> ok
        ",
    );
}

/// Law 6: a correction belongs to the window of the moment that it is about, while that is kept; the totals have it in
/// any case.
#[test]
fn a_correction_of_a_closed_window_is_not_in_the_present_one() {
    table(
        "
        limit acme spend 1 day alert=50
        limit acme spend 5
        limit acme spend 1 rolling=3600
        record acme 0.40                    -> ok
        at 2026-11-25T12:00:00Z
        record acme 0.10
        adjust acme 0.70 about=2026-11-24T23:59:59Z -> ok !50% acme spend previous !over acme spend previous
        see acme spend day                  -> 0.1 + 0
        see acme spend day previous         -> 1.1
        see acme spend rolling=3600         -> 0.1 + 0
        see acme spend                      -> 1.2 + 0
        adjust acme 0.05 about=2026-11-22T12:00:00Z // long gone
        see acme spend day previous         -> 1.1
        see acme spend                      -> 1.25 + 0
        adjust acme 0.05 about=2027-01-01T00:00:00Z // what is to come is now
        see acme spend day                  -> 0.15 + 0
        adjust acme -0.10 about=2026-11-25T11:30:00Z
        see acme spend day                  -> 0.05 + 0
        see acme spend rolling=3600         -> 0.15 + 0 // there was nothing in that minute
        adjust acme -0.10
        see acme spend day                  -> 0 + 0    // and not less than nothing
        see acme spend rolling=3600         -> 0.05 + 0
        see acme spend                      -> 1.1 + 0
        hold a acme 1.01                    -> no: acme spend asks 1.01 of 1, 0 + 0, never
        ",
    );
}

/// After days without a call nobody knows where the window before this one began: only the totals change.
#[test]
fn a_correction_about_a_silence_counts_in_no_window() {
    table(
        "
        limit acme spend 1 hour
        limit acme spend 5
        record acme 0.40
        at 2026-11-25T12:30:00Z
        adjust acme 0.70 about=2026-11-25T01:00:00Z
        see acme spend hour                 -> 0 + 0
        see acme spend hour previous        -> 0
        see acme spend                      -> 1.1 + 0
        ",
    );
}

#[test]
fn a_correction_leaves_nobody_with_less_than_nothing() {
    table(
        "
        record acme/x 1 tag=user:1
        adjust acme/x -1.01                 -> Impossible
        adjust acme/x -1 tag=user:2         -> Impossible
        adjust acme -1                      // of all below it
        sum acme                            -> 0 + 0, 0 calls
        sum acme/x                          -> 1 + 0, 1 calls
        adjust acme/x -0.5                  -> Impossible
        adjust acme max+1                   -> Impossible
        adjust user:1 1                     -> BadTags
        adjust acme 1 tag=user:1 tag=user:2 -> BadTags
        adjust acme/x 0.5
        close acme/x
        adjust acme/x 1                     -> Closed
        ",
    );
}
