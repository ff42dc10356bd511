//! Pure: records about who may do what. This broker acts on none of them yet.

use crate::base::ids::Uuid;

use super::field::fields;

fields! {
    /// Key 10: a delegation token, by which a client acts for another one.
    DelegationToken {
        /// Whom it speaks for.
        owner: String,
        /// Who asked for it.
        requester: String,
        /// Who may prolong it.
        renewers: Vec<String>,
        /// When it was made, in ms since 1970.
        issue_timestamp: i64,
        /// When it cannot be prolonged any more, in ms since 1970.
        max_timestamp: i64,
        /// When it ends unless it is prolonged, in ms since 1970.
        expiration_timestamp: i64,
        /// Its name.
        token_id: String,
    }
}

fields! {
    /// Key 11: how a user proves with SCRAM who they are.
    UserScramCredential {
        /// The user.
        name: String,
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8,
        /// Bytes.
        salt: Vec<i8>,
        /// Bytes.
        stored_key: Vec<i8>,
        /// Bytes.
        server_key: Vec<i8>,
        /// How often the password was hashed.
        iterations: i32,
    }
}

fields! {
    /// Key 18: a principal may, or may not, do something.
    AccessControlEntry {
        /// Its name.
        id: Uuid,
        /// Kind of resource.
        resource_type: i8,
        /// The resource.
        resource_name: String,
        /// 3 literal, 4 prefixed.
        pattern_type: i8,
        /// Who.
        principal: String,
        /// From where.
        host: String,
        /// What.
        operation: i8,
        /// 2 deny, 3 allow.
        permission_type: i8,
    }
}

fields! {
    /// Key 19: an entry no longer holds.
    RemoveAccessControlEntry {
        /// The entry's name.
        id: Uuid,
    }
}

fields! {
    /// Key 22: a user has no such credential any more.
    RemoveUserScramCredential {
        /// The user.
        name: String,
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8,
    }
}

fields! {
    /// Key 26: a token does not count any more.
    RemoveDelegationToken {
        /// The token's name.
        token_id: String,
    }
}

#[cfg(test)]
mod tests {
    use crate::metadata::record::{RecordRefused, SecurityRecord};

    /// Values of records that Kafka 4.3.1 wrote, in hexadecimal.
    const WRITTEN: [&str; 8] = [
        "010b0006616c696365011a6f337131303632313735756c6e38366839337372766132686e2163e49922b1ea86\
         541f7198f51ae1abfc4b7b29320dccd96ba346477aecd9d7fc21f8838f9da9c67628fb872c4be78cbc679326\
         d4a88f20de6b86fbb2887af81d7a0000100000",
        "01160005676f6e650200",
        "010e00030a636c69656e742d69640461707000057573657206616c696365001370726f64756365725f627974\
         655f72617465412e8480000000000000",
        "010e0002057573657200001370726f64756365725f627974655f7261746500000000000000000100",
        "010e0002036970000019636f6e6e656374696f6e5f6372656174696f6e5f7261746540140000000000000000",
        "01120066477da475bb4ba4a64281bf768327ff0202740309557365723a626f62022a030300",
        "011200f622b565871946c39ffefb4b657dd294020274030a557365723a6361726c022a030300",
        "011300f622b565871946c39ffefb4b657dd29400",
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_back_byte_for_byte() {
        for value in WRITTEN.map(bytes) {
            let record = SecurityRecord::decode(&value).unwrap();
            let mut ours = Vec::new();
            record.encode(&mut ours);
            assert_eq!(ours, value, "{record:?}");
            for end in 0..value.len() {
                assert!(SecurityRecord::decode(&value[..end]).is_err());
            }
        }
        let SecurityRecord::ClientQuota(quota) =
            SecurityRecord::decode(&bytes(WRITTEN[4])).unwrap()
        else {
            panic!("not a quota");
        };
        assert_eq!(quota.key, "connection_creation_rate");
        assert_eq!(f64::from_bits(quota.value as u64), 5.0);
        assert_eq!(
            (&*quota.entity[0].entity_type, &quota.entity[0].entity_name),
            ("ip", &None)
        );
    }

    #[test]
    fn what_it_does_not_know_it_does_not_pass_over() {
        let unknown = RecordRefused::Unknown { key: 99 };
        assert_eq!(SecurityRecord::decode(&[1, 99, 0, 0]), Err(unknown));
    }
}
