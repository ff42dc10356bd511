//! Drives: the twin of disk, network and executor, for tests: everything from one seed.
//! May use: `io::buffer`. Never: touches the machine.
//!
//! Time is virtual: each step takes some microseconds, and when nothing is left to do it jumps to
//! the next deadline. Tasks, I/O and random numbers follow from the seed, so that one seed gives
//! one run. Connections are slow, bounded, and cut or lost as a test has it: see [`SimNet`].
//!
//! The disk keeps what was flushed apart from what was only written; [`World::crash`] keeps the
//! former, and of the latter whatever the seed says, sector by sector. It can also keep its whole
//! [`History`], every [`Moment`] of which says how the machine might have stopped then.

mod cut;
mod disk;
mod executor;
mod faults;
mod machine;
mod net;
mod pipe;
mod random;
mod state;
mod task;
mod tasks;
mod time;

pub use cut::{Data, End, History, Left, Moment, Names, Rest};
pub use disk::{SimDisk, SimFile};
pub use executor::World;
pub use faults::Fault;
pub use machine::SimMachine;
pub use net::{Link, SimListener, SimNet, SimStream, Weather};
pub use random::Random;
pub(in crate::io) use task::current;
pub use task::{SimRuntime, SimTask};
