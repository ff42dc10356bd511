//! Drives: the Kafka APIs, one file each, and the table of them.
//! May use: the rooms to the left of `server`, and `server/state/`. Never: decides anything that a
//! domain room could decide, or knows of connections.
//!
//! Inside, `use` arrows go one way: what all APIs need (`context`, `client`, `call`, `row`,
//! `steps`) ← the APIs, in a folder for each kind ← `table`.
//!
//! A new API is a file, a line in the `mod.rs` of its folder, and a row of [`table::TABLE`].

pub mod authorizer;
mod call;
pub mod called;
pub mod client;
pub mod clients;
pub mod cluster;
pub mod context;
pub mod errors;
mod forward;
pub mod groups;
pub mod offsets;
mod outlet;
pub mod records;
pub mod refused;
mod reply;
pub mod row;
pub mod security;
mod spares;
pub mod steps;
pub mod table;
pub mod topics;
pub mod transactions;

pub use call::{Api, EncodingApi};
pub use context::Context;
