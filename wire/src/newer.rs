//! Pure: versions of Kafka 4.3 that the codec crate, which has the schemas of 4.1, lacks.
//!
//! Taken from the schemas in Kafka's own artifacts (`kafka-clients`, `common/message/*.json`). To
//! be removed, with the wrapper in the APIs concerned, once the crate has them.

use std::fmt;

use anyhow::{Result, bail, ensure};
use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use crate::ids::Uuid;

/// A message of the codec crate, in one version more.
#[derive(Clone, Default, PartialEq)]
pub struct Newer<M>(pub M);

/// A message whose last version the codec crate may lack.
pub trait Newest: Message + Encodable + Decodable {
    /// Kafka's last version.
    const LAST: i16;

    /// Appends the message in that version.
    fn put<B: ByteBufMut>(&self, out: &mut B) -> Result<()>;

    /// Takes the message in that version.
    fn take<B: ByteBuf>(from: &mut B) -> Result<Self>;
}

impl<M: Newest> Newer<M> {
    fn is_new(version: i16) -> bool {
        version == M::LAST && version > M::VERSIONS.max
    }
}

impl<M: fmt::Debug> fmt::Debug for Newer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<M: Newest> Message for Newer<M> {
    const VERSIONS: VersionRange = VersionRange {
        min: M::VERSIONS.min,
        max: M::LAST,
    };
    const DEPRECATED_VERSIONS: Option<VersionRange> = M::DEPRECATED_VERSIONS;
}

impl<M: Newest> Encodable for Newer<M> {
    fn encode<B: ByteBufMut>(&self, out: &mut B, version: i16) -> Result<()> {
        match Newer::<M>::is_new(version) {
            true => self.0.put(out),
            false => self.0.encode(out, version),
        }
    }

    fn compute_size(&self, version: i16) -> Result<usize> {
        if !Newer::<M>::is_new(version) {
            return self.0.compute_size(version);
        }
        let mut bytes = BytesMut::new();
        self.0.put(&mut bytes)?;
        Ok(bytes.len())
    }
}

impl<M: Newest> Decodable for Newer<M> {
    fn decode<B: ByteBuf>(from: &mut B, version: i16) -> Result<Self> {
        match Newer::<M>::is_new(version) {
            true => M::take(from).map(Newer),
            false => M::decode(from, version).map(Newer),
        }
    }
}

// All of them have been flexible for long: what is new does not change the header.
impl<M: HeaderVersion> HeaderVersion for Newer<M> {
    fn header_version(version: i16) -> i16 {
        M::header_version(version)
    }
}

impl<R: Request + Newest> Request for Newer<R>
where
    R::Response: Newest,
{
    const KEY: i16 = R::KEY;
    type Response = Newer<R::Response>;
}

/// A last version that differs from the one before in nothing that is sent, or that the crate has.
macro_rules! same_bytes {
    ($($Message:ident: $last:literal as $known:literal;)*) => {
        $(impl Newest for $Message {
            const LAST: i16 = $last;

            fn put<B: ByteBufMut>(&self, out: &mut B) -> Result<()> {
                self.encode(out, $known)
            }

            fn take<B: ByteBuf>(from: &mut B) -> Result<Self> {
                Self::decode(from, $known)
            }
        })*
    };
}

same_bytes! {
    // KIP-1023: one more timestamp that stands for no time.
    ListOffsetsRequest: 11 as 10;
    ListOffsetsResponse: 11 as 10;
    DescribeLogDirsRequest: 5 as 4;
    OffsetCommitResponse: 10 as 10;
    OffsetFetchResponse: 10 as 10;
}

/// Version 5 says of each folder whether it is cordoned (KIP-1066), behind all that version 4 has.
impl Newest for DescribeLogDirsResponse {
    const LAST: i16 = 5;

    fn put<B: ByteBufMut>(&self, out: &mut B) -> Result<()> {
        out.put_i32(self.throttle_time_ms);
        out.put_i16(self.error_code);
        put_count(out, self.results.len());
        for result in &self.results {
            // The count of tagged fields that ends it, 0, is read as "not cordoned".
            ensure!(result.unknown_tagged_fields.is_empty(), "a tagged field");
            result.encode(out, 4)?;
            put_no_tags(out);
        }
        put_no_tags(out);
        Ok(())
    }

    fn take<B: ByteBuf>(from: &mut B) -> Result<Self> {
        let mut answer = DescribeLogDirsResponse::default();
        answer.throttle_time_ms = i32::from_be_bytes(take_array(from)?);
        answer.error_code = i16::from_be_bytes(take_array(from)?);
        for _ in 0..take_count(from)?.unwrap_or_default() {
            // As above; what is cordoned does not decode.
            let result = Decodable::decode(from, 4)?;
            answer.results.push(result);
            take_tags(from)?;
        }
        take_tags(from)?;
        Ok(answer)
    }
}

/// Version 10 names topics by id.
impl Newest for OffsetCommitRequest {
    const LAST: i16 = 10;

    fn put<B: ByteBufMut>(&self, out: &mut B) -> Result<()> {
        put_text(out, Some(&self.group_id));
        out.put_i32(self.generation_id_or_member_epoch);
        put_text(out, Some(&self.member_id));
        put_text(out, self.group_instance_id.as_ref());
        put_count(out, self.topics.len());
        for topic in &self.topics {
            out.put_slice(topic.topic_id.as_bytes());
            put_count(out, topic.partitions.len());
            for partition in &topic.partitions {
                partition.encode(out, 9)?;
            }
            put_no_tags(out);
        }
        put_no_tags(out);
        Ok(())
    }

    fn take<B: ByteBuf>(from: &mut B) -> Result<Self> {
        let mut request = OffsetCommitRequest::default();
        request.group_id = take_text(from)?.unwrap_or_default().into();
        request.generation_id_or_member_epoch = i32::from_be_bytes(take_array(from)?);
        request.member_id = take_text(from)?.unwrap_or_default();
        request.group_instance_id = take_text(from)?;
        for _ in 0..take_count(from)?.unwrap_or_default() {
            let mut topic = OffsetCommitRequestTopic::default();
            topic.topic_id = Uuid::from_bytes(take_array(from)?);
            for _ in 0..take_count(from)?.unwrap_or_default() {
                let partition = OffsetCommitRequestPartition::decode(from, 9)?;
                topic.partitions.push(partition);
            }
            take_tags(from)?;
            request.topics.push(topic);
        }
        take_tags(from)?;
        Ok(request)
    }
}

/// Version 10 names topics by id.
impl Newest for OffsetFetchRequest {
    const LAST: i16 = 10;

    fn put<B: ByteBufMut>(&self, out: &mut B) -> Result<()> {
        put_count(out, self.groups.len());
        for group in &self.groups {
            put_text(out, Some(&group.group_id));
            put_text(out, group.member_id.as_ref());
            out.put_i32(group.member_epoch);
            match &group.topics {
                None => put_uvarint(out, 0),
                Some(topics) => put_count(out, topics.len()),
            }
            for topic in group.topics.iter().flatten() {
                out.put_slice(topic.topic_id.as_bytes());
                put_count(out, topic.partition_indexes.len());
                topic
                    .partition_indexes
                    .iter()
                    .for_each(|index| out.put_i32(*index));
                put_no_tags(out);
            }
            put_no_tags(out);
        }
        out.put_u8(self.require_stable.into());
        put_no_tags(out);
        Ok(())
    }

    fn take<B: ByteBuf>(from: &mut B) -> Result<Self> {
        let mut request = OffsetFetchRequest::default();
        for _ in 0..take_count(from)?.unwrap_or_default() {
            let mut group = OffsetFetchRequestGroup::default();
            group.group_id = take_text(from)?.unwrap_or_default().into();
            group.member_id = take_text(from)?;
            group.member_epoch = i32::from_be_bytes(take_array(from)?);
            group.topics = match take_count(from)? {
                None => None,
                Some(count) => Some(take_fetched(from, count)?),
            };
            take_tags(from)?;
            request.groups.push(group);
        }
        request.require_stable = take_array::<1, B>(from)? != [0];
        take_tags(from)?;
        Ok(request)
    }
}

fn take_fetched<B: ByteBuf>(from: &mut B, count: usize) -> Result<Vec<OffsetFetchRequestTopics>> {
    let mut topics = Vec::new();
    for _ in 0..count {
        let mut topic = OffsetFetchRequestTopics::default();
        topic.topic_id = Uuid::from_bytes(take_array(from)?);
        for _ in 0..take_count(from)?.unwrap_or_default() {
            let index = i32::from_be_bytes(take_array(from)?);
            topic.partition_indexes.push(index);
        }
        take_tags(from)?;
        topics.push(topic);
    }
    Ok(topics)
}

fn put_uvarint(out: &mut impl BufMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// The count of a compact array, or the length of a compact text, that is not null.
fn put_count(out: &mut impl BufMut, count: usize) {
    put_uvarint(out, count + 1);
}

fn put_no_tags(out: &mut impl BufMut) {
    out.put_u8(0);
}

fn put_text(out: &mut impl BufMut, text: Option<&StrBytes>) {
    match text {
        None => put_uvarint(out, 0),
        Some(text) => {
            put_count(out, text.len());
            out.put_slice(text.as_bytes());
        }
    }
}

fn take_array<const N: usize, B: ByteBuf>(from: &mut B) -> Result<[u8; N]> {
    ensure!(from.remaining() >= N, "ends too early");
    let mut bytes = [0; N];
    from.copy_to_slice(&mut bytes);
    Ok(bytes)
}

fn take_uvarint<B: ByteBuf>(from: &mut B) -> Result<usize> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let [byte] = take_array(from)?;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number of more than five bytes")
}

fn take_count<B: ByteBuf>(from: &mut B) -> Result<Option<usize>> {
    take_uvarint(from).map(|count| count.checked_sub(1))
}

fn take_text<B: ByteBuf>(from: &mut B) -> Result<Option<StrBytes>> {
    let Some(length) = take_count(from)? else {
        return Ok(None);
    };
    ensure!(from.remaining() >= length, "ends too early");
    Ok(Some(StrBytes::from_utf8(from.get_bytes(length))?))
}

/// Passes over tagged fields: none of these messages has one that is known.
fn take_tags<B: ByteBuf>(from: &mut B) -> Result<()> {
    for _ in 0..take_uvarint(from)? {
        take_uvarint(from)?;
        let length = take_uvarint(from)?;
        ensure!(from.remaining() >= length, "ends too early");
        from.advance(length);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;

    use super::*;
    use crate::codec;

    fn text(text: &'static str) -> StrBytes {
        StrBytes::from_static_str(text)
    }

    /// What a request is in its last version; it passes the shape check and comes back.
    fn there_and_back<R: Request + PartialEq + fmt::Debug>(request: R, version: i16) -> Bytes {
        let mut bytes = BytesMut::new();
        codec::encode(&request, version, &mut bytes).unwrap();
        assert_eq!(request.compute_size(version).unwrap(), bytes.len());
        let bytes = bytes.freeze();
        let back: R = codec::decode_request(bytes.clone(), version).unwrap();
        assert_eq!(back, request);
        // Cut short it is refused, wherever.
        for end in 0..bytes.len() {
            assert!(
                R::decode(&mut bytes.slice(..end), version).is_err(),
                "{end}"
            );
        }
        bytes
    }

    #[test]
    fn commits_by_id_are_kafkas_bytes() {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(3)
            .with_committed_offset(7)
            .with_committed_leader_epoch(1)
            .with_committed_metadata(None);
        let topic = OffsetCommitRequestTopic::default()
            .with_topic_id(Uuid::from_u128(5))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(text("g").into())
            .with_generation_id_or_member_epoch(2)
            .with_member_id(text("m"))
            .with_topics(vec![topic]);
        let bytes = there_and_back(Newer(request), 10);
        let wanted: &[u8] = &[
            2, b'g', 0, 0, 0, 2, 2, b'm', 0, 2, // group, generation, member, no instance
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, // topic
            0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, // partition
            0, 0,
        ];
        assert_eq!(bytes, wanted);
    }

    #[test]
    fn fetches_by_id_are_kafkas_bytes() {
        let topic = OffsetFetchRequestTopics::default()
            .with_topic_id(Uuid::from_u128(5))
            .with_partition_indexes(vec![0, 9]);
        let group = |topics| {
            OffsetFetchRequestGroup::default()
                .with_group_id(text("g").into())
                .with_topics(topics)
        };
        let request = OffsetFetchRequest::default()
            .with_groups(vec![group(Some(vec![topic])), group(None)])
            .with_require_stable(true);
        // Fields of the versions before 8, which have defaults of their own.
        let request = request.with_topics(OffsetFetchRequest::default().topics);
        let bytes = there_and_back(Newer(request), 10);
        let wanted: &[u8] = &[
            3, 2, b'g', 0, 0xff, 0xff, 0xff, 0xff, 2, // group, no member
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 3, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 2,
            b'g', 0, 0xff, 0xff, 0xff, 0xff, 0, 0, // all topics
            1, 0,
        ];
        assert_eq!(bytes, wanted);
    }

    #[test]
    fn a_folder_that_is_not_cordoned_is_kafkas_bytes() {
        let result = DescribeLogDirsResult::default()
            .with_log_dir(text("d"))
            .with_total_bytes(1)
            .with_usable_bytes(2);
        let answer = DescribeLogDirsResponse::default().with_results(vec![result]);
        let mut bytes = BytesMut::new();
        codec::encode(&Newer(answer.clone()), 5, &mut bytes).unwrap();
        let wanted: &[u8] = &[
            0, 0, 0, 0, 0, 0, 2, // throttle time, no error, one result
            0, 0, 2, b'd', 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
            2, // as in version 4
            0, 0, // not cordoned, no tags
            0,
        ];
        assert_eq!(bytes, wanted);
        let back = codec::decode::<Newer<DescribeLogDirsResponse>>(bytes.freeze(), 5).unwrap();
        assert_eq!(back.0, answer);
    }
}
