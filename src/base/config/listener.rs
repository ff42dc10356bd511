//! Pure: `listeners` and `advertised.listeners`: where the broker listens, and what it tells
//! clients about that.

use std::collections::BTreeMap;

use super::rule::host_and_port;
use super::setting::Why;

/// One entry of `listeners`: a name, a host and the port of the first shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The listener's name, such as `PLAINTEXT`.
    pub listener: String,
    /// A host name or an address; empty for every interface.
    pub host: String,
    /// The first shard's port; shard `i` has the one `i` further on.
    pub port: u16,
}

impl Endpoint {
    /// The endpoint of shard `shard`. Port 0 (any free one) stays 0.
    #[must_use]
    pub fn of_shard(&self, shard: usize) -> Endpoint {
        let shift = if self.port == 0 { 0 } else { shard as u16 };
        Endpoint {
            port: self.port.saturating_add(shift),
            ..self.clone()
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Endpoint {
            listener,
            host,
            port,
        } = self;
        if host.contains(':') {
            write!(f, "{listener}://[{host}]:{port}")
        } else {
            write!(f, "{listener}://{host}:{port}")
        }
    }
}

/// Reads `NAME://host:port` entries; the error is the reason, without the setting's name.
pub(super) fn parse(items: &[String]) -> Result<Vec<Endpoint>, String> {
    items.iter().map(|item| endpoint(item)).collect()
}

fn endpoint(item: &str) -> Result<Endpoint, String> {
    let form = || format!("'{item}' is not of the form NAME://host:port");
    let (listener, address) = item.split_once("://").ok_or_else(form)?;
    let (host, port) = host_and_port(address).ok_or_else(form)?;
    if listener.is_empty() {
        return Err(form());
    }
    Ok(Endpoint {
        listener: listener.to_ascii_uppercase(),
        host: host.to_owned(),
        port,
    })
}

/// Reads `listener.security.protocol.map`: listener name to protocol name.
pub(super) fn protocol_map(text: &str) -> Result<BTreeMap<String, String>, String> {
    let entries = text.split(',').map(str::trim).filter(|e| !e.is_empty());
    entries
        .map(|entry| {
            let (name, protocol) = entry
                .split_once(':')
                .ok_or_else(|| format!("'{entry}' is not of the form NAME:PROTOCOL"))?;
            Ok((name.to_ascii_uppercase(), protocol.to_ascii_uppercase()))
        })
        .collect()
}

/// Whether the protocol of listener `name`, which `setting` names, is one that there is here; the
/// error is the whole sentence.
pub(super) fn check_protocol(
    protocols: &BTreeMap<String, String>,
    name: &str,
    setting: &str,
) -> Result<(), String> {
    match protocols.get(name).map(String::as_str) {
        Some("PLAINTEXT") => Ok(()),
        Some(other) => {
            let why = Why::NoSecurity.text();
            Err(format!("{setting}: {name} needs {other}: {why}"))
        }
        None => Err(format!("No security protocol defined for listener {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_printed() {
        for text in [
            "PLAINTEXT://:9092",
            "PLAINTEXT://10.0.0.1:1",
            "INTERNAL://[::1]:65535",
        ] {
            let endpoint = endpoint(text).expect(text);
            assert_eq!(endpoint.to_string(), text);
        }
        for text in [
            "",
            "9092",
            "host:9092",
            "P://host",
            "P://host:70000",
            "://h:1",
            "P://a b:1",
        ] {
            let reason = format!("'{text}' is not of the form NAME://host:port");
            assert_eq!(endpoint(text), Err(reason));
        }
    }

    #[test]
    fn shards_follow_each_other_port_by_port() {
        let first = endpoint("PLAINTEXT://h:9092").expect("an endpoint");
        assert_eq!(first.of_shard(3).port, 9095);
        let any = endpoint("PLAINTEXT://h:0").expect("an endpoint");
        assert_eq!(any.of_shard(3).port, 0);
    }
}
