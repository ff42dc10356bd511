//! Pure: what was asked for: the options of a run, scenarios and workloads that stand for them.
//! May use: `load`. Never: waits, opens a file or a socket.

mod outputs;
mod plan;
pub mod scenario;
pub mod values;
pub mod workload;

pub use outputs::{Event, Format, Outputs, command_line, settings};
pub use plan::Plan;
