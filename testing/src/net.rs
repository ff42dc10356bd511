//! Drives: hosts of a network that can be cut: each is a network namespace, and all hang on one
//! bridge, where this process is, too.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// Where a process runs and listens.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its address.
    pub address: Ipv4Addr,
    namespace: Option<String>,
}

/// Hosts and the bridge between them; gone when dropped. Names and addresses are of this process,
/// so that there may be one of each test program.
pub struct Net {
    tag: u8,
    hosts: usize,
}

/// A hardware address that no one has: what is sent to it is lost without a word.
const NO_ONE: &str = "02:00:00:00:ff:ff";

// === impl Host ===

impl Host {
    /// This machine.
    pub fn local() -> Host {
        Host {
            address: Ipv4Addr::LOCALHOST,
            namespace: None,
        }
    }

    /// The same command on this host.
    pub fn command(&self, command: Command) -> Command {
        let Some(namespace) = &self.namespace else {
            return command;
        };
        let mut there = Command::new("ip");
        there.args(["netns", "exec", namespace]);
        there.arg(command.get_program()).args(command.get_args());
        there
    }
}

// === impl Net ===

impl Net {
    /// What this machine lacks for it, if it lacks something.
    pub fn lacks() -> Option<&'static str> {
        let name = format!("corelane-try-{}", std::process::id());
        let quiet = |arguments: &[&str]| {
            let mut ip = Command::new("ip");
            let ran = ip.args(arguments).stderr(Stdio::null()).status();
            ran.is_ok_and(|it| it.success())
        };
        let is_made = quiet(&["netns", "add", &name]);
        let is_linked = is_made && quiet(&["-n", &name, "link", "add", "try", "type", "bridge"]);
        if is_made {
            quiet(&["netns", "delete", &name]);
        }
        (!is_linked).then_some("root and `ip` with network namespaces")
    }

    /// So many hosts that all reach each other.
    pub fn new(hosts: usize) -> Net {
        let net = Net {
            tag: (std::process::id() % 250) as u8,
            hosts,
        };
        let bridge = net.bridge();
        let own = format!("10.231.{}.254/24", net.tag);
        ip(["link", "add", &bridge, "type", "bridge"]);
        ip(["address", "add", &own, "dev", &bridge]);
        ip(["link", "set", &bridge, "up"]);
        for index in 0..hosts {
            let name = net.name(index);
            let address = format!("{}/24", net.host(index).address);
            ip(["netns", "add", &name]);
            ip([
                "link", "add", &name, "type", "veth", "peer", "name", "eth0", "netns", &name,
            ]);
            ip(["link", "set", &name, "master", &bridge, "up"]);
            ip(["-n", &name, "address", "add", &address, "dev", "eth0"]);
            ip(["-n", &name, "link", "set", "eth0", "up"]);
            ip(["-n", &name, "link", "set", "lo", "up"]);
        }
        net
    }

    /// One of the hosts.
    pub fn host(&self, index: usize) -> Host {
        Host {
            address: Ipv4Addr::new(10, 231, self.tag, index as u8 + 1),
            namespace: Some(self.name(index)),
        }
    }

    /// Loses what two hosts send to each other from now on.
    pub fn cut(&self, one: usize, other: usize) {
        self.cut_one_way(one, other);
        self.cut_one_way(other, one);
    }

    /// Loses what `from` sends to `to` from now on.
    pub fn cut_one_way(&self, from: usize, to: usize) {
        let address = self.host(to).address.to_string();
        let name = self.name(from);
        ip([
            "-n", &name, "neigh", "replace", &address, "lladdr", NO_ONE, "dev", "eth0",
        ]);
    }

    /// All reach each other again.
    pub fn heal(&self) {
        for host in 0..self.hosts {
            ip([
                "-n",
                &self.name(host),
                "neigh",
                "flush",
                "all",
                "nud",
                "permanent",
            ]);
        }
    }

    fn name(&self, index: usize) -> String {
        format!("{}-{index}", self.bridge())
    }

    fn bridge(&self) -> String {
        format!("corel{}", self.tag)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let quiet = |arguments: &[&str]| {
            let _ = Command::new("ip").args(arguments).status();
        };
        for index in 0..self.hosts {
            // The kernel takes its time to remove the links of a namespace that is gone.
            quiet(&["link", "delete", &self.name(index)]);
            quiet(&["netns", "delete", &self.name(index)]);
        }
        quiet(&["link", "delete", &self.bridge()]);
    }
}

fn ip<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) {
    let mut command = Command::new("ip");
    let status = command.args(arguments).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}
