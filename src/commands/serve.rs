//! Drives: `corelane serve`: starts the log, then the broker.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::base::config::BrokerConfig;
use crate::server::loggers::Loggers;
use crate::server::{self, StartError};

/// Serves until the broker is told to stop.
pub fn run(config: BrokerConfig) -> Result<(), StartError> {
    let loggers = start_logging(&config.log_level);
    config
        .notes
        .iter()
        .for_each(|note| tracing::warn!("{note}"));
    server::serve(config, loggers, |ready| {
        println!("corelane ready {ready}");
    })
}

/// Starts the log; what is returned changes its levels while it runs.
fn start_logging(level: &str) -> Loggers {
    let (filter, reload) = reload::Layer::new(targets(level));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // It would tell of a line that cannot be written on standard error, and panic when that
        // fails too: a log on a full disk is no reason to stop serving.
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    Loggers::new(level, move |directives| {
        // Fails where there is no log any more.
        let _ = reload.reload(targets(directives));
    })
}

/// The levels that directives such as `info,corelane::log=debug` give.
fn targets(directives: &str) -> Targets {
    // They have been checked, and spaces are allowed around them.
    let targets = directives.replace(char::is_whitespace, "").parse();
    targets.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_are_by_target_with_or_without_spaces() {
        for directives in ["error,corelane::log=debug", " ERROR , corelane::log=debug"] {
            let targets = targets(directives);
            let shows = |target, level| targets.would_enable(target, &level);
            assert!(shows("corelane::log::reader", Level::DEBUG));
            assert!(!shows("corelane::log", Level::TRACE));
            assert!(shows("corelane::server", Level::ERROR));
            assert!(!shows("corelane::server", Level::WARN));
        }
        assert!(!targets("off").would_enable("corelane", &Level::ERROR));
    }
}
