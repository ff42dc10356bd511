//! Drives: client connections: bytes in, requests begun and finished, answers out.
//! May use: `server/state/` and `server/api/`. Never: knows what a request means.
//!
//! Inside, `use` arrows go one way: `receive`, `lifetime`, `slot` (the APIs, one enum over their
//! implementations) ← `queue`, `hub` ← `desk` (what the two tasks of a connection share) ←
//! `dispatch` ← `reader`, `writer` (the two tasks) ← `serve` (a connection) ← `list`.

pub mod desk;
pub mod dispatch;
pub mod hub;
mod lifetime;
mod list;
mod queue;
mod reader;
mod receive;
mod serve;
pub mod slot;
pub mod writer;

pub use list::Connections;
pub use serve::Connection;
