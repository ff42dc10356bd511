//! Pure: a principal in the form of Kafka's own serializer (`DefaultKafkaPrincipalBuilder`), in
//! which brokers tell controllers who a client is.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::DefaultPrincipalData;
use kafka_protocol::protocol::{Encodable, StrBytes};

/// The version of the form, which stands in front.
const VERSION: i16 = 0;

/// The bytes of a principal of this kind (`User`) and name, who did not come by a delegation token.
pub fn principal_bytes(kind: &str, name: &str) -> Bytes {
    let principal = DefaultPrincipalData::default()
        .with_type(StrBytes::from_string(kind.to_owned()))
        .with_name(StrBytes::from_string(name.to_owned()));
    let mut bytes = BytesMut::new();
    bytes.put_i16(VERSION);
    principal
        .encode(&mut bytes, VERSION)
        .expect("version 0 has all of its fields");
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_kafka() {
        let bytes = principal_bytes("User", "ANONYMOUS");
        // Version, two compact strings, no delegation token, no tagged fields.
        assert_eq!(&bytes[..], b"\0\0\x05User\x0aANONYMOUS\0\0");
    }
}
