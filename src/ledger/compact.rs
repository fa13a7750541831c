//! Compact text of events: zero and empty fields are left out, and read back as zero and empty.

use serde::{Deserialize, Deserializer, Serializer};

use super::{AccountId, ModelId, Tags};
use crate::clock::Timestamp;
use crate::usage::Usage;

/// True for values that are left out: 0, false, no tags.
pub(super) fn is_nothing<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn is_never(moment: &Timestamp) -> bool {
    *moment == Timestamp::MAX
}

pub(super) fn never() -> Timestamp {
    Timestamp::MAX
}

/// The buckets that are not empty.
pub(super) fn usage<S: Serializer>(usage: &Usage, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(usage.iter().map(|(bucket, count)| (bucket.as_str(), count)))
}

/// The tags alone.
pub(super) fn tags<S: Serializer>(tags: &Tags, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tags.as_slice())
}

/// At most four tags.
pub(super) fn read_tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tags, D::Error> {
    let ids = Vec::<AccountId>::deserialize(deserializer)?;
    let tags = ids.into_iter().try_fold(Tags::NONE, Tags::with);
    tags.ok_or_else(|| serde::de::Error::custom("a call has at most four tags"))
}

impl Default for Tags {
    fn default() -> Tags {
        Tags::NONE
    }
}

impl Default for ModelId {
    fn default() -> ModelId {
        ModelId::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{Event, Target};
    use super::*;

    #[test]
    fn what_is_nothing_is_left_out_and_comes_back() {
        let tag = AccountId::from((7, 1));
        let account = AccountId::from((3, 0));
        let plain = Target::account(account);
        let tagged = Target { tags: Tags::NONE.with(tag).unwrap(), model: ModelId(2), ..plain };
        for (target, text) in [
            (plain, r#"{"account":[3,0]}"#),
            (tagged, r#"{"account":[3,0],"tags":[[7,1]],"model":2}"#),
        ] {
            assert_eq!(serde_json::to_string(&target).unwrap(), text);
            assert_eq!(serde_json::from_str::<Target>(text).unwrap(), target);
        }
        assert!(
            serde_json::from_str::<Target>(
                r#"{"account":[3,0],"tags":[[1,0],[2,0],[3,0],[4,0],[5,0]]}"#
            )
            .is_err()
        );
    }

    #[test]
    fn a_settled_event_is_short() {
        let text = concat!(
            r#"{"at":"2026-11-24T09:30:00Z","change":{"settled":{"hold":[0,1],"held":{"cost":2,"#,
            r#""requests":1,"in_flight":1},"booked":{"cost":1,"input":5,"requests":1},"#,
            r#""usage":{"input_uncached":5},"confidence":"reported"}}}"#,
        );
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
    }
}
