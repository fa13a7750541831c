//! Tables for limits: what they count, whom they are for, and what changing them does.

use crate::table;

#[test]
fn each_measure_counts_its_own() {
    table(
        "
        limit a spend 10
        limit a tokens 10_000
        limit a input 10_000
        limit a uncached 10_000
        limit a output 10_000
        limit a requests 10
        limit a flight 10
        hold h a/b 1 in=100 out=20 n=3
        see a spend                     -> 0 + 1
        see a tokens                    -> 0 + 160
        see a input                     -> 0 + 100
        see a uncached                  -> 0 + 100
        see a output                    -> 0 + 60
        see a requests                  -> 0 + 1
        see a flight                    -> 0 + 1
        settle h 0.5 in=90 read=70 out=30
        see a spend                     -> 0.5 + 0
        see a tokens                    -> 120 + 0
        see a input                     -> 90 + 0
        see a uncached                  -> 20 + 0
        see a output                    -> 30 + 0
        see a requests                  -> 1 + 0
        see a flight                    -> 0 + 0
        // Nobody knows what was used: the held tokens count.
        hold h a/b 1 in=100 out=20
        settle h 0.5
        see a tokens                    -> 240 + 0
        see a output                    -> 50 + 0
        record a/b 0.5 in=1 out=2
        see a tokens                    -> 243 + 0
        see a requests                  -> 3 + 0
        ",
    );
}

#[test]
fn each_measure_refuses_by_its_own() {
    table(
        "
        limit a spend 1
        limit b tokens 100
        limit c input 100
        limit d uncached 100
        limit e output 100
        limit f requests 1
        limit g flight 1
        hold x a 1.1                    -> no: a spend asks 1.1 of 1, 0 + 0, never
        hold x b in=60 out=41           -> no: b tokens asks 101 of 100, 0 + 0, never, out<=40
        hold x c in=101                 -> no: c input tokens asks 101 of 100, 0 + 0, never
        hold x d in=101                 -> no: d uncached input tokens asks 101 of 100, 0 + 0, never
        hold x e out=51 n=2             -> no: e output tokens asks 102 of 100, 0 + 0, never, out<=50
        hold x f
        hold y f                        -> no: f requests asks 1 of 0, 0 + 1, when holds end
        hold x g
        hold y g                        -> no: g calls in flight asks 1 of 0, 0 + 1, when holds end
        settle x
        hold y g
        ",
    );
}

/// Law 2: one limit without room, and no other is touched: not the ancestors', not the tags'.
#[test]
fn all_limits_or_none() {
    table(
        "
        limit / spend 10
        limit acme spend 5 day
        limit acme/x requests 10 rolling=60
        limit user:1 spend 1
        limit team: spend 3
        hold a acme/x 1.1 tag=user:1 tag=team:blue  -> no: user:1 spend asks 1.1 of 1, 0 + 0, never
        see / spend                     -> 0 + 0
        see acme spend day              -> 0 + 0
        see acme/x requests rolling=60  -> 0 + 0
        see team: spend                 -> 0 + 0
        hold a acme/x 0.9 tag=user:1 tag=team:blue
        see / spend                     -> 0 + 0.9
        see acme spend day              -> 0 + 0.9
        see acme/x requests rolling=60  -> 0 + 1
        see user:1 spend                -> 0 + 0.9
        see team: spend                 -> 0 + 0.9
        settle a 0.4
        sum /                           -> 0.4 + 0, 0 calls
        sum acme/x                      -> 0.4 + 0, 1 calls
        sum user:1                      -> 0.4 + 0, 1 calls
        sum user:                       -> 0.4 + 0, 0 calls
        sum team:blue                   -> 0.4 + 0, 1 calls
        hold b acme/x 2.7 tag=team:red  -> no: team: spend asks 2.7 of 2.6, 0.4 + 0, never
        hold b acme 4.7                 -> no: acme spend asks 4.7 of 4.6, 0.4 + 0, at 2026-11-25T00:00:00Z
        ",
    );
}

/// Law 2: a free local model passes a spent-out cost limit.
#[test]
fn asking_nothing_passes_a_limit_that_is_spent() {
    table(
        "
        limit a spend 1
        limit a tokens 0
        record a 2                      -> ok !over a spend
        hold free a                     -> ok
        settle free
        hold tokens a in=1              -> no: a tokens asks 1 of 0, 0 + 0, never
        hold money a 0.000000000001     -> no: a spend asks..
        ",
    );
}

#[test]
fn a_tag_is_a_tag_and_an_account_is_none() {
    table(
        "
        open user:
        open user:1
        hold a x tag=user:1 tag=user:2  -> BadTags
        hold a x tag=user:1 tag=user:1  -> BadTags
        hold a x tag=user:1 tag=user:   -> BadTags
        hold a x tag=y                  -> BadTags
        hold a x tag=/                  -> BadTags
        hold a user:1                   -> BadTags
        hold a user:1 tag=team:blue     -> BadTags
        record user:1 1 tag=team:blue   -> BadTags
        record x 1 tag=y                -> BadTags
        hold a x tag=a:1 tag=b:1 tag=c:1 tag=d:1
        settle a 1
        sum a:                          -> 1 + 0, 0 calls
        sum d:1                         -> 1 + 0, 1 calls
        ",
    );
}

#[test]
fn a_new_amount_keeps_the_counter_and_what_has_fired() {
    table(
        "
        limit a spend 10 day alert=50,80
        record a 6                      -> ok !50% a spend
        limit a spend 12 day alert=50,80
        see a spend day                 -> 6 + 0
        see a spend day fired           -> 50%
        // Seven of twelve is more than half once more, but that has been told.
        record a 1
        // Seven of eight is newly more than four fifths.
        limit a spend 8 day alert=50,80 -> ok !80% a spend
        limit a spend 20 day alert=50,80
        record a 9.5                    -> ok
        limit a spend 16 day alert=50,80 -> ok !over a spend
        limit a spend 16 day alert=50,80
        hold h a 0.5                    -> no: a spend asks 0.5 of -0.5, 16.5 + 0, at 2026-11-25T00:00:00Z
        limit a spend 17 day alert=50,80
        hold h a 0.5
        limit a spend 17 day alert=50,80,100
        settle h 0.5                    -> ok !100% a spend
        // Another measure, period or filter is another limit.
        limit a spend 1 week
        see a spend week                -> 0 + 0
        limit a spend 1 day@Europe/Berlin
        see a spend day@Europe/Berlin   -> 0 + 0
        limit a spend 1 day only=p/*
        see a spend day only=p/*        -> 0 + 0
        see a spend day                 -> 17 + 0
        ",
    );
}

#[test]
fn a_new_limit_knows_what_was_before() {
    table(
        "
        record a/b 2 in=10 read=4 out=5 model=p/x
        record a 1 in=3
        hold h a/b 4 in=100 out=50
        limit a spend 10 alert=30       -> ok !30% a spend
        see a spend                     -> 3 + 4
        limit a tokens 1_000
        see a tokens                    -> 18 + 150
        limit a uncached 1_000
        see a uncached                  -> 9 + 100
        limit a requests 10
        see a requests                  -> 2 + 1
        limit a flight 10
        see a flight                    -> 0 + 1
        // A window starts from nothing; what is held counts where it was reserved.
        limit a spend 10 day
        see a spend day                 -> 0 + 4
        limit a spend 10 rolling=60
        see a spend rolling=60          -> 0 + 4
        limit a spend 10 only=p/x
        see a spend only=p/x            -> 0 + 0
        limit a/b spend 10 opening=7    -> ok !over a/b spend
        see a/b spend                   -> 7 + 4
        limit a/b spend 10 month opening=8 -> ok !over a/b spend
        settle h 1
        see a spend                     -> 4 + 0
        see a spend day                 -> 1 + 0
        see a spend rolling=60          -> 1 + 0
        see a/b spend                   -> 8 + 0
        see a/b spend month             -> 9 + 0
        // The opening amount is for the beginning only.
        limit a/b spend 20 opening=1
        see a/b spend                   -> 8 + 0
        ",
    );
}

#[test]
fn a_lifted_limit_is_gone() {
    table(
        "
        limit a spend 1
        hold h a 1
        lift a tokens                   -> NoSuchLimit
        lift a spend day                -> NoSuchLimit
        lift a spend only=x             -> NoSuchLimit
        lift b spend                    -> NoSuchLimit
        lift a spend
        lift a spend                    -> NoSuchLimit
        see a spend                     -> nothing
        hold i a 100
        settle h 1
        limit a spend 500
        see a spend                     -> 1 + 100
        limit a tokens 5
        lift a spend
        limit a spend 500
        see a spend                     -> 1 + 100
        see a tokens                    -> 0 + 0
        ",
    );
}

#[test]
fn a_pattern_is_for_each_account_separately() {
    table(
        "
        open a
        open a/x
        limit a/* spend 1
        limit user:* requests 1
        hold x a/x 1
        hold y a/y 1
        hold z a/y 0.1                  -> no: a/y spend asks 0.1 of 0, 0 + 1, when holds end
        hold z a 5
        hold z a/z/deep 1               // counts for a/z
        see a/z spend                   -> 0 + 1
        see a/z/deep spend              -> nothing
        see a spend                     -> nothing
        limit a/* spend 2
        see a/y spend                   -> 0 + 1
        hold y2 a/y 1
        hold new a/new 2.1              -> no: a/new spend asks 2.1 of 2, 0 + 0, never
        hold u a tag=user:1
        hold v a tag=user:2
        hold w a tag=user:1             -> no: user:1 requests..
        lift a/* spend
        hold new a/new 100
        ",
    );
}

/// Filters look at the model that was reserved, whatever answers.
#[test]
fn a_filter_counts_only_its_models() {
    table(
        "
        limit a spend 1 only=gpt-6*
        limit a requests 2 day only=openai/*
        hold x a 1 model=openai/gpt-6.1
        hold y a 1 model=openai/gpt-6.2   -> no: a spend asks 1 of 0, 0 + 1, when holds end
        hold y a 1 model=openai/gpt-5
        hold z a 1 model=openai/gpt-5     -> no: a requests..
        hold z a 1 model=anthropic/opus
        hold n a 1
        settle x 1.5 model=anthropic/opus -> ok !over a spend
        settle z 3 model=openai/gpt-6.1
        see a spend only=gpt-6*           -> 1.5 + 0
        see a requests day only=openai/*  -> 1 + 1
        // A filter set later knows the models named before.
        limit a spend 5 only=*opus
        hold m a 5 model=anthropic/opus
        see a spend only=*opus            -> 0 + 5
        ",
    );
}

#[test]
fn an_observing_limit_admits_and_says_so_once_in_a_window() {
    table(
        "
        limit a spend 1 day observe alert=50
        limit a requests 2 observe
        hold x a 1
        hold y a 1                      -> ok !would a spend
        hold z a 1                      -> ok !would a requests
        settle x 0.5                    -> ok !50% a spend
        settle y 5
        at 2026-11-25T00:00:00Z
        settle z 5                      // belongs to yesterday
        hold x a 1
        hold y a 1                      -> ok !would a spend
        // From now on in earnest.
        limit a spend 1 day             -> ok !over a spend
        hold z a 1                      -> no: a spend..
        ",
    );
}

/// A rolling period tells again when a whole period has passed.
#[test]
fn an_observing_rolling_limit_says_so_once_in_a_period() {
    table(
        "
        limit a requests 1 rolling=60 observe
        record a
        record a                        -> ok !would a requests
        +30s
        record a
        +60s
        record a                        -> ok !would a requests
        record a
        +122s
        record a
        record a                        -> ok !would a requests
        ",
    );
}

/// redcell #37: a hard cap kills work midway; a slice is kept for finishing.
#[test]
fn a_slice_is_kept_for_wrapping_up() {
    table(
        "
        limit a spend 1 slice=0.2
        limit a requests 3 slice=1
        hold x a 0.81                   -> no: a spend asks 0.81 of 0.8, 0 + 0, never
        hold x a 0.8
        hold y a 0.1                    -> no: a spend asks 0.1 of 0, 0 + 0.8, when holds end
        hold y a 0.1 wrapup
        hold z a                        -> no: a requests asks 1 of 0, 0 + 2, when holds end
        grow y 0.1                      -> no: a spend..
        grow y 0.1 wrapup
        grow y 0.1 wrapup               -> no: a spend asks 0.1 of 0, 0 + 1, when holds end
        hold z a wrapup
        settle x 0.8
        hold w a 0.1                    -> no: a spend asks 0.1 of -0.2, 0.8 + 0.2, never
        ",
    );
}

/// A dry run of a limit with a slice sees what the limit would see.
#[test]
fn an_observing_limit_knows_its_slice() {
    table(
        "
        limit a spend 1 slice=0.2 observe
        hold x a 0.8
        hold y a 0.1 wrapup
        hold z a 0.05                   -> ok !would a spend
        ",
    );
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    table(
        "
        limit a spend 1 slice=2         -> the limit \"$1.00 in all\" cannot be set: keep_for_wrap_up is more than the limit itself
        limit a flight 1 day            -> the limit \"1 calls in flight per day\" cannot be set: a limit on calls in flight has no period..
        see a spend                     -> nothing
        ",
    );
}

/// A hold that names no model is settled with a bill that does: limits for models count the charge,
/// and never what was held.
#[test]
fn a_hold_without_a_model_counts_by_the_one_that_answered() {
    table(
        "
        limit a spend 1 only=p/m alert=50
        limit a spend 9 day
        limit a tokens 100 day only=p/m
        hold x a 0.6 in=40
        see a spend only=p/m            -> 0 + 0
        settle x 0.6 in=30 model=p/m    -> ok !50% a spend
        see a spend only=p/m            -> 0.6 + 0
        see a tokens day only=p/m       -> 30 + 0
        see a spend day                 -> 0.6 + 0
        // The model that was reserved counts, whatever answers.
        hold y a 0.1 model=p/m
        settle y 0.2 model=q/other
        see a spend only=p/m            -> 0.8 + 0
        // A late one, whose hold was charged to no model: of two parts, too.
        hold z a 0.5 in=10 lease=60
        +10s
        grow z 0.1 in=10
        +50s                            -> ok !expired a 0.6
        see a spend only=p/m            -> 0.8 + 0
        settle z 0.4 in=15 model=p/m    -> ok !over a spend
        see a spend only=p/m            -> 1.2 + 0
        see a tokens day only=p/m       -> 45 + 0
        see a spend day                 -> 1.2 + 0
        hold w a 0.5
        release w
        see a spend only=p/m            -> 1.2 + 0
        ",
    );
}
