//! Drives: what the program does when it is called: its commands, and the line that names them.
//! May use: everything. Never: is used by a room.

pub mod adopt;
pub mod check;
pub mod cli;
pub mod pages;
