//! Drives: list-append histories, in the manner of Elle and Jepsen: clients append values that are
//! unique to several partitions in transactions, move them on in consumer groups, and note all that
//! they were told. The checker ([`check`]) is pure: it holds a broker to it afterwards.

pub mod check;
mod clients;
mod cycles;
pub mod history;
pub mod load;
mod movers;
#[cfg(test)]
mod tests;
