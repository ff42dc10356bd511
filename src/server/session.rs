//! Pure: what a connection's client is known by: its address, the listener it came in by, and who
//! it is.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::limits::CLIENT_ID_BYTES_MAX;

/// What is known of the client of one connection.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its address.
    pub address: SocketAddr,
    /// The name of the listener that accepted it (`PLAINTEXT`): answers name the endpoints of
    /// other nodes that belong to a listener of this name.
    pub listener: Arc<str>,
    /// Who it is.
    pub principal: Principal,
    /// Name and version of its software, once it has said them (KIP-511).
    software: RefCell<Option<(String, String)>>,
}

/// Who a client is, as Kafka writes it (`KafkaPrincipal`): `User:alice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What kind of principal it is. Kafka's own authenticators make only `User`.
    pub kind: Cow<'static, str>,
    /// Its name.
    pub name: Cow<'static, str>,
}

impl Principal {
    /// A client that has not authenticated. On a listener without authentication all clients are
    /// this one.
    pub const ANONYMOUS: Principal = Principal {
        kind: Cow::Borrowed("User"),
        name: Cow::Borrowed("ANONYMOUS"),
    };
}

impl Session {
    /// The session of a client of a listener without authentication.
    pub fn anonymous(address: SocketAddr, listener: Arc<str>) -> Session {
        Session {
            address,
            listener,
            principal: Principal::ANONYMOUS,
            software: RefCell::default(),
        }
    }

    /// Name and version of the client's software, as far as it has said them.
    pub fn software(&self) -> (String, String) {
        let unknown = || ("unknown".to_owned(), "unknown".to_owned());
        self.software.borrow().clone().unwrap_or_else(unknown)
    }

    /// The client has said what its software is; of very long texts the beginning is kept.
    pub fn set_software(&self, name: &str, version: &str) {
        let kept = |text: &str| text.chars().take(CLIENT_ID_BYTES_MAX).collect();
        *self.software.borrow_mut() = Some((kept(name), kept(version)));
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_authentication_is_kafkas_anonymous_user() {
        let address = ([127, 0, 0, 1], 9092).into();
        let session = Session::anonymous(address, "PLAINTEXT".into());
        assert_eq!(session.principal.to_string(), "User:ANONYMOUS");
    }
}
