//! Drives: a load on a topic whose leaders move, and the audit of it: nothing acked is lost or is
//! there twice, and no reader ever sees an offset take two values.

mod book;
mod lane;
mod leaders;
mod load;
mod reader;
mod shared;

pub use book::Book;
pub use load::{Load, Report};
