//! Drives: `corelane serve`: starts the log, then the broker.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

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
    let filter = |directives: &str| EnvFilter::builder().parse_lossy(directives);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // It would tell of a line that cannot be written on standard error, and panic when that
        // fails too: a log on a full disk is no reason to stop serving.
        .log_internal_errors(false)
        .with_filter_reloading();
    let reload = log.reload_handle();
    log.init();
    Loggers::new(level, move |directives| {
        // Fails where there is no log any more.
        let _ = reload.reload(filter(directives));
    })
}
