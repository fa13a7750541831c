#![doc = include_str!("laws/README.md")]
