//! Drives: `corelane format`: the folders of a broker of a cluster.

use std::time::Duration;

use super::start::{self, StartError};
use crate::base::config::BrokerConfig;
use crate::io::checks;
use crate::io::cores::{self, CoreOptions};
use crate::io::disk::Disk;
use crate::metadata::controller::Random;
use crate::metadata::controller::formatted::{self, Format, Formatted};

/// Formats every folder of `log.dirs` for `cluster_id`; says what each is then.
pub fn format(
    config: &BrokerConfig,
    cluster_id: String,
    ignore_formatted: bool,
) -> Result<Vec<Formatted>, StartError> {
    checks::kernel().map_err(StartError::Host)?;
    let folders = start::folders(config)?;
    // A start goes on without one that cannot be used; here all are wanted.
    for lost in &folders.lost {
        start::folder(lost, config.shards)?;
    }
    let asked = Format {
        dirs: folders.usable.clone(),
        nodes: config.nodes(),
        cluster_id,
        ignore_formatted,
    };
    on_disk(move |disk| async move {
        let mut random = Random::new(disk.runtime().random_bytes());
        let formatted = formatted::format(&disk, &asked, &mut random).await;
        formatted.map_err(StartError::Metadata)
    })
}

/// Runs `work` on an executor of its own and waits for it.
fn on_disk<T: Send + 'static, F: Future<Output = Result<T, StartError>> + 'static>(
    work: impl FnOnce(Disk) -> F + Send + 'static,
) -> Result<T, StartError> {
    let options = CoreOptions {
        name: "folders".to_owned(),
        cpu: None,
        spin: Duration::ZERO,
        io_memory_bytes: 1 << 20,
    };
    let core = cores::start(options, move || work(Disk::direct()));
    core.and_then(cores::Core::join)
        .map_err(StartError::Executor)?
}
