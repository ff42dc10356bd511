//! Pure: the records of the cluster metadata log, in Kafka's own types and framing (KIP-500).
//! May use: `base`, `wire`. Never: skips a record it does not know; a reader that does not
//! understand all of a log would act on a wrong picture.

mod batch;
mod broker;
mod field;
mod quota;
mod security;
mod setting;
mod topic;

use crate::wire::cursor::{Cursor, Short, Sink};

pub use batch::{BatchRefused, decode_batch, encode_batch, values};
pub use broker::{
    BrokerRegistrationChange, Endpoint, FeatureRange, FenceBroker, RegisterBroker,
    RegisterController, UnfenceBroker, UnregisterBroker,
};
pub use quota::{ClientQuota, QuotaEntity};
pub use security::{
    AccessControlEntry, DelegationToken, RemoveAccessControlEntry, RemoveDelegationToken,
    RemoveUserScramCredential, UserScramCredential,
};
pub use setting::{
    AbortTransaction, BeginTransaction, Config, EndTransaction, FeatureLevel, NoOp, ProducerIds,
    ZkMigrationState,
};
pub use topic::{ClearElr, NO_LEADER_CHANGE, Partition, PartitionChange, RemoveTopic, Topic};

/// The only version of the frame around a record: before its type and version.
const FRAME_VERSION: u32 = 1;

/// Why the value of a record could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordRefused {
    /// The bytes end inside the record, or one of its lengths points outside them.
    #[error("a metadata record ends before its last field")]
    Short,
    /// The frame has another version than 1.
    #[error("a metadata record has frame version {0}, not 1")]
    Frame(u32),
    /// A type of record that this build does not know.
    #[error("this build does not know metadata records of type {key}")]
    Unknown {
        /// Kafka's number of the type.
        key: u32,
    },
    /// A version of a known type that this build does not know.
    #[error("this build knows metadata records of type {key} up to version {max}, not {version}")]
    Version {
        /// Kafka's number of the type.
        key: u32,
        /// The version found.
        version: u32,
        /// The highest one known.
        max: u32,
    },
    /// Bytes follow the record.
    #[error("{0} bytes follow a metadata record")]
    Trailing(usize),
}

impl From<Short> for RecordRefused {
    fn from(_: Short) -> RecordRefused {
        RecordRefused::Short
    }
}

/// The type of a record, the highest version known of it (which is the one written unless the
/// record chooses another), and its body.
macro_rules! records {
    (
        $(#[$doc:meta])*
        $records:ident {
            $($key:literal $name:ident 0..=$max:literal $(writes $version:ident)?;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[allow(missing_docs)] // The structs of the same names say it.
        pub enum $records {
            $($name($name),)*
        }

        impl $records {
            /// Kafka's number of this type of record.
            pub fn key(&self) -> u32 {
                match self {
                    $($records::$name(_) => $key,)*
                }
            }

            /// Reads the value of a record of the metadata log.
            pub fn decode(value: &[u8]) -> Result<$records, RecordRefused> {
                let mut cursor = Cursor::new(value);
                let (key, version) = frame(&mut cursor)?;
                let record = $records::read(key, version, &mut cursor)?;
                match cursor.remaining() {
                    0 => Ok(record),
                    trailing => Err(RecordRefused::Trailing(trailing)),
                }
            }

            fn read(key: u32, version: u32, cursor: &mut Cursor<'_>) -> Result<Self, RecordRefused> {
                match key {
                    $(
                        $key if version > $max => {
                            Err(RecordRefused::Version { key, version, max: $max })
                        }
                        $key => Ok($records::$name($name::read(cursor, version)?)),
                    )*
                    _ => Err(RecordRefused::Unknown { key }),
                }
            }

            /// Appends the record with its frame to `out`, in the version that Kafka 4.3 writes.
            pub fn encode(&self, out: &mut Vec<u8>) {
                out.put_uvarint(FRAME_VERSION);
                out.put_uvarint(self.key());
                match self {
                    $($records::$name(record) => {
                        #[allow(unused_variables)]
                        let version: u32 = $max;
                        $(let version = record.$version();)?
                        out.put_uvarint(version);
                        record.write(out, version);
                    })*
                }
            }
        }

        $(
            impl From<$name> for $records {
                fn from(record: $name) -> $records {
                    $records::$name(record)
                }
            }
        )*
    };
}

records! {
    /// Any record of the metadata log that this broker acts on.
    MetadataRecord {
        0 RegisterBroker 0..=4;
        1 UnregisterBroker 0..=0;
        2 Topic 0..=0;
        3 Partition 0..=2;
        4 Config 0..=0;
        5 PartitionChange 0..=2;
        7 FenceBroker 0..=0;
        8 UnfenceBroker 0..=0;
        9 RemoveTopic 0..=0;
        12 FeatureLevel 0..=0;
        14 ClientQuota 0..=0;
        15 ProducerIds 0..=0;
        17 BrokerRegistrationChange 0..=3 writes version;
        20 NoOp 0..=0;
        21 ZkMigrationState 0..=0;
        23 BeginTransaction 0..=0;
        24 EndTransaction 0..=0;
        25 AbortTransaction 0..=0;
        27 RegisterController 0..=0;
        28 ClearElr 0..=0;
    }
}

records! {
    /// Records about who may do what, and how much, in a cluster taken over from Kafka. What a
    /// log has of them is counted before it is left behind.
    SecurityRecord {
        10 DelegationToken 0..=0;
        11 UserScramCredential 0..=0;
        14 ClientQuota 0..=0;
        18 AccessControlEntry 0..=0;
        19 RemoveAccessControlEntry 0..=0;
        22 RemoveUserScramCredential 0..=0;
        26 RemoveDelegationToken 0..=0;
    }
}

/// Takes what stands before each record off the front of `cursor`: its type and version.
fn frame(cursor: &mut Cursor<'_>) -> Result<(u32, u32), RecordRefused> {
    let frame = cursor.uvarint()?;
    if frame != FRAME_VERSION {
        return Err(RecordRefused::Frame(frame));
    }
    Ok((cursor.uvarint()?, cursor.uvarint()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Uuid;
    use crate::base::{NodeId, TopicId};
    use crate::wire::batch::{Records, batches};

    /// See `tests/golden/metadata/README.md`.
    const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/metadata/00000000000000000000.log");

    fn golden() -> Vec<(i64, MetadataRecord)> {
        let records = batches(GOLDEN).flat_map(|batch| decode_batch(&batch.unwrap()).unwrap());
        records.collect()
    }

    fn encoded(record: impl Into<MetadataRecord>) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.into().encode(&mut bytes);
        bytes
    }

    #[test]
    fn every_record_kafka_wrote_is_read_and_written_back_byte_for_byte() {
        let mut seen = std::collections::BTreeSet::new();
        for batch in batches(GOLDEN) {
            let batch = batch.unwrap();
            if batch.attributes().is_control() {
                continue;
            }
            for record in Records::of(&batch) {
                let value = record.unwrap().value.unwrap();
                let record = MetadataRecord::decode(value).unwrap();
                assert_eq!(encoded(record.clone()), value, "{record:?}");
                seen.insert(record.key());
            }
        }
        let types: Vec<u32> = seen.into_iter().collect();
        assert_eq!(types, [0, 1, 2, 3, 4, 5, 9, 12, 15, 17, 23, 24, 27, 28]);
    }

    #[test]
    fn a_whole_batch_of_kafkas_is_written_back_byte_for_byte() {
        let mut position = 0;
        for batch in batches(GOLDEN) {
            let batch = batch.unwrap();
            let bytes = &GOLDEN[position..position + batch.size_bytes()];
            position += batch.size_bytes();
            let records = decode_batch(&batch).unwrap();
            let Some((base_offset, _)) = records.first() else {
                continue;
            };
            let records: Vec<_> = records.iter().map(|(_, record)| record.clone()).collect();
            let epoch = batch.leader_epoch();
            let mut ours = encode_batch(&records, epoch, batch.base_timestamp());
            crate::wire::batch::stamp(&mut ours, *base_offset, epoch);
            assert_eq!(ours, bytes);
        }
        assert_eq!(position, GOLDEN.len());
    }

    #[test]
    fn the_fields_are_where_kafkas_own_dump_shows_them() {
        let records: std::collections::BTreeMap<_, _> = golden().into_iter().collect();
        let id = |text: &str| {
            let bytes = TopicId(Uuid::from_u128(
                0x16_4a_1d_8f_b6_c3_42_c5_8f_f3_25_c9_36_de_82_ff,
            ));
            assert_eq!(bytes.to_string(), text);
            bytes
        };
        let MetadataRecord::RegisterBroker(broker) = &records[&13] else {
            panic!("not a registration");
        };
        assert_eq!((broker.broker_id, broker.broker_epoch), (NodeId(1), 13));
        assert_eq!(broker.end_points[0].name, "PLAINTEXT");
        assert_eq!(broker.end_points[0].port, 19492);
        assert_eq!((broker.features.len(), broker.fenced), (7, true));
        assert_eq!(broker.log_dirs.len(), 1);
        let topic = id("Fkodj7bDQsWP8yXJNt6C_w");
        let plain = Topic {
            name: "plain".into(),
            topic_id: topic,
        };
        assert_eq!(records[&16], plain.into());
        let MetadataRecord::Partition(partition) = &records[&33] else {
            panic!("not a partition");
        };
        assert_eq!((partition.topic_id, partition.partition_id), (topic, 3));
        assert_eq!(
            (&partition.replicas, &partition.isr),
            (&vec![NodeId(1)], &vec![NodeId(1)])
        );
        assert_eq!((partition.leader, partition.leader_epoch), (NodeId(1), 0));
        assert_eq!(partition.directories, broker.log_dirs);
        let config = |resource_type, resource: &str, name: &str, value: Option<&str>| {
            MetadataRecord::from(Config {
                resource_type,
                resource_name: resource.into(),
                name: name.into(),
                value: value.map(String::from),
            })
        };
        assert_eq!(
            records[&36],
            config(4, "", "log.retention.ms", Some("86400000"))
        );
        assert_eq!(records[&38], config(2, "configured", "retention.ms", None));
        let mut change = PartitionChange::none(topic, 1);
        change.isr = Some(vec![NodeId(1)]);
        change.leader = NodeId(1);
        change.eligible_leader_replicas = Some(Vec::new());
        change.last_known_elr = Some(Vec::new());
        assert_eq!(records[&61], change.into());
        let gone = UnregisterBroker {
            broker_id: NodeId(1),
            broker_epoch: 56,
        };
        assert_eq!(records[&81], gone.into());
    }

    #[test]
    fn records_that_kafka_wrote_no_example_of_come_back() {
        let epoch = 7;
        let id = NodeId(3);
        let name = Some("a name".to_owned());
        let records: [MetadataRecord; 7] = [
            ZkMigrationState { state: 4 }.into(),
            FenceBroker { id, epoch }.into(),
            UnfenceBroker { id, epoch }.into(),
            NoOp {}.into(),
            AbortTransaction {
                reason: name.clone(),
            }
            .into(),
            AbortTransaction { reason: None }.into(),
            BeginTransaction { name }.into(),
        ];
        for record in records {
            assert_eq!(MetadataRecord::decode(&encoded(record.clone())), Ok(record));
        }
    }

    #[test]
    fn older_versions_have_fewer_fields() {
        // A registration of version 0: no migration flag, no shutdown flag, no directories.
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 2];
        bytes.extend([9; 16]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 5, 1, 1, 0, 1, 0]);
        let MetadataRecord::RegisterBroker(broker) = MetadataRecord::decode(&bytes).unwrap() else {
            panic!("not a registration");
        };
        assert_eq!((broker.broker_id, broker.broker_epoch), (NodeId(2), 5));
        assert!(broker.fenced && !broker.in_controlled_shutdown);
        // A partition of version 0 has no directories.
        let mut bytes = vec![1, 3, 0, 0, 0, 0, 4];
        bytes.extend([7; 16]);
        bytes.extend([
            2, 0, 0, 0, 2, 2, 0, 0, 0, 2, 1, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0,
        ]);
        let MetadataRecord::Partition(partition) = MetadataRecord::decode(&bytes).unwrap() else {
            panic!("not a partition");
        };
        assert_eq!((partition.leader_epoch, partition.partition_epoch), (1, 3));
        assert!(partition.directories.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let refused = |bytes: &[u8]| MetadataRecord::decode(bytes).unwrap_err();
        assert_eq!(refused(&[0, 20, 0, 0]), RecordRefused::Frame(0));
        assert_eq!(refused(&[1, 99, 0, 0]), RecordRefused::Unknown { key: 99 });
        assert_eq!(refused(&[1, 18, 0, 0]), RecordRefused::Unknown { key: 18 });
        let version = RecordRefused::Version {
            key: 20,
            version: 1,
            max: 0,
        };
        assert_eq!(refused(&[1, 20, 1, 0]), version);
        assert_eq!(refused(&[1, 20, 0, 0, 0]), RecordRefused::Trailing(1));
        for (_, record) in golden() {
            let bytes = encoded(record);
            for end in 0..bytes.len() {
                assert_eq!(refused(&bytes[..end]), RecordRefused::Short);
            }
        }
    }
}
