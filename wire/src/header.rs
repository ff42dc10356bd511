//! Pure: what stands in front of every request and response body.

use std::borrow::Cow;

use bytes::Bytes;

use super::api_keys::ApiRow;
use super::cursor::{Cursor, Short, Sink};
use super::primitive::Form;

/// Key of the one API whose responses always carry the oldest header, because the client does
/// not yet know what the broker understands (KIP-511).
pub const API_VERSIONS_KEY: i16 = 18;

/// Why bytes are no request header. The connection cannot be used further.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end within it, or a length points outside them.
    #[error("the request ends within its header")]
    Short,
    /// Kafka knows no API with this key, so the header's version cannot be told.
    #[error("the request is for the unknown API {0}")]
    UnknownApi(i16),
}

impl From<Short> for HeaderError {
    fn from(_: Short) -> HeaderError {
        HeaderError::Short
    }
}

/// A request's header, borrowed from its frame, and the body behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestHeader<'a> {
    /// Which API is asked.
    pub api_key: i16,
    /// In which version; not yet compared with anything.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself: bytes that should be UTF-8 and that Kafka takes either way.
    pub client_id: Option<&'a [u8]>,
    /// The rest of the frame.
    pub body: &'a [u8],
}

impl<'a> RequestHeader<'a> {
    /// Reads the header in front of `frame`, in version 1, or 2 where the API's version has
    /// tagged fields. (Version 0 was only ever used by an API that is gone.)
    pub fn parse(frame: &'a [u8]) -> Result<RequestHeader<'a>, HeaderError> {
        let mut cursor = Cursor::new(frame);
        let api_key = cursor.i16()?;
        let api_version = cursor.i16()?;
        let api = ApiRow::find(api_key).ok_or(HeaderError::UnknownApi(api_key))?;
        let correlation_id = cursor.i32()?;
        // The client id kept its two-byte length in version 2.
        let client_id = match usize::try_from(cursor.i16()?) {
            Ok(length) => Some(cursor.take(length)?),
            Err(_) => None,
        };
        if api.is_flexible(api_version) {
            Form::FLEXIBLE.skip_tags(&mut cursor)?;
        }
        Ok(RequestHeader {
            api_key,
            api_version,
            correlation_id,
            client_id,
            body: cursor.rest(),
        })
    }

    /// The client id as text; absent counts as empty, as in Kafka.
    pub fn client_id_text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.client_id.unwrap_or_default())
    }
}

/// Appends the header of a request to `out`, as [`RequestHeader::parse`] reads it. A client id that
/// is longer than a header can say is left out.
pub fn put_request_header(
    out: &mut impl Sink,
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
    client_id: &str,
) {
    out.put(&api_key.to_be_bytes());
    out.put(&api_version.to_be_bytes());
    out.put(&correlation_id.to_be_bytes());
    match i16::try_from(client_id.len()) {
        Ok(length) => {
            out.put(&length.to_be_bytes());
            out.put(client_id.as_bytes());
        }
        Err(_) => out.put(&(-1_i16).to_be_bytes()),
    }
    if ApiRow::find(api_key).is_some_and(|api| api.is_flexible(api_version)) {
        out.put(&[0]);
    }
}

/// Appends the header of a response to `out`: version 1 (with an empty tag buffer) where the
/// API's version has tagged fields, else version 0; ApiVersions always 0.
pub fn put_response_header(
    out: &mut impl Sink,
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
) {
    out.put(&correlation_id.to_be_bytes());
    if response_header_version(api_key, api_version) == 1 {
        out.put(&[0]);
    }
}

/// Version of the header in front of a response.
pub fn response_header_version(api_key: i16, api_version: i16) -> i16 {
    let flexible = ApiRow::find(api_key).is_some_and(|api| api.is_flexible(api_version));
    i16::from(flexible && api_key != API_VERSIONS_KEY)
}

/// Splits an answer into the number of the request that it answers and its body; `None` where it
/// ends within the header.
pub fn split_response(answer: &Bytes, api_key: i16, api_version: i16) -> Option<(i32, Bytes)> {
    let mut cursor = Cursor::new(answer);
    let correlation_id = cursor.i32().ok()?;
    if response_header_version(api_key, api_version) == 1 {
        Form::FLEXIBLE.skip_tags(&mut cursor).ok()?;
    }
    Some((correlation_id, answer.slice_ref(cursor.rest())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_keys::API_KEYS;
    use kafka_protocol::messages::{ApiKey, RequestHeader as Theirs};
    use kafka_protocol::protocol::{Encodable, StrBytes};

    #[test]
    fn headers_of_every_api_and_version_come_back() {
        let client = "čau-1";
        for api in API_KEYS {
            let Ok(theirs) = ApiKey::try_from(api.key) else {
                continue; // Newer than the crate.
            };
            for version in api.first..=api.last {
                let header_version = theirs.request_header_version(version);
                let expected = 1 + i16::from(api.is_flexible(version));
                assert_eq!(header_version, expected, "{} {version}", api.name);
                let response = theirs.response_header_version(version);
                assert_eq!(response_header_version(api.key, version), response);
                let mut frame = Vec::new();
                Theirs::default()
                    .with_request_api_key(api.key)
                    .with_request_api_version(version)
                    .with_correlation_id(77)
                    .with_client_id(Some(StrBytes::from_static_str(client)))
                    .encode(&mut frame, header_version)
                    .unwrap();
                let mut ours = Vec::new();
                put_request_header(&mut ours, api.key, version, 77, client);
                assert_eq!(ours, frame);
                let length = frame.len();
                frame.extend([1, 2, 3]);
                let header = RequestHeader::parse(&frame).unwrap();
                assert_eq!((header.api_key, header.api_version), (api.key, version));
                assert_eq!(header.correlation_id, 77);
                assert_eq!(header.client_id_text(), client);
                assert_eq!(header.body, [1, 2, 3]);
                for end in 0..length {
                    assert_eq!(RequestHeader::parse(&frame[..end]), Err(HeaderError::Short));
                }
            }
        }
    }

    #[test]
    fn odd_headers_are_taken_or_refused_as_kafka_does() {
        // Metadata 1 with a null client id.
        let frame = [0, 3, 0, 1, 0, 0, 0, 5, 0xff, 0xff, 9];
        let header = RequestHeader::parse(&frame).unwrap();
        assert_eq!((header.client_id, header.body), (None, &[9][..]));
        assert_eq!(header.client_id_text(), "");
        // A version from the future is read like the newest one; two unknown tags are passed.
        let frame = [0, 3, 0, 99, 0, 0, 0, 5, 0, 1, 0xff, 2, 0, 0, 7, 2, 1, 1, 9];
        let header = RequestHeader::parse(&frame).unwrap();
        assert_eq!((header.api_version, header.body), (99, &[9][..]));
        assert_eq!(header.client_id_text(), "\u{fffd}");
        let unknown = RequestHeader::parse(&[0x7f, 0, 0, 0, 0]);
        assert_eq!(unknown, Err(HeaderError::UnknownApi(0x7f00)));
        let endless_tags = [0, 3, 0, 12, 0, 0, 0, 5, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(RequestHeader::parse(&endless_tags), Err(HeaderError::Short));
    }

    #[test]
    fn response_headers_have_tags_except_for_api_versions() {
        let mut out = Vec::new();
        put_response_header(&mut out, 3, 12, 0x0102_0304);
        put_response_header(&mut out, 3, 1, 5);
        put_response_header(&mut out, API_VERSIONS_KEY, 4, 6);
        assert_eq!(out, [1, 2, 3, 4, 0, 0, 0, 0, 5, 0, 0, 0, 6]);
        let answer = Bytes::from_static(&[1, 2, 3, 4, 1, 7, 1, 9, 5, 6]);
        let (id, body) = split_response(&answer, 3, 12).unwrap();
        assert_eq!((id, &body[..]), (0x0102_0304, &[5, 6][..]));
        let (_, body) = split_response(&answer, 3, 1).unwrap();
        assert_eq!(body, [1, 7, 1, 9, 5, 6][..]);
        for end in 0..8 {
            assert_eq!(split_response(&answer.slice(..end), 3, 12), None);
        }
    }
}
