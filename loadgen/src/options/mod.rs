//! Pure: what was asked for: the options of a run, scenarios and workloads that stand for them.
//! May use: `load`. Never: waits, opens a file or a socket.

mod event;
mod outputs;
mod plan;
pub mod scenario;
pub mod values;
pub mod workload;

pub use event::Event;
pub use outputs::{Format, Outputs, command_line, settings};
pub use plan::Plan;
