//! Pure: which changes of a broker's log levels are allowed.

use super::{APPEND, AlterConfigsError, DELETE, SET, SUBTRACT, refuse};
use crate::base::{NodeId, loggers};
use crate::metadata::controller::request::{ConfigChange, ResourceChange};

/// Whether the levels of a broker's log may be changed so; that broker changes them itself.
pub fn check_levels(node: NodeId, resource: &ResourceChange) -> Result<(), AlterConfigsError> {
    let name = &resource.name;
    match name.parse() {
        Err(_) => return refuse(format!("Node id must be an integer, but it is: {name}")),
        Ok(id) if NodeId(id) != node => {
            return refuse(format!(
                "Unexpected node id. Expected {node}, but received {id}"
            ));
        }
        Ok(_) => {}
    }
    let ConfigChange::Each(ops) = &resource.change else {
        return Ok(());
    };
    ops.iter().try_for_each(logger)
}

/// Whether a logger's level may be changed so.
fn logger((name, op, level): &(String, i8, Option<String>)) -> Result<(), AlterConfigsError> {
    let bad = |text: String| Err(AlterConfigsError::Config(text));
    let not_allowed = "operation is not allowed for the BROKER_LOGGER resource";
    match *op {
        SET | DELETE if !loggers::exists(name) => bad(format!("Logger {name} does not exist!")),
        SET => match level.as_deref() {
            Some(level) if loggers::is_level(level) => Ok(()),
            level => bad(format!(
                "Cannot set the log level of {name} to {} as it is not a supported log level. \
                 Valid log levels are {}",
                level.unwrap_or("null"),
                loggers::level_names()
            )),
        },
        DELETE if name == loggers::ROOT => refuse(format!(
            "Removing the log level of the {name} logger is not allowed"
        )),
        DELETE => Ok(()),
        APPEND => refuse(format!("APPEND {not_allowed}")),
        SUBTRACT => refuse(format!("SUBTRACT {not_allowed}")),
        op => refuse(format!(
            "Unknown operation type {op} is not allowed for the BROKER_LOGGER resource"
        )),
    }
}
