//! Pure: Kafka bytes to values and back.
//! May use: `base`. Never: waits, performs I/O, trusts a length that it has not compared with
//! the bytes at hand.

pub mod batch;
pub mod cursor;
