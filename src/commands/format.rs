//! Drives: `corelane format`: formats a broker's folders for a cluster and says so.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use super::cli::Format;
use crate::base::config::BrokerConfig;
use crate::base::ids::base64_url;
use crate::metadata::controller::formatted::{Formatted, check_cluster_id};
use crate::server::formatted;

/// Does it; the error is one sentence for the user.
pub fn run(flags: &Format, config: BrokerConfig) -> Result<ExitCode, Box<dyn Error>> {
    check_cluster_id(&flags.cluster_id)?;
    if config.cluster.is_none() {
        let file = flags.config.display();
        return Err(format!(
            "{file} is of a broker that runs alone, which is formatted at its first start: a \
             broker of a cluster has process.roles=broker"
        )
        .into());
    }
    let formatted = formatted::format(&config, flags.cluster_id.clone(), flags.ignore_formatted)?;
    // Who pipes it into `head` has seen enough.
    let _ = std::io::stdout().write_all(text(&formatted, &config).as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// What is said of it: a line for each folder, and one for all.
fn text(formatted: &[Formatted], config: &BrokerConfig) -> String {
    let mut text = String::new();
    for one in formatted {
        let done = if one.is_new {
            "formatted"
        } else {
            "left as it was"
        };
        let (path, node) = (one.path.display(), one.identity.node);
        let directory = base64_url(one.identity.directory.as_bytes());
        let _ = writeln!(text, "{path}: {done}: node {node}, directory {directory}");
    }
    let cluster = formatted
        .first()
        .map(|one| one.identity.cluster_id.as_str());
    let (first, last) = (config.node_id(0), config.node_id(config.shards - 1));
    let _ = writeln!(
        text,
        "{} shard(s), nodes {first} to {last} of the cluster {}",
        config.shards,
        cluster.unwrap_or_default()
    );
    text
}
