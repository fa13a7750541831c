//! Helpers of several tests: answers read in every way that gives the same bill.
#![allow(dead_code)]

use bursar::{Bill, UsageMeter};
use serde_json::Value;

/// Reads a body as text and as a tree.
pub fn read(body: &Value) -> Bill {
    let bill = Bill::from_response(&body.to_string()).unwrap().unwrap();
    assert_eq!(Bill::from_response(body).unwrap().as_ref(), Some(&bill), "{body}");
    bill
}

/// Reads events one by one, as lines of JSON and as a stream.
pub fn streamed(events: &[Value]) -> Bill {
    let mut meter = UsageMeter::new();
    events.iter().for_each(|event| meter.event(event).unwrap());
    let bill = meter.finish().unwrap();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    assert_eq!(Bill::from_response(&lines).unwrap().as_ref(), Some(&bill), "{lines}");
    let frames: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    assert_eq!(Bill::from_response(&frames).unwrap().as_ref(), Some(&bill), "{frames}");
    bill
}
