//! Tests of notices about the previous window: a call that was reserved before its end and settled
//! after it, a correction, a lease.

use bursar::Usd;
use bursar::calendar::{CalendarUnit, Zone};
use bursar::clock::Timestamp;
use bursar::ledger::{
    AccountId, Booking, Change, Command, Due, Ledger, Limit, Notice, Period, Reserve, Scope, Settle,
};

use crate::table;

/// Reserved at 23:59, settled at 00:01 at five times the limit of the day: there was no notice.
#[test]
fn a_charge_after_midnight_tells_of_the_day_that_it_belongs_to() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day alert=50,80
        limit acme tokens 100 day alert=50
        limit acme spend 10 day only=p/* alert=80
        hold x acme 9 in=90 model=p/m
        hold y acme 1 in=10 model=p/m
        at 2026-11-25T00:01:00Z
        settle x 50 in=90               -> ok !50% acme spend previous !80% acme spend previous !over acme spend previous !50% acme tokens previous !80% acme spend previous !over acme spend previous
        see acme spend day previous     -> 50
        see acme spend day              -> 0 + 0
        // Once: it is over, and every threshold has fired.
        settle y 1 in=11                -> ok !over acme tokens previous
        adjust acme 5 about=2026-11-24T23:00:00Z -> ok
        // The present day has its own.
        hold z acme 9
        settle z 8                      -> ok !50% acme spend !80% acme spend
        record acme 3                   -> ok !over acme spend
        at 2026-11-26T00:00:00Z
        // A notice of that day is not repeated after it.
        adjust acme 20 about=2026-11-25T12:00:00Z -> ok
        record acme 1
        ",
    );
}

/// What fired before midnight does not fire after it; what is crossed after it does, once.
#[test]
fn a_threshold_fires_once_on_both_sides_of_midnight() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day alert=50,80,100
        hold x acme 1
        hold y acme 1
        record acme 6                   -> ok !50% acme spend
        at 2026-11-25T00:01:00Z
        settle x 2                      -> ok !80% acme spend previous
        settle y 1                      -> ok
        adjust acme 1 about=2026-11-24T12:00:00Z -> ok !100% acme spend previous
        adjust acme 1 about=2026-11-24T12:00:00Z -> ok !over acme spend previous
        adjust acme 1 about=2026-11-24T12:00:00Z -> ok
        // There is room again in that day, and then there is not: a new notice, as in the present
        // window.
        adjust acme -2 about=2026-11-24T12:00:00Z -> ok
        adjust acme 1 about=2026-11-24T12:00:00Z -> ok !over acme spend previous
        see acme spend day              -> 0 + 0
        ",
    );
}

/// Room that a hold of yesterday gives back ends the overrun of that day; the next one gives a
/// notice.
#[test]
fn an_overrun_of_the_day_before_ends_when_there_is_room_again() {
    table(
        "
        leases lapse
        at 2026-11-24T23:59:00Z
        hold x acme 3 lease=120
        hold y acme 1
        limit acme spend 2 day          -> ok !over acme spend
        at 2026-11-25T00:02:00Z         -> ok !lapsed acme 3
        settle x 5                      -> ok !over acme spend previous
        settle y 1                      -> ok
        ",
    );
}

/// An overrun with a notice in its day gives no second one after it.
#[test]
fn an_overrun_is_told_once_on_both_sides_of_midnight() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day
        hold x acme 1
        record acme 12                  -> ok !over acme spend
        at 2026-11-25T00:01:00Z
        settle x 2                      -> ok
        ",
    );
}

#[test]
fn a_lease_that_ends_after_midnight_tells_of_the_day_of_its_hold() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day alert=80
        limit acme tokens 90 day
        hold x acme 9 in=90 lease=120
        at 2026-11-25T00:02:00Z         -> ok !80% acme spend previous !expired acme 9
        // The late bill of that call: notices only for the increase.
        settle x 50 in=100              -> ok !over acme spend previous !over acme tokens previous
        ",
    );
}

/// A hold whose lease ended without a charge; its answer comes the next day.
#[test]
fn a_late_answer_of_a_lapsed_hold_tells_of_its_day() {
    table(
        "
        leases lapse
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day alert=80
        hold x acme 9 lease=120
        at 2026-11-25T00:02:00Z         -> ok !lapsed acme 9
        settle x 9                      -> ok !80% acme spend previous
        ",
    );
}

/// A hold of two parts, of yesterday and of today: each day gives its own notices.
#[test]
fn parts_tell_of_their_own_windows() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day alert=50
        hold x acme 6
        at 2026-11-25T00:01:00Z
        grow x 5
        settle x 30                     -> ok !50% acme spend previous !50% acme spend !over acme spend
        see acme spend day previous     -> 6
        see acme spend day              -> 24 + 0
        ",
    );
}

#[test]
fn a_limit_that_only_watches_says_so_of_the_window_before_too() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day observe
        limit acme tokens 10 day observe
        hold x acme 9
        hold y acme 9                   -> ok !would acme spend
        hold z acme 0 in=10
        at 2026-11-25T00:01:00Z
        settle x 50                     -> ok
        settle z 0 in=50                -> ok !would acme tokens previous
        settle y 9 in=50                -> ok
        ",
    );
}

/// A limit that was set today gives no notices about yesterday; nor does one that was lowered
/// today, until more is spent there.
#[test]
fn a_new_or_lowered_limit_tells_nothing_of_what_it_did_not_see() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 day alert=50
        hold x acme 1
        hold y acme 1
        hold z acme 1
        record acme 4
        at 2026-11-25T00:01:00Z
        limit acme spend 3 day alert=50
        limit acme tokens 1 day
        release z                       -> ok
        settle y 0                      -> ok
        settle x 0.5 in=5               -> ok !50% acme spend previous !over acme spend previous
        ",
    );
}

/// Every unit of the calendar; two windows late, only the totals change, without a notice.
#[test]
fn every_window_tells_of_the_one_before_and_no_older_one() {
    for (unit, next, after) in [
        ("hour", "2027-01-01T00:10:00Z", "2027-01-01T01:10:00Z"),
        ("day", "2027-01-01T00:10:00Z", "2027-01-02T00:10:00Z"),
        ("week", "2027-01-05T00:10:00Z", "2027-01-12T00:10:00Z"),
        ("month", "2027-01-05T00:10:00Z", "2027-02-05T00:10:00Z"),
        ("quarter", "2027-01-05T00:10:00Z", "2027-04-05T00:10:00Z"),
        ("year", "2027-01-05T00:10:00Z", "2028-01-05T00:10:00Z"),
    ] {
        table(&format!(
            "
            at 2026-12-31T23:59:00Z
            limit acme spend 10 {unit} alert=50
            limit acme spend 1000
            hold x acme 1
            hold y acme 1
            at {next}
            settle x 50                 -> ok !50% acme spend previous !over acme spend previous
            record acme 1
            at {after}
            settle y 50                 -> ok
            see acme spend {unit} previous -> 1
            see acme spend              -> 101 + 0
            "
        ));
    }
}

/// A rolling period has one window, the present one: what counts in it gives its notices, across
/// midnight too, and what has left it does not.
#[test]
fn a_rolling_period_tells_of_what_it_still_counts() {
    table(
        "
        at 2026-11-24T23:59:00Z
        limit acme spend 10 rolling=3600 alert=50
        hold x acme 5
        hold y acme 4
        at 2026-11-25T00:01:00Z
        settle x 50                     -> ok !50% acme spend !over acme spend
        at 2026-11-25T01:01:00Z
        settle y 50                     -> ok
        see acme spend rolling=3600     -> 0 + 0
        ",
    );
}

/// The notice names the window by its start, and a replay of the events gives the same notices.
#[test]
fn a_notice_names_its_window() {
    let hour = |hour: i64| Timestamp::from_secs(hour * 3_600);
    let mut ledger = Ledger::new();
    let mut events = Vec::new();
    let (unit, zone) = (CalendarUnit::Day, Zone::UTC);
    let mut run = |ledger: &mut Ledger, at, command: Command| {
        let event = ledger.execute(at, &command).unwrap();
        events.push(event.clone());
        event.change
    };
    run(&mut ledger, hour(1), Command::OpenWindow { unit, zone, bounds: (hour(0), hour(24)) });
    let limit = Limit::spend(Usd::dollars(1)).per(Period::DAY).alert_at([50]);
    run(&mut ledger, hour(1), Command::SetLimit { scope: Scope::new("").unwrap(), limit });
    let reserve = Reserve::fixed(AccountId::ROOT, Usd::cents(60));
    let Change::Reserved(held) = run(&mut ledger, hour(23), Command::Reserve(reserve)) else {
        panic!("not reserved")
    };
    let Some(Due::Roll { window, .. }) = ledger.due(hour(25)) else { panic!("nothing is due") };
    run(&mut ledger, hour(25), Command::RollWindow { window, bounds: (hour(24), hour(48)) });
    let settle = Settle::cost(held.hold, Booking::Exactly(Usd::dollars(2).pico()));
    run(&mut ledger, hour(25), Command::Settle(settle));
    let told = ledger.take_notices();
    let [Notice::Threshold { window, percent: 50, .. }, Notice::Overrun { window: same, .. }] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((*window, *same), (Some(hour(0)), Some(hour(0))));
    let mut again = Ledger::new();
    events.iter().for_each(|event| again.apply(event));
    assert_eq!(again.take_notices(), told);
}
