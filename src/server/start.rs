//! Drives: what start and stop need besides the executors: folders, ports, CPUs, what to say.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use crate::base::config::BrokerConfig;
use crate::base::descriptors::Plan;
use crate::base::version;
use crate::host::device::DeviceFacts;
use crate::host::guarantee::{AckClass, Guarantee, Survives, guarantee};
use crate::host::this;
use crate::io::checks::{self, FolderLock, HostError};
use crate::io::cpus;
use crate::io::descriptors;
use crate::io::listener::{self, Bound, SocketOptions};
use crate::metadata::controller::{LoadError, shard_dir};

/// The listening sockets, bound before anything else starts.
pub struct Listeners {
    /// One per shard, in order.
    pub nodes: Vec<Bound>,
    /// The admin pages'.
    pub admin: Option<Bound>,
}

/// What a broker that serves says of itself.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where clients connect, in shard order.
    pub listeners: Vec<String>,
    /// Where the admin pages are.
    pub admin: Option<String>,
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The host lacks something.
    #[error("{0}")]
    Host(HostError),
    /// A listener could not be bound.
    #[error("cannot listen on {address}: {}", listen_advice(.flag, .error))]
    Listen {
        /// Where.
        address: String,
        /// The flag that says which port.
        flag: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// A folder could not be made or used.
    #[error("cannot use the folder {}: {error}{}", .path.display(), checks::folder_advice(.error))]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The controllers of the cluster do not let this broker in, or not any more.
    #[error("{0}")]
    Cluster(String),
    /// The metadata log could not be loaded, or says that this folder is another broker's.
    #[error("{0}")]
    Metadata(LoadError),
    /// An executor could not be started, or died.
    #[error("cannot start an executor: {0}")]
    Executor(io::Error),
    /// Every folder of `log.dirs` has failed while it served.
    #[error(
        "stopped, since every folder of log.dirs has failed (the log says why): make one work \
         again and start"
    )]
    NoFolderLeft,
    /// An executor ended without a word; its panic is in the log.
    #[error(
        "an executor ended unexpectedly: the lines above say why (most often it may have too few \
         threads or too little memory: ulimit -a)"
    )]
    Gone,
}

/// The folders of `log.dirs` as a start finds them.
pub struct Folders {
    /// Those that can be used, in the order of the settings.
    pub usable: Vec<PathBuf>,
    /// Those that cannot: the log lines of then say why.
    pub lost: Vec<PathBuf>,
    _locks: Vec<FolderLock>,
}

/// Makes, locks and checks every folder. One that cannot be used is left out, and its partitions
/// with it; as in Kafka the broker needs the one of the metadata log and one for partitions.
pub fn folders(config: &BrokerConfig) -> Result<Folders, StartError> {
    let mut folders = Folders {
        usable: Vec::new(),
        lost: Vec::new(),
        _locks: Vec::new(),
    };
    let mut first = None;
    for (at, dir) in config.log_dirs.iter().enumerate() {
        let mut before = config.log_dirs[..at].iter();
        if let Some(same) = before.find(|other| checks::is_same_folder(other, dir)) {
            let twice = HostError::Twice(same.clone(), dir.clone());
            return Err(StartError::Host(twice));
        }
        match folder(dir, config.shards) {
            Ok(lock) => {
                folders.usable.push(dir.clone());
                folders._locks.push(lock);
            }
            // Another broker is at work there: not a fault to live with.
            Err(error @ StartError::Host(HostError::Locked(_))) => return Err(error),
            Err(error) if *dir == config.data_dir => return Err(error),
            Err(error) => {
                if config.log_dirs.len() > 1 {
                    tracing::error!(dir = %dir.display(), %error,
                        "a log folder cannot be used: its partitions are offline");
                }
                folders.lost.push(dir.clone());
                first.get_or_insert(error);
            }
        }
    }
    if !config.log_dirs.contains(&config.data_dir) {
        folders._locks.push(folder(&config.data_dir, 0)?);
    }
    match first {
        Some(error) if folders.usable.is_empty() => Err(error),
        _ => Ok(folders),
    }
}

/// Makes a data folder with a folder for each shard, and checks that it can be used.
pub fn folder(dir: &Path, shards: usize) -> Result<FolderLock, StartError> {
    let parts = (0..shards).map(|index| shard_dir(dir, index));
    for path in std::iter::once(dir.to_owned()).chain(parts) {
        checks::make_dir(&path).map_err(|error| StartError::Folder { path, error })?;
    }
    let lock = checks::lock(dir).map_err(StartError::Host)?;
    checks::direct_io(dir).map_err(StartError::Host)?;
    Ok(lock)
}

/// Says in the log what starts, and on what.
pub fn tell_of_start(config: &BrokerConfig) {
    let host = this::facts();
    let dirs: Vec<String> = config
        .log_dirs
        .iter()
        .map(|it| it.display().to_string())
        .collect();
    tracing::info!(
        version = version::version(),
        pid = std::process::id(),
        kernel = host.kernel,
        host = host.name,
        cpus = cpus::allowed().len(),
        memory_mib = host.memory_bytes >> 20,
        "corelane starts"
    );
    tracing::info!(
        shards = config.shards,
        first_node = config.node_id(0),
        last_node = config.node_id(config.shards - 1),
        log_dirs = dirs.join(","),
        metadata_dir = %config.data_dir.display(),
        listener = %config.listener,
        advertised = %config.advertised,
        "settings of this start"
    );
}

/// Raises the limit of descriptors as far as it goes, and shares out what there is.
pub fn descriptors(shards: usize) -> Result<(), StartError> {
    let plan = Plan::new(descriptors::raise_limit(), shards);
    if plan.limit() < plan.least() {
        let (limit, least) = (plan.limit(), plan.least());
        return Err(StartError::Host(HostError::Descriptors(limit, least)));
    }
    descriptors::lengthen_table(plan.limit());
    descriptors::keep_to(plan);
    Ok(())
}

/// Says in the log how many connections and data files there may be, as a warning where that may
/// be too few for so many partitions.
pub fn tell_of_descriptors(partitions: usize) {
    let Some(plan) = descriptors::plan() else {
        return;
    };
    let (limit, connections) = (plan.limit(), plan.sockets_max(0));
    let files = plan.kept_for_files(0);
    if plan.is_tight(partitions) {
        tracing::warn!(
            limit,
            connections,
            files,
            partitions,
            "few descriptors: at most so many connections, and so many open data files, of which \
             each partition that is written to needs two; raise LimitNOFILE (ulimit -n)"
        );
    } else {
        tracing::info!(limit, connections, files, "descriptors of this process");
    }
}

/// What lies under the folders, each device once; says in the log what an ack means there.
pub fn devices(config: &BrokerConfig, dirs: &[PathBuf]) -> Vec<DeviceFacts> {
    let class = AckClass::of(config.topic_defaults.flush_messages);
    let devices = this::distinct_devices(dirs);
    for device in &devices {
        let Guarantee { survives, text, .. } = guarantee(device, class);
        let (name, file_system) = (device.name(), device.fs());
        if survives == Survives::PowerCut {
            tracing::info!(device = name, file_system, "an ack means: {text}");
        } else {
            tracing::warn!(device = name, file_system, "an ack means: {text}");
        }
    }
    devices
}

/// Binds every port.
pub fn bind(config: &BrokerConfig) -> Result<Listeners, StartError> {
    let mut nodes = Vec::new();
    let options = SocketOptions {
        backlog: config.network.backlog,
        receive_buffer_bytes: config.network.receive_buffer_bytes,
        send_buffer_bytes: config.network.send_buffer_bytes,
    };
    for shard in 0..config.shards {
        let endpoint = config.listener.of_shard(shard);
        nodes.push(bind_one(&endpoint.host, endpoint.port, "--port", options)?);
    }
    let admin = config
        .admin
        .as_ref()
        .map(|(host, port)| bind_one(host, *port, "--admin-port", SocketOptions::default()))
        .transpose()?;
    Ok(Listeners { nodes, admin })
}

/// The ports that clients are told: where any free one was asked for, the one that was found.
pub fn advertised_ports(config: &BrokerConfig, listeners: &Listeners) -> Vec<u16> {
    let bound = listeners.nodes.iter().map(|bound| bound.address().port());
    let port = |(shard, bound)| match config.advertised.of_shard(shard).port {
        0 => bound,
        port => port,
    };
    bound.enumerate().map(port).collect()
}

fn bind_one(
    host: &str,
    port: u16,
    flag: &'static str,
    options: SocketOptions,
) -> Result<Bound, StartError> {
    let address = format!("{host}:{port}");
    // An empty host means every interface, as in Kafka.
    let host = if host.is_empty() { "::" } else { host };
    let bound = resolve(host, port).and_then(|address| listener::bind(address, options));
    bound.map_err(|error| StartError::Listen {
        address,
        flag,
        error,
    })
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs()?;
    addresses
        .next()
        .ok_or_else(|| io::Error::other("the host name has no address"))
}

/// The CPU of a shard: the last ones first, since the kernel's own work gathers on the first.
/// More shards than CPUs share them; on a single CPU nothing is gained by pinning.
pub fn cpu_of(shard: usize, cpus: &[usize]) -> Option<usize> {
    if cpus.len() < 2 {
        return None;
    }
    Some(cpus[cpus.len() - 1 - shard % cpus.len()])
}

/// Warns where `corelane.spin.us` is set and can do nothing: only shards that are pinned spin.
pub fn tell_of_spin(spin_us: u64, cpus: &[usize]) {
    if spin_us > 0 && cpu_of(0, cpus).is_none() {
        tracing::warn!(
            "corelane.spin.us has no effect: this process may use one CPU only, which a shard that \
             spins would take from everything else"
        );
    }
}

// === impl Ready ===

impl fmt::Display for Ready {
    /// The listeners in shard order, then the admin pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.listeners.join(","))?;
        match &self.admin {
            Some(admin) => write!(f, " admin http://{admin}"),
            None => Ok(()),
        }
    }
}

impl Ready {
    /// What the bound listeners offer.
    pub fn new(config: &BrokerConfig, listeners: &Listeners) -> Ready {
        let host = &config.listener.host;
        let node = |bound: &Bound| format!("{host}:{}", bound.address().port());
        Ready {
            listeners: listeners.nodes.iter().map(node).collect(),
            admin: listeners
                .admin
                .as_ref()
                .map(|bound| bound.address().to_string()),
        }
    }
}

/// What is wrong with an address, where the kernel's own words leave it open what to do.
fn listen_advice(flag: &str, error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse if flag == "--port" => {
            "it is in use. Another broker may be running: stop it or choose another --port (each \
             shard takes one port, counting up)"
        }
        io::ErrorKind::AddrInUse => &format!("it is in use: choose another {flag}"),
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address; --host 0.0.0.0 listens on all of them"
        }
        io::ErrorKind::PermissionDenied => {
            &format!("this user may not; choose a {flag} of 1024 or above")
        }
        _ => return error.to_string(),
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(flag: &'static str, kind: io::ErrorKind) -> String {
        let address = "h:80".to_owned();
        let error = io::Error::from(kind);
        StartError::Listen {
            address,
            flag,
            error,
        }
        .to_string()
    }

    #[test]
    fn what_hinders_a_start_is_told_with_what_to_do() {
        use io::ErrorKind::*;
        assert!(listen("--port", AddrInUse).contains("h:80: it is in use. Another broker"));
        let admin = listen("--admin-port", AddrInUse);
        assert!(admin.ends_with("it is in use: choose another --admin-port"));
        assert!(listen("--port", PermissionDenied).ends_with("a --port of 1024 or above"));
        assert!(listen("--port", AddrNotAvailable).contains("--host 0.0.0.0"));
        let folder = |kind: io::ErrorKind| {
            let path = PathBuf::from("/d");
            let error = io::Error::from(kind);
            StartError::Folder { path, error }.to_string()
        };
        assert!(folder(PermissionDenied).contains("permission denied: the user that runs"));
        assert!(folder(NotADirectory).ends_with("and a folder is wanted"));
        assert_eq!(
            folder(NotFound),
            "cannot use the folder /d: entity not found"
        );
    }
}
