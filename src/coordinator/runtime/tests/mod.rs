//! Drives: tests of the runtime with the small machine of `sample.rs`.

pub mod sample;
