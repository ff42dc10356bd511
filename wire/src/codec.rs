//! Pure: request and response bodies through the `kafka-protocol` crate, whose message types
//! the rest of the broker takes from here.

use bytes::{Bytes, BytesMut};
pub use kafka_protocol::messages;
pub use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

use super::shape::{self, Malformed};
use super::{frame, header};

/// Why a body could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The codec has no such version of this message.
    #[error("version {0} is not encoded here")]
    Version(i16),
    /// The bytes are no such message.
    #[error("{0}")]
    Malformed(Malformed),
    /// The bytes passed the shape check and the codec refused them all the same.
    #[error("the message was not understood: {0}")]
    Refused(String),
}

impl From<Malformed> for DecodeError {
    fn from(malformed: Malformed) -> DecodeError {
        DecodeError::Malformed(malformed)
    }
}

/// Why a message could not be encoded: it holds a field that this version lacks.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(pub String);

/// Decodes a request body of any API that [`shape::check`] knows. The body is checked first;
/// strings and byte fields of the result share its memory. Bytes behind the message are left
/// alone, as Kafka does.
pub fn decode_request<R: Request>(body: Bytes, version: i16) -> Result<R, DecodeError> {
    shape::check(R::KEY, version, &body)?;
    decode(body, version)
}

/// Checks a request body as [`decode_request`] does: what [`decode`] will allocate for it at
/// most, in bytes.
pub fn check_request<R: Request>(body: &[u8], version: i16) -> Result<usize, DecodeError> {
    Ok(shape::check(R::KEY, version, body)?)
}

/// As [`decode_request`], of the body of the answer to an `R`, from a process that is not trusted
/// with counts; for the APIs that [`shape::check_answer`] knows.
pub fn decode_answer<R: Request>(body: Bytes, version: i16) -> Result<R::Response, DecodeError> {
    shape::check_answer(R::KEY, version, &body)?;
    decode(body, version)
}

/// Decodes a message from bytes that are trusted to be well formed, such as a response of this
/// program's own making or a request that passed [`shape::check`]. Counts in it are believed.
pub fn decode<M: Decodable + Message>(mut bytes: Bytes, version: i16) -> Result<M, DecodeError> {
    if !(M::VERSIONS.min..=M::VERSIONS.max).contains(&version) {
        return Err(DecodeError::Version(version));
    }
    M::decode(&mut bytes, version).map_err(|reason| DecodeError::Refused(reason.to_string()))
}

/// Appends a message to `out`. On an error `out` is as long as before.
pub fn encode<M: Encodable>(
    message: &M,
    version: i16,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let before = out.len();
    message.encode(out, version).map_err(|reason| {
        out.truncate(before);
        EncodeError(reason.to_string())
    })
}

/// The bytes that [`encode`] will append.
pub fn encoded_bytes<M: Encodable>(message: &M, version: i16) -> Result<usize, EncodeError> {
    let size = message.compute_size(version);
    size.map_err(|reason| EncodeError(reason.to_string()))
}

/// Appends a whole request frame to `out`: length, header and body. On an error `out` is as long
/// as before.
pub fn encode_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: &str,
    body: &R,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let before = out.len();
    let open = frame::open(out);
    let header = messages::RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    encode(&header, R::header_version(version), out)
        .and_then(|()| encode(body, version, out))
        .inspect_err(|_| out.truncate(before))?;
    frame::close(out, open, 0);
    Ok(())
}

/// Appends a response's length and header to `out`, for a body of `body_bytes` that is sent
/// behind it.
pub fn put_response_head(
    api_key: i16,
    version: i16,
    correlation_id: i32,
    body_bytes: usize,
    out: &mut BytesMut,
) {
    let open = frame::open(out);
    header::put_response_header(out, api_key, version, correlation_id);
    frame::close(out, open, body_bytes);
}

/// Appends a whole response frame to `out`: length, header and body.
pub fn encode_response<M: Encodable>(
    api_key: i16,
    version: i16,
    correlation_id: i32,
    body: &M,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let before = out.len();
    let open = frame::open(out);
    header::put_response_header(out, api_key, version, correlation_id);
    encode(body, version, out).inspect_err(|_| out.truncate(before))?;
    frame::close(out, open, 0);
    Ok(())
}
