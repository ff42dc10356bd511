//! Pure: a member of a consumer group as its client described it,
//! `ConsumerGroupMemberMetadataValue`.
//!
//! Value: instance id nullable string · rack nullable string · client id string · client host
//! string · topics [string] · regular expression nullable string · rebalance timeout int32 ·
//! server assignor nullable string · tagged field 0, of a member that speaks the classic protocol:
//! session timeout int32, protocols [name string, metadata bytes].

use std::rc::Rc;

use bytes::Bytes;

use crate::coordinator::record::fields::{FieldError, Reader};
use crate::wire::cursor::Sink;
use crate::wire::primitive::Form;

/// A member as its client described it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberMetadata {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Rc<str>>,
    /// Where it says it is.
    pub rack: Option<Rc<str>>,
    /// The client's name for itself.
    pub client_id: Rc<str>,
    /// The client's address, as `/127.0.0.1`.
    pub client_host: Rc<str>,
    /// The topics that it names.
    pub topics: Vec<Rc<str>>,
    /// The regular expression that stands for topics.
    pub regex: Option<Rc<str>>,
    /// How long it may take to give up partitions, in milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The assignor that it prefers.
    pub assignor: Option<Rc<str>>,
    /// What a member that speaks the classic protocol has beyond that.
    pub classic: Option<ClassicMetadata>,
}

/// What only a member has that speaks the classic protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClassicMetadata {
    /// After how many milliseconds of silence it is removed.
    pub session_timeout_ms: i32,
    /// The protocols that it speaks, by preference.
    pub protocols: Vec<ClassicProtocol>,
}

/// A protocol (assignor) that a classic member speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClassicProtocol {
    /// Its name.
    pub name: Rc<str>,
    /// The member's metadata for it.
    pub metadata: Bytes,
}

// === impl MemberMetadata ===

impl MemberMetadata {
    pub(super) fn fields(fields: &mut Reader<'_>) -> Result<MemberMetadata, FieldError> {
        let instance_id = fields.nullable_string()?;
        let rack = fields.nullable_string()?;
        let client_id = fields.string()?;
        let client_host = fields.string()?;
        let count = fields.count()?;
        let topics = (0..count).map(|_| fields.string());
        let topics = topics.collect::<Result<_, _>>()?;
        let regex = fields.nullable_string()?;
        let rebalance_timeout_ms = fields.cursor.i32()?;
        let assignor = fields.nullable_string()?;
        let mut classic = None;
        fields.tags(|tag, field| {
            if tag == 0 {
                classic = ClassicMetadata::fields(&mut Reader::new(field, true))?;
            }
            Ok(())
        })?;
        Ok(MemberMetadata {
            instance_id,
            rack,
            client_id,
            client_host,
            topics,
            regex,
            rebalance_timeout_ms,
            assignor,
            classic,
        })
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let form = Form::FLEXIBLE;
        form.put_nullable_string(out, self.instance_id.as_deref());
        form.put_nullable_string(out, self.rack.as_deref());
        form.put_string(out, &self.client_id);
        form.put_string(out, &self.client_host);
        form.put_length(out, self.topics.len());
        for topic in &self.topics {
            form.put_string(out, topic);
        }
        form.put_nullable_string(out, self.regex.as_deref());
        out.put(&self.rebalance_timeout_ms.to_be_bytes());
        form.put_nullable_string(out, self.assignor.as_deref());
        // Kafka writes the field also where there is nothing in it.
        let mut field = Vec::new();
        match &self.classic {
            Some(classic) => classic.put(&mut field),
            None => field.push(0),
        }
        out.put_uvarint(1);
        out.put_uvarint(0);
        out.put_uvarint(field.len() as u32);
        out.put(&field);
    }
}

// === impl ClassicMetadata ===

impl ClassicMetadata {
    /// A nullable struct in a tagged field begins with a number that says whether it is there.
    fn fields(fields: &mut Reader<'_>) -> Result<Option<ClassicMetadata>, FieldError> {
        if fields.cursor.uvarint()? == 0 {
            return Ok(None);
        }
        let session_timeout_ms = fields.cursor.i32()?;
        let count = fields.count()?;
        let mut protocols = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            let name = fields.string()?;
            let metadata = fields.bytes()?;
            fields.tags(|_, _| Ok(()))?;
            protocols.push(ClassicProtocol { name, metadata });
        }
        fields.tags(|_, _| Ok(()))?;
        Ok(Some(ClassicMetadata {
            session_timeout_ms,
            protocols,
        }))
    }

    fn put(&self, out: &mut Vec<u8>) {
        let form = Form::FLEXIBLE;
        out.put(&[1]);
        out.put(&self.session_timeout_ms.to_be_bytes());
        form.put_length(out, self.protocols.len());
        for protocol in &self.protocols {
            form.put_string(out, &protocol.name);
            form.put_bytes(out, &protocol.metadata);
            form.put_no_tags(out);
        }
        form.put_no_tags(out);
    }
}
