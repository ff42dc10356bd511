//! Pure: Kafka bytes to values and back.
//! May use: `base`. Never: waits, performs I/O, trusts a length that it has not compared with
//! the bytes at hand.

mod api_keys;
pub mod batch;
pub mod codec;
pub mod compress;
pub mod cursor;
pub mod fetch;
pub mod field;
pub mod frame;
pub mod header;
pub mod newer;
pub mod produce;
pub mod shape;
pub mod unpack;
