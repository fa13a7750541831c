//! Tables for refusals: what they say, when the call could pass, how short an output would fit.

use crate::table;

#[test]
fn the_output_is_shortened_as_little_as_possible() {
    table(
        "
        limit a spend 1
        // A thousandth of a dollar for each token of output, and ten cents for the rest.
        hold x a 0.1 out=100..2000 per=0.001   -> ok out=900
        see a spend                            -> 0 + 1
        release x
        hold x a 0.1 out=900..2000 per=0.001   -> ok out=900
        release x
        hold x a 0.1 out=901..2000 per=0.001   -> no: a spend asks 1.001 of 1, 0 + 0, never, out<=900
        // What was asked for is one amount: there is nothing to shorten.
        hold x a 0.1 out=901 per=0.001         -> no: a spend asks 1.001 of 1, 0 + 0, never, out<=900
        hold x a 0.1 out=900 per=0.001         -> ok
        release x
        // A floor above the cap asks for the cap.
        hold x a 0.1 out=950..900 per=0.001    -> ok out=900
        release x
        hold x a 0.1 out=2000..901 per=0.001   -> no: a spend asks 1.001 of 1, 0 + 0, never, out<=900
        // The tightest of several decides, each choice counts.
        limit a tokens 1_000
        limit / output 800
        hold x a in=300 out=1..5000 n=2        -> ok out=350
        settle x 0 in=300 out=700
        hold y a out=1..5000                   -> no: a tokens asks 1 of 0, 1000 + 0, never
        hold y b out=1..5000                   -> ok out=100
        ",
    );
}

/// A fraction of a picodollar is rounded up when it is held: never over by a token.
#[test]
fn the_last_token_is_counted_up() {
    table(
        "
        limit a spend 0.000000000010
        hold x a out=1..1000 per=0.000000000003   -> ok out=3
        see a spend                               -> 0 + 0.000000000009
        ",
    );
}

#[test]
fn a_refusal_says_when_the_call_could_pass() {
    table(
        "
        limit a spend 1
        limit a spend 2 day
        limit a spend 1 hour@Asia/Kolkata
        limit a tokens 100 rolling=600
        // More than the limit itself, whatever is free.
        hold x a 1.5                    -> no: a spend asks 1.5 of 1, 0 + 0, never
        hold x a 0.6
        // Both block; the lifetime limit only until the hold ends, the hour's too.
        hold y a 0.6                    -> no: a spend asks 0.6 of 0.4, 0 + 0.6, when holds end
        settle x 0.6
        hold y a 0.6                    -> no: a spend asks 0.6 of 0.4, 0.6 + 0, never
        limit a spend 10
        // The hour of Kolkata ends at half past.
        hold y a 0.6                    -> no: a spend asks 0.6 of 0.4, 0.6 + 0, at 2026-11-24T12:30:00Z
        hold y a 2.5                    -> no: a spend asks 2.5 of 1.4, 0.6 + 0, never
        lift a spend hour@Asia/Kolkata
        hold y a 1.5                    -> no: a spend asks 1.5 of 1.4, 0.6 + 0, at 2026-11-25T00:00:00Z
        record a in=60
        +20s
        record a in=30
        // Ten tokens are free. Slots are ten seconds long: the first charge leaves at 610 s.
        hold y a in=10
        release y
        hold y a in=11                  -> no: a tokens asks 11 of 10, 90 + 0, at 2026-11-24T12:10:10Z
        hold y a in=70                  -> no: a tokens asks 70 of 10, 90 + 0, at 2026-11-24T12:10:10Z
        hold y a in=71                  -> no: a tokens asks 71 of 10, 90 + 0, at 2026-11-24T12:10:30Z
        at 2026-11-24T12:10:09.999999Z
        hold y a in=11                  -> no: a tokens..
        at 2026-11-24T12:10:10Z
        hold y a in=71                  -> no: a tokens asks 71 of 70, 30 + 0, at 2026-11-24T12:10:30Z
        hold y a in=70
        ",
    );
}

#[test]
fn of_several_limits_the_one_that_blocks_longest_is_named() {
    table(
        "
        limit / spend 1 month
        limit a spend 1 day
        limit a/b spend 1
        limit a/b requests 1 rolling=60
        hold x a/b 1
        hold y a/b 1                    -> no: a/b spend asks 1 of 0, 0 + 1, when holds end
        settle x 1
        hold y a/b 0.5                  -> no: a/b spend asks 0.5 of 0, 1 + 0, never
        limit a/b spend 9
        hold y a/b 0.5                  -> no: / spend asks 0.5 of 0, 1 + 0, at 2026-12-01T00:00:00Z
        limit / spend 9 month
        hold y a/b 0.5                  -> no: a spend asks 0.5 of 0, 1 + 0, at 2026-11-25T00:00:00Z
        limit a spend 9 day
        hold y a/b 0.5                  -> no: a/b requests asks 1 of 0, 1 + 0, at 2026-11-24T12:01:01Z
        ",
    );
}

/// Law 1: what a provider billed beyond the hold is booked, told once, and blocks until there is
/// room again.
#[test]
fn an_overrun_is_booked_and_told_once() {
    table(
        "
        limit a spend 1 day
        hold x a 0.5
        hold y a 0.5
        settle x 0.8                    -> ok !over a spend
        see a spend day                 -> 0.8 + 0.5
        settle y 0.4
        see a spend day                 -> 1.2 + 0
        hold z a 0.1                    -> no: a spend asks 0.1 of -0.2, 1.2 + 0, at 2026-11-25T00:00:00Z
        hold z a
        settle z 0.1
        // Room again, and over again: told again.
        limit a spend 1.5 day
        record a 0.3                    -> ok !over a spend
        at 2026-11-25T00:00:00Z
        hold z a 1.4
        record a 0.2                    -> ok !over a spend
        release z
        hold z a 1.2
        settle z 1.3                    -> ok
        ",
    );
}
