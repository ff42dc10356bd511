//! Drives: the twin of the disk and of the executor, for tests: everything from one seed.
//! May use: `io::buffer`. Never: touches the machine.
//!
//! The disk keeps what was flushed apart from what was only written; [`World::crash`] keeps the
//! former, and of the latter whatever the seed says, sector by sector. It can also keep its whole
//! [`History`], every [`Moment`] of which says how the machine might have stopped then.

mod cut;
mod disk;
mod executor;
mod random;
mod state;

pub use cut::{Data, End, History, Left, Moment, Names, Rest};
pub use disk::{Fault, SimDisk, SimFile};
pub use executor::World;
pub use random::Random;
