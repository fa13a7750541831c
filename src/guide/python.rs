#![doc = include_str!("python/README.md")]
