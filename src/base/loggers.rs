//! Pure: the levels of the broker's log, by logger, as BROKER_LOGGER resources have them (KIP-412).
//!
//! A logger is a room of the code, or all of them (`root`). What is set while running wins over
//! `corelane.log.level`, until it is deleted or the broker stops.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The logger that stands for all others (Kafka's `LoggingController.ROOT_LOGGER`).
pub const ROOT: &str = "root";

/// All loggers: rooms, by the targets of their lines.
pub const LOGGERS: &[&str] = &[
    ROOT,
    "corelane::base",
    "corelane::commands",
    "corelane::coordinator",
    "corelane::host",
    "corelane::io",
    "corelane::log",
    "corelane::metadata",
    "corelane::partition",
    "corelane::server",
    "corelane::shard",
];

/// Kafka's names of levels, and what our log makes of them.
const LEVELS: [(&str, &str); 6] = [
    ("DEBUG", "debug"),
    ("ERROR", "error"),
    ("FATAL", "error"),
    ("INFO", "info"),
    ("TRACE", "trace"),
    ("WARN", "warn"),
];

/// Whether there is a logger of this name.
pub fn exists(logger: &str) -> bool {
    LOGGERS.contains(&logger)
}

/// Whether there is a level of this name.
pub fn is_level(name: &str) -> bool {
    LEVELS.iter().any(|(known, _)| *known == name)
}

/// The names of all levels.
pub fn level_names() -> String {
    LEVELS.map(|(name, _)| name).join(", ")
}

/// The levels as they are.
#[derive(Clone, Debug)]
pub struct Levels {
    /// `corelane.log.level`: directives with commas between them.
    start: String,
    /// What was set while running: name of the level by logger.
    set: BTreeMap<String, String>,
}

impl Levels {
    /// Those of a start.
    pub fn new(start: &str) -> Levels {
        Levels {
            start: start.to_owned(),
            set: BTreeMap::new(),
        }
    }

    /// Sets a logger's level, or takes it back. What does not exist is passed over.
    pub fn set(&mut self, logger: &str, level: Option<&str>) {
        match level {
            None => drop(self.set.remove(logger)),
            Some(level) if exists(logger) && is_level(level) => {
                self.set.insert(logger.to_owned(), level.to_owned());
            }
            Some(_) => {}
        }
    }

    /// The directives that say all of it; of two about the same target the last counts.
    pub fn directives(&self) -> String {
        let mut text = self.start.clone();
        for (logger, level) in &self.set {
            let level = LEVELS.iter().find(|(name, _)| name == level);
            let level = level.map_or("info", |(_, level)| level);
            // Writing to a text cannot fail.
            let _ = match logger.as_str() {
                ROOT => write!(text, ",{level}"),
                logger => write!(text, ",{logger}={level}"),
            };
        }
        text
    }

    /// Every logger and the name of its level.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        let directives = self.directives();
        let level = |logger: &&'static str| {
            let level = match self.set.get(*logger) {
                Some(level) => level.clone(),
                None => level_by(&directives, logger),
            };
            (*logger, level)
        };
        LOGGERS.iter().map(level).collect()
    }
}

/// The level that directives give a target: by the longest that fits, of equal ones by the last.
fn level_by(directives: &str, logger: &str) -> String {
    let (mut longest, mut found) = (0, "error");
    for directive in directives.split(',').map(str::trim) {
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (target, level),
            None if is_of_all(directive) => ("", directive),
            None => (directive, "trace"),
        };
        let fits = logger
            .strip_prefix(target)
            .is_some_and(|rest| target.is_empty() || rest.is_empty() || rest.starts_with("::"));
        if fits && !directive.is_empty() && target.len() >= longest {
            (longest, found) = (target.len(), level);
        }
    }
    found.to_ascii_uppercase()
}

/// Whether a directive is a level, and so about all targets.
fn is_of_all(directive: &str) -> bool {
    let names = ["off", "error", "warn", "info", "debug", "trace"];
    names
        .iter()
        .any(|name| directive.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(levels: &Levels, logger: &str) -> String {
        let mut all = levels.all().into_iter();
        all.find(|(name, _)| *name == logger).unwrap().1
    }

    #[test]
    fn what_is_set_while_running_wins_until_it_is_deleted() {
        let mut levels = Levels::new("warn,corelane::log=debug");
        assert_eq!(level(&levels, ROOT), "WARN");
        assert_eq!(level(&levels, "corelane::log"), "DEBUG");
        assert_eq!(level(&levels, "corelane::io"), "WARN");
        levels.set("corelane::io", Some("TRACE"));
        levels.set("corelane::log", Some("FATAL"));
        levels.set(ROOT, Some("INFO"));
        assert_eq!(
            levels.directives(),
            "warn,corelane::log=debug,corelane::io=trace,corelane::log=error,info"
        );
        assert_eq!(level(&levels, "corelane::log"), "FATAL");
        assert_eq!(level(&levels, "corelane::io"), "TRACE");
        assert_eq!(level(&levels, "corelane::shard"), "INFO");
        levels.set("corelane::log", None);
        levels.set("corelane::io", None);
        assert_eq!(level(&levels, "corelane::log"), "DEBUG");
        assert_eq!(level(&levels, "corelane::io"), "INFO");
        // What there is not changes nothing.
        levels.set("kafka", Some("INFO"));
        levels.set("corelane::io", Some("loud"));
        assert_eq!(levels.directives(), "warn,corelane::log=debug,info");
    }

    #[test]
    fn every_room_is_a_logger() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
        let text = std::fs::read_to_string(path).unwrap();
        let rooms = text
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod "));
        let rooms: Vec<_> = rooms.map(|room| room.trim_end_matches(';')).collect();
        for room in &rooms {
            assert!(exists(&format!("corelane::{room}")), "{room}");
        }
        assert_eq!(LOGGERS.len(), rooms.len() + 1);
    }
}
