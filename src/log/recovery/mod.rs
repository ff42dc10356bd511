//! Drives: opening a log: what is there, what of it is valid, cutting a torn end.
//! May use: the rest of `log`, but not its folder. Never: runs beside appends or reads, which begin
//! when it is done.

mod aborts;
mod ending;
mod known;
mod listing;
mod open;
mod scan;
mod swaps;

pub use open::open;
