//! Drives: the levels of the broker's log, which all shards share and clients may change.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::loggers::Levels;

/// The levels of the log. They are the process's: a change that one node is asked for holds for
/// all of its shards.
pub struct Loggers {
    levels: Mutex<Levels>,
    apply: Box<dyn Fn(&str) + Send + Sync>,
}

impl Loggers {
    /// The levels of `corelane.log.level`; `apply` is given the directives after each change.
    pub fn new(start: &str, apply: impl Fn(&str) + Send + Sync + 'static) -> Loggers {
        Loggers {
            levels: Mutex::new(Levels::new(start)),
            apply: Box::new(apply),
        }
    }

    /// Every logger and the name of its level.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        self.levels().all()
    }

    /// Sets levels, or takes them back where none is given. The names have been checked.
    pub fn set(&self, changes: &[(String, Option<String>)]) {
        let mut levels = self.levels();
        for (logger, level) in changes {
            levels.set(logger, level.as_deref());
        }
        let directives = levels.directives();
        // Under the lock: the last change shall be the one that holds.
        (self.apply)(&directives);
        drop(levels);
        tracing::info!(directives, "the levels of the log were changed");
    }

    fn levels(&self) -> MutexGuard<'_, Levels> {
        // A change is whole before anything can panic.
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
