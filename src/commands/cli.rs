//! Pure: the command line and its help.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use super::adopt::{Accepted, LeftBehind};
use super::pages;
use crate::base::config::{self, BrokerConfig, ConfigError, ConfigFile, Flags, HostFacts};
use crate::base::version::version;

/// A Kafka-compatible broker for low-latency pipelines on Linux.
///
/// Each core it uses is a Kafka node of its own: it owns its port, its partitions and its files.
/// Any Kafka client or tool connects to the first port and finds the others by itself. An ack
/// means that the records are on stable storage.
///
/// Without a command it serves with its defaults: 127.0.0.1, first port 9092, data in
/// ./corelane-data, nothing else to install or start.
#[derive(Parser, Debug)]
#[command(name = "corelane", version = version(), max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the broker until it is told to stop.
    ///
    /// A line `corelane ready` with the listeners goes to standard output once all shards serve;
    /// the log goes to standard error. SIGTERM, SIGINT (Ctrl-C) or SIGHUP stop it cleanly: what is
    /// under way is answered, everything is flushed, and the next start has nothing to scan.
    Serve(Serve),

    /// Format the folders of a broker of an Apache Kafka cluster, as kafka-storage does.
    ///
    /// Each node's folder gets its place in the cluster and a directory id, and the number of
    /// shards is fixed. It is done once, before the first `serve` with the same file; whatever is
    /// in the folders already is never changed. A broker that runs alone needs no format.
    Format(Format),

    /// Say what an ack means on this host, whether the broker can serve here, and what costs
    /// latency.
    ///
    /// It changes nothing; for two seconds it writes to a file of its own in the data folder,
    /// and removes it. For each setting of the host that differs it says what is there, what is
    /// wanted, why, and how to change it. Exit code: 0 when the broker can serve here, with or
    /// without advice, 1 when it cannot.
    Check(Check),

    /// Take over what a cleanly stopped Apache Kafka 4 broker left in its folders.
    ///
    /// Topics with their ids, settings and records, committed offsets of groups, and what
    /// idempotent producers wrote come along; Kafka's folders are not changed. Without --yes it
    /// says what it would do and does nothing.
    Adopt(Adopt),

    /// Print what a shell needs to complete commands and options: for packages.
    ///
    /// For this user, in bash:
    /// corelane completions bash >~/.local/share/bash-completion/completions/corelane
    Completions(pages::Completions),

    /// Write the manual pages into a folder: for packages.
    ///
    /// One for the program and one for each command: corelane.1, corelane-serve.1 and so on.
    Man(pages::Man),
}

/// Flags of `format`, under the names of kafka-storage.
#[derive(Args, Debug)]
pub struct Format {
    /// The cluster's id: what its controllers were formatted with
    ///
    /// kafka-cluster cluster-id prints that of a cluster that runs.
    #[arg(long, short = 't', value_name = "ID")]
    pub cluster_id: String,

    /// Read settings from FILE, as serve does; process.roles=broker must be among them
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,

    /// How many shards, each a node of the cluster; fixed from now on [default: corelane.shards,
    /// else half the physical cores, 1 to 8]
    #[arg(long, value_name = "N")]
    pub shards: Option<usize>,

    /// Leave folders that are formatted for this broker already as they are
    #[arg(long, short = 'g')]
    pub ignore_formatted: bool,
}

/// Flags of `check`.
#[derive(Args, Debug, Default)]
pub struct Check {
    /// Read settings from FILE, as serve does.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The data folder that serve is to use; it need not be there [default: ./corelane-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,

    /// Write nothing, so that nothing is measured.
    #[arg(long)]
    pub no_measure: bool,
}

/// Flags of `adopt`; the others are those of the `serve` that shall follow.
#[derive(Args, Debug)]
pub struct Adopt {
    /// Kafka's folders: all of its log.dirs, and its metadata.log.dir if that is another one
    #[arg(
        long,
        value_name = "DIR[,DIR]...",
        value_delimiter = ',',
        required = true
    )]
    pub from: Vec<PathBuf>,

    /// Take the rest over where the cluster has what Corelane does not have yet, and leave that
    /// behind
    #[arg(long, value_name = "WHAT[,WHAT]...", value_delimiter = ',')]
    pub leave_behind: Vec<LeftBehind>,

    /// End the transactions that were open when Kafka stopped, as Kafka would: those whose commit
    /// it had decided are committed, all others aborted
    #[arg(long)]
    pub end_transactions: bool,

    /// Do it; without this flag nothing is changed
    #[arg(long)]
    pub yes: bool,

    /// What the broker will be started with.
    #[command(flatten)]
    pub serve: Serve,
}

/// Flags of `serve`; they win over the configuration file.
#[derive(Args, Debug, Default)]
pub struct Serve {
    /// Read settings from FILE, in Kafka's own server.properties form and names.
    ///
    /// An unknown or bad setting is named and refused. docs/CONFIG.md lists all of them;
    /// tuning/server.properties is one to begin with.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Keep all data in DIR; made and formatted at the first start [default: ./corelane-data]
    ///
    /// The folder needs a file system with direct I/O: ext4 or XFS. On tmpfs, where the kernel
    /// lets it, everything is gone with a reboot, and a start warns of that. Several folders,
    /// with commas between them, spread the partitions over several devices; the first one keeps
    /// the metadata log, too.
    #[arg(long, value_name = "DIR[,DIR]...")]
    pub data_dir: Option<PathBuf>,

    /// Listen on this address [default: 127.0.0.1]
    ///
    /// 0.0.0.0 listens on all; then say with --advertised-host how clients reach this machine.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,

    /// The first shard's port; shard i listens on PORT + i [default: 9092]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// How many shards, that is cores and Kafka nodes; fixed when the data folder is formatted
    /// [default: half the physical cores, 1 to 8]
    #[arg(long, value_name = "N")]
    pub shards: Option<usize>,

    /// The host name that clients are told to connect to [default: the listening address]
    #[arg(long, value_name = "HOST")]
    pub advertised_host: Option<String>,

    /// Serve /metrics, /health, /ready and /config over HTTP on this port [default: off]
    ///
    /// It is on the address of --host and asks for no password: keep it private.
    #[arg(long, value_name = "PORT")]
    pub admin_port: Option<u16>,

    /// error, warn, info, debug or trace, also per module [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

// === impl Cli ===

impl Cli {
    /// The command given, or `serve` with its defaults.
    pub fn command_or_default(self) -> Command {
        self.command
            .unwrap_or_else(|| Command::Serve(Serve::default()))
    }
}

// === impl Adopt ===

impl Adopt {
    /// What else than a plain takeover is wanted.
    pub fn accepted(&self) -> Accepted {
        Accepted {
            leave_behind: self.leave_behind.clone(),
            end_transactions: self.end_transactions,
        }
    }
}

// === impl Format ===

impl Format {
    /// The settings that `serve` would have with the same flags.
    pub fn serve(&self) -> Serve {
        Serve {
            config: Some(self.config.clone()),
            shards: self.shards,
            ..Serve::default()
        }
    }
}

// === impl Check ===

impl Check {
    /// The settings that `serve` would have with the same flags.
    pub fn serve(&self) -> Serve {
        Serve {
            config: self.config.clone(),
            data_dir: self.data_dir.clone(),
            ..Serve::default()
        }
    }
}

// === impl Serve ===

impl Serve {
    /// The settings that the file and the flags come to; `text` is the file's content. Where
    /// neither says how many shards, a data folder that was formatted does, by `formatted`.
    pub fn load(
        &self,
        text: Option<&str>,
        host: &HostFacts,
        formatted: impl Fn(&Path) -> Option<usize>,
    ) -> Result<BrokerConfig, ConfigError> {
        let name = self.config.as_ref().map(|path| path.display().to_string());
        let file = name
            .as_deref()
            .zip(text)
            .map(|(name, text)| ConfigFile { name, text });
        let config = config::load(file, &self.flags(), host)?;
        let asked = config.layers().text("corelane.shards").is_some();
        // A folder added since says nothing, one that is away neither.
        let formatted = config
            .log_dirs
            .iter()
            .filter_map(|dir| formatted(dir))
            .max();
        match formatted.filter(|shards| !asked && *shards != config.shards) {
            None => Ok(config),
            shards => config::load(
                file,
                &Flags {
                    shards,
                    ..self.flags()
                },
                host,
            ),
        }
    }

    /// The flags that are settings.
    pub fn flags(&self) -> Flags {
        Flags {
            data_dir: self.data_dir.clone(),
            host: self.host.clone(),
            port: self.port,
            shards: self.shards,
            advertised_host: self.advertised_host.clone(),
            admin_port: self.admin_port,
            log_level: self.log_level.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatted_folder_says_how_many_shards_unless_a_setting_does() {
        let host = HostFacts::of_cores(2);
        let shards =
            |serve: Serve, text, formatted| serve.load(text, &host, |_| formatted).unwrap().shards;
        let asked = || Serve {
            shards: Some(3),
            ..Serve::default()
        };
        let file = || Serve {
            config: Some("f".into()),
            ..Serve::default()
        };
        assert_eq!(shards(Serve::default(), None, None), 1);
        assert_eq!(shards(Serve::default(), None, Some(2)), 2);
        assert_eq!(shards(asked(), None, Some(2)), 3);
        assert_eq!(shards(file(), Some("corelane.shards=4"), Some(2)), 4);
        assert_eq!(shards(file(), Some(""), Some(2)), 2);
    }

    #[test]
    fn no_command_serves_and_flags_become_settings() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
        let serve_of = |arguments: &[&str]| match Cli::parse_from(arguments).command_or_default() {
            Command::Serve(serve) => serve,
            other => panic!("{other:?}"),
        };
        assert!(serve_of(&["corelane"]).port.is_none());
        let arguments = ["corelane", "serve", "--port", "19092", "--shards", "2"];
        let serve = serve_of(&arguments);
        assert_eq!(
            (serve.flags().port, serve.flags().shards),
            (Some(19092), Some(2))
        );
        let arguments = ["corelane", "check", "--data-dir", "/data", "--json"];
        let Command::Check(check) = Cli::parse_from(arguments).command_or_default() else {
            panic!("check is a command");
        };
        assert!(check.json && !check.no_measure);
        let arguments = [
            "corelane", "format", "-t", "id", "-c", "f", "--shards", "3", "-g",
        ];
        let Command::Format(format) = Cli::parse_from(arguments).command_or_default() else {
            panic!("format is a command");
        };
        assert!(format.ignore_formatted && format.cluster_id == "id");
        assert_eq!(format.serve().shards, Some(3));
        assert_eq!(check.serve().data_dir, Some("/data".into()));
    }
}
