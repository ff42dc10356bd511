//! Pure: `meta.properties`, the file that says which cluster and node a folder belongs to, in
//! Kafka's format.

use crate::base::NodeId;
use crate::base::ids::{Uuid, base64_url};

/// The file's name in a node's folder.
pub const FILE: &str = "meta.properties";

/// How the line with the checksum of the others begins. It is a comment, which Kafka ignores.
const CHECKSUM: &str = "#crc32c=";

/// The line of a broker of a cluster. It is no setting of Kafka's, which ignores it.
const IN_CLUSTER: &str = "corelane.in.cluster";

/// Which cluster and node a folder belongs to (`MetaProperties` of Kafka, version 1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: String,
    /// The node.
    pub node: NodeId,
    /// The folder itself.
    pub directory: Uuid,
    /// Whether it is of a broker of a cluster, not of one that runs alone.
    pub in_cluster: bool,
}

/// Why a text is no `meta.properties` of this kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    /// It lacks this line.
    #[error("the line {0}=… is missing")]
    Missing(&'static str),
    /// This line has a value that cannot be read.
    #[error("{0}={1} is not understood")]
    Bad(&'static str, String),
    /// Its checksum does not fit: it is not what was written.
    #[error(
        "it is not what was written: its checksum does not fit; put it back from a copy, or remove \
         its first line if it was changed on purpose"
    )]
    Damaged,
}

impl Identity {
    /// Reads a `meta.properties` and ignores lines that it does not know. A checksum in the first
    /// line must fit the rest; Kafka writes none.
    pub fn parse(text: &str) -> Result<Identity, IdentityError> {
        if let Some((first, rest)) = text.split_once('\n')
            && let Some(sum) = first.strip_prefix(CHECKSUM)
            && u32::from_str_radix(sum, 16) != Ok(crc32c::crc32c(rest.as_bytes()))
        {
            return Err(IdentityError::Damaged);
        }
        let get = |name: &'static str| {
            let lines = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with('#'));
            let mut pairs = lines.filter_map(|line| line.split_once('='));
            let found = pairs.find(|(found, _)| found.trim() == name);
            found
                .map(|(_, value)| value.trim())
                .ok_or(IdentityError::Missing(name))
        };
        let bad = |name, value: &str| IdentityError::Bad(name, value.to_owned());
        let version = get("version")?;
        if version != "1" {
            return Err(bad("version", version));
        }
        let node = get("node.id")?;
        let directory = get("directory.id")?;
        Ok(Identity {
            cluster_id: get("cluster.id")?.to_owned(),
            node: NodeId(node.parse().map_err(|_| bad("node.id", node))?),
            directory: parse_uuid(directory).ok_or_else(|| bad("directory.id", directory))?,
            in_cluster: get(IN_CLUSTER).is_ok_and(|value| value == "true"),
        })
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut lines = format!(
            "node.id={}\ndirectory.id={}\nversion=1\ncluster.id={}\n",
            self.node,
            base64_url(self.directory.as_bytes()),
            self.cluster_id
        );
        if self.in_cluster {
            lines += &format!("{IN_CLUSTER}=true\n");
        }
        // First, so that damage cannot join it to another line unseen.
        let sum = crc32c::crc32c(lines.as_bytes());
        format!("{CHECKSUM}{sum:08x}\n{lines}")
    }
}

/// Reads a UUID in Kafka's text form.
fn parse_uuid(text: &str) -> Option<Uuid> {
    if text.len() != 22 {
        return None;
    }
    let mut value: u128 = 0;
    for (at, byte) in text.bytes().enumerate() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        // The last digit has four bits too many.
        value = if at < 21 {
            value << 6 | u128::from(digit)
        } else {
            value << 2 | u128::from(digit >> 4)
        };
    }
    Some(Uuid::from_u128(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Kafka 4.3.1 wrote it.
    const KAFKAS: &str = "#\n#Sun Nov 22 23:31:49 UTC 2026\nnode.id=1\n\
        directory.id=fc_u2XRuTA6LNEnX6YvsBw\nversion=1\ncluster.id=Q29yZWxhbmUtdGVzdHMtMQ\n";

    #[test]
    fn kafkas_file_is_understood_and_ours_comes_back() {
        let identity = Identity::parse(KAFKAS).unwrap();
        assert_eq!(identity.node, NodeId(1));
        assert_eq!(identity.cluster_id, "Q29yZWxhbmUtdGVzdHMtMQ");
        assert_eq!(
            base64_url(identity.directory.as_bytes()),
            "fc_u2XRuTA6LNEnX6YvsBw"
        );
        assert!(!identity.in_cluster);
        assert_eq!(Identity::parse(&identity.text()), Ok(identity.clone()));
        let in_cluster = true;
        let joined = Identity {
            in_cluster,
            ..identity
        };
        assert_eq!(Identity::parse(&joined.text()), Ok(joined));
        for value in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            let uuid = Uuid::from_u128(value);
            assert_eq!(parse_uuid(&base64_url(uuid.as_bytes())), Some(uuid));
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused_by_the_line() {
        let refused = |text: &str| Identity::parse(text).unwrap_err().to_string();
        assert_eq!(refused(""), "the line version=… is missing");
        assert_eq!(refused("version=0"), "version=0 is not understood");
        assert_eq!(
            refused(&KAFKAS.replace("node.id=1", "node.id=x")),
            "node.id=x is not understood"
        );
        let short = KAFKAS.replace("fc_u2XRuTA6LNEnX6YvsBw", "fc_u");
        assert_eq!(refused(&short), "directory.id=fc_u is not understood");
    }

    #[test]
    fn no_damage_makes_it_another() {
        let identity = Identity::parse(KAFKAS).unwrap();
        let text = identity.text().into_bytes();
        let mut refused = 0;
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match Identity::parse(&String::from_utf8_lossy(&bytes)) {
                Ok(found) => assert_eq!(found, identity, "bit {bit}"),
                Err(_) => refused += 1,
            }
        }
        // What is not refused spoils the mark of the checksum, or the case of its digits.
        assert!(
            refused >= (text.len() - CHECKSUM.len() - 8) * 8,
            "{refused}"
        );
        for at in 0..text.len() {
            let mut bytes = text.clone();
            bytes[at..].fill(0);
            Identity::parse(&String::from_utf8_lossy(&bytes)).unwrap_err();
        }
    }
}
