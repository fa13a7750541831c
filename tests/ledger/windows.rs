//! Tables for windows: of the calendar and rolling ones, and which of them a charge belongs to.

use bursar::calendar::{CalendarUnit, Zone};
use bursar::clock::Timestamp;
use bursar::ledger::{Change, Command, Due, Ledger, Rejection};

use crate::table;

/// TensorZero refunds into the next window; here a charge belongs to the one it was reserved in.
#[test]
fn a_charge_belongs_to_the_window_it_was_reserved_in() {
    table(
        "
        limit a spend 10
        limit a spend 10 day
        hold x a 1
        hold y a 2
        hold z a 3
        settle x 0.5
        at 2026-11-25T00:00:00Z
        see a spend day                 -> 0 + 0
        see a spend day previous        -> 0.5
        settle y 2.5
        see a spend day                 -> 0 + 0
        see a spend day previous        -> 3
        record a 1
        at 2026-11-26T10:00:00Z
        see a spend day previous        -> 1
        // Two windows ago: only the totals know.
        settle z 3
        see a spend day                 -> 0 + 0
        see a spend day previous        -> 1
        see a spend                     -> 7 + 0
        ",
    );
}

/// A window that passed in silence was empty, and what came before it is not called \"yesterday\".
#[test]
fn a_silent_window_is_the_one_before() {
    table(
        "
        limit a spend 10 day alert=50
        record a 5                      -> ok !50% a spend
        hold x a 1
        at 2026-11-27T00:00:00Z
        see a spend day previous        -> 0
        settle x 1
        see a spend day previous        -> 0
        record a 5                      -> ok !50% a spend
        at 2026-11-28T00:00:00Z
        see a spend day previous        -> 5
        record a 1
        at 2026-11-29T00:00:00Z
        at 2026-11-30T00:00:00Z
        see a spend day previous        -> 0
        ",
    );
}

#[test]
fn a_window_ends_at_the_local_midnight() {
    table(
        "
        at 2026-03-28T22:59:59Z
        limit a requests 1 day@Europe/Berlin
        limit b requests 1 month@America/New_York
        record a
        record b
        hold x a                        -> no: a requests asks 1 of 0, 1 + 0, at 2026-03-28T23:00:00Z
        at 2026-03-28T23:00:00Z
        record a
        // The clocks go forward: 23 hours.
        hold x a                        -> no: a requests asks 1 of 0, 1 + 0, at 2026-03-29T22:00:00Z
        at 2026-03-29T22:00:00Z
        hold x a
        hold y b                        -> no: b requests asks 1 of 0, 1 + 0, at 2026-04-01T04:00:00Z
        at 2026-04-01T04:00:00Z
        hold y b
        hold z b                        -> no: b requests..
        ",
    );
}

/// Accounts that were silent for long read as empty in the new window, and keep what they hold.
#[test]
fn counters_that_slept_wake_up_empty() {
    table(
        "
        limit a/* spend 1 day alert=100
        limit a spend 9 day
        hold x a/1 1
        hold y a/2 0.5
        settle y 0.5
        at 2026-11-25T00:00:00Z
        hold u a/1 1
        see a/1 spend day               -> 0 + 1
        see a/2 spend day               -> 0 + 0
        see a/2 spend day previous      -> 0.5
        at 2026-11-26T00:00:00Z
        see a/2 spend day previous      -> 0
        settle u 1                      -> ok !100% a/1 spend previous
        see a/1 spend day previous      -> 1
        release x
        see a/1 spend day               -> 0 + 0
        limit a/* spend 0.5 day alert=100
        hold v a/2 0.6                  -> no: a/2 spend asks 0.6 of 0.5, 0 + 0, never
        ",
    );
}

/// A charge leaves a rolling window when its slot is wholly outside: late by at most a sixtieth,
/// never early. Slots of 60 s are one second long.
#[test]
fn a_rolling_window_lets_go_late_but_never_early() {
    table(
        "
        limit a spend 1 rolling=60
        at 2026-11-24T12:00:00.9Z
        record a 0.3
        at 2026-11-24T12:00:01.1Z
        record a 0.3
        at 2026-11-24T12:01:00.999999Z
        see a spend rolling=60          -> 0.6 + 0
        hold x a 0.5                    -> no: a spend asks 0.5 of 0.4, 0.6 + 0, at 2026-11-24T12:01:01Z
        at 2026-11-24T12:01:01Z
        hold x a 0.5
        see a spend rolling=60          -> 0.3 + 0.5
        at 2026-11-24T12:01:02Z
        see a spend rolling=60          -> 0 + 0.5
        ",
    );
}

/// An open hold always counts in a rolling window; its charge counts where it was reserved.
#[test]
fn a_rolling_window_counts_what_is_held_for_as_long_as_it_is() {
    table(
        "
        limit a spend 1 rolling=60
        limit a requests 2 rolling=60
        hold x a 0.6
        hold y a 0.4
        +3_600s
        see a spend rolling=60          -> 0 + 1
        hold z a 0.1                    -> no: a spend asks 0.1 of 0, 0 + 1, when holds end
        settle x 0.6
        see a spend rolling=60          -> 0 + 0.4
        hold z a 0.6
        +30s
        settle z 0.2
        see a spend rolling=60          -> 0.2 + 0.4
        +30s
        settle y 0.4
        see a spend rolling=60          -> 0.2 + 0
        +1s
        see a spend rolling=60          -> 0 + 0
        ",
    );
}

/// What was reserved more than a period ago is past when it is settled: it tells nothing.
#[test]
fn a_charge_can_be_too_old_for_a_rolling_window() {
    table(
        "
        limit a spend 1 rolling=60 alert=50
        hold x a 0.9
        +3_600s
        settle x 5                      -> ok
        see a spend rolling=60          -> 0 + 0
        see a spend rolling=60 peak     -> 0.9
        ",
    );
}

/// A period that does not divide into sixty whole microseconds loses nothing either.
#[test]
fn odd_rolling_periods_are_never_early() {
    table(
        "
        at 1970-01-01T00:00:00Z
        limit a requests 1 rolling=61
        record a
        at 1970-01-01T00:01:02.016666Z
        hold x a                        -> no: a requests asks 1 of 0, 1 + 0, at 1970-01-01T00:01:02.016667Z
        at 1970-01-01T00:01:02.016667Z
        hold x a
        ",
    );
}

/// Law 12 for a window without a start: a threshold tells again when a period has passed since,
/// and what is spent has come down between.
#[test]
fn rolling_thresholds_fire_again_after_a_period() {
    table(
        "
        limit a spend 1 rolling=60 alert=50,80
        // Reserved early, settled late: what is told at 30 s leaves at 61 s.
        hold x a 0.6
        hold y a 0.3
        +30s
        settle x 0.6                    -> ok !50% a spend
        settle y 0.3                    -> ok !80% a spend
        +31s
        see a spend rolling=60          -> 0 + 0
        record a 0.6                    -> ok
        +20s
        record a 0.1
        // 100 s: 70 s since it was told, and it is still above a half, but not above the rest.
        +19s
        record a 0.1                    -> ok !80% a spend
        +22s
        see a spend rolling=60          -> 0.2 + 0
        record a 0.5                    -> ok
        +61s
        record a 0.5                    -> ok !50% a spend
        record a 0.3                    -> ok !80% a spend
        record a 0.3                    -> ok !over a spend
        +3_600s
        record a 0.9                    -> ok !50% a spend !80% a spend
        ",
    );
}

/// What leaves a rolling window ends an overrun; the next one is told anew.
#[test]
fn a_rolling_overrun_ends_by_itself() {
    table(
        "
        limit a spend 1 rolling=60
        record a 2                      -> ok !over a spend
        +62s
        record a 2                      -> ok !over a spend
        ",
    );
}

#[test]
fn several_windows_roll_each_at_its_end() {
    table(
        "
        at 2026-12-31T23:30:00Z
        limit a requests 10 hour
        limit a requests 10 day
        limit a requests 10 week
        limit a requests 10 month
        limit a requests 10 quarter
        limit a requests 10 year
        limit a requests 10 year@Asia/Tokyo
        record a
        at 2027-01-01T00:00:00Z
        record a
        see a requests hour             -> 1 + 0
        see a requests day              -> 1 + 0
        see a requests week             -> 2 + 0
        see a requests month            -> 1 + 0
        see a requests quarter          -> 1 + 0
        see a requests year             -> 1 + 0
        see a requests year previous    -> 1
        see a requests year@Asia/Tokyo  -> 2 + 0
        see a requests week resets      -> Some(\"2027-01-04T00:00:00Z\")
        ",
    );
}

/// A new limit counts what is held where it was reserved: not in today's window if that was
/// yesterday.
#[test]
fn a_new_limit_puts_holds_into_their_own_window() {
    table(
        "
        limit b requests 9 day
        hold x a 1
        at 2026-11-25T00:00:00Z
        hold y a 1
        limit a spend 5 day
        see a spend day                 -> 0 + 1
        limit a spend 5 month
        see a spend month               -> 0 + 2
        settle x 4
        see a spend day                 -> 0 + 1
        see a spend day previous        -> 4
        ",
    );
}

/// The rules of a zone can change between two runs of a program: the next window then seems to
/// start before the last one ended. Time is not counted twice, and the ledger does not stand still.
#[test]
fn a_zone_that_has_changed_its_rules_only_moves_forward() {
    let hour = |hour: i64| Timestamp::from_secs(hour * 3_600);
    let mut ledger = Ledger::new();
    let (unit, zone) = (CalendarUnit::Day, Zone::UTC);
    let open = Command::OpenWindow { unit, zone, bounds: (hour(0), hour(24)) };
    ledger.execute(hour(1), &open).unwrap();
    let Some(Due::Roll { window, .. }) = ledger.due(hour(24)) else { panic!("nothing is due") };
    let roll = |bounds| Command::RollWindow { window, bounds };
    for (now, bounds) in [
        (hour(23), (hour(0), hour(24))),  // not over
        (hour(24), (hour(25), hour(49))), // not now
        (hour(24), (hour(0), hour(24))),  // not any more
    ] {
        assert_eq!(ledger.decide(now, &roll(bounds)), Err(Rejection::NoSuchWindow));
    }
    let event = ledger.execute(hour(24), &roll((hour(1), hour(25)))).unwrap();
    assert_eq!(event.change, Change::WindowRolled { window, bounds: (hour(24), hour(25)) });
    assert_eq!(ledger.due(hour(24)), None);
}
