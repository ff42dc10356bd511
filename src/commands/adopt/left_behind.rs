//! Pure: what a Kafka cluster had that this broker has not: found in its metadata, told, and left
//! behind only where that is accepted.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;

use crate::base::ids::Uuid;
use crate::metadata::record::{QuotaEntity, SecurityRecord};

/// Names told of each kind.
const NAMED_MAX: usize = 5;

/// A kind of thing that is not taken over, and must be accepted to be left behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum LeftBehind {
    /// Access control lists: without them every client may do everything
    Acls,
    /// Users' SCRAM credentials: clients are not asked for a password
    Scram,
    /// Quotas of users, clients and addresses: no client is slowed down
    Quotas,
    /// Delegation tokens: clients are not asked for one
    Tokens,
}

/// What of that a metadata log leaves, record by record.
#[derive(Clone, Debug, Default)]
pub struct Security {
    acls: BTreeMap<Uuid, String>,
    scram: BTreeMap<(String, i8), ()>,
    quotas: BTreeMap<(String, String), ()>,
    tokens: BTreeMap<String, String>,
    /// Records of a transaction of the log that has not ended yet.
    pending: Option<Vec<SecurityRecord>>,
}

impl LeftBehind {
    /// What it is, in the plural, and what it means that it is not here.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            LeftBehind::Acls => (
                "access control lists",
                "here every client may do everything",
            ),
            LeftBehind::Scram => (
                "SCRAM credentials",
                "here clients are not asked for a password",
            ),
            LeftBehind::Quotas => ("client quotas", "here no client is slowed down"),
            LeftBehind::Tokens => ("delegation tokens", "here clients are not asked for one"),
        }
    }

    fn flag(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Security {
    /// Takes the next record in.
    pub fn note(&mut self, record: SecurityRecord) {
        match &mut self.pending {
            Some(pending) => pending.push(record),
            None => self.apply(record),
        }
    }

    /// A transaction of the metadata log begins.
    pub fn begin(&mut self) {
        self.pending = Some(Vec::new());
    }

    /// It ends: its records count, or not.
    pub fn end(&mut self, counts: bool) {
        let pending = self.pending.take().unwrap_or_default();
        if counts {
            pending.into_iter().for_each(|record| self.apply(record));
        }
    }

    fn apply(&mut self, record: SecurityRecord) {
        match record {
            SecurityRecord::AccessControlEntry(entry) => {
                self.acls.insert(entry.id, entry.principal);
            }
            SecurityRecord::RemoveAccessControlEntry(entry) => {
                self.acls.remove(&entry.id);
            }
            SecurityRecord::UserScramCredential(user) => {
                self.scram.insert((user.name, user.mechanism), ());
            }
            SecurityRecord::RemoveUserScramCredential(user) => {
                self.scram.remove(&(user.name, user.mechanism));
            }
            SecurityRecord::ClientQuota(quota) => {
                let key = (entity(&quota.entity), quota.key);
                match quota.remove {
                    true => self.quotas.remove(&key),
                    false => self.quotas.insert(key, ()),
                };
            }
            SecurityRecord::DelegationToken(token) => {
                self.tokens.insert(token.token_id, token.owner);
            }
            SecurityRecord::RemoveDelegationToken(token) => {
                self.tokens.remove(&token.token_id);
            }
        }
    }

    /// What there is of each kind: how many, and whose.
    fn found(&self) -> Vec<(LeftBehind, usize, BTreeSet<&str>)> {
        let scram = self.scram.keys().map(|(user, _)| user.as_str());
        let quotas = self.quotas.keys().map(|(entity, _)| entity.as_str());
        let all = [
            (
                LeftBehind::Acls,
                self.acls.len(),
                self.acls.values().map(String::as_str).collect(),
            ),
            (LeftBehind::Scram, self.scram.len(), scram.collect()),
            (LeftBehind::Quotas, self.quotas.len(), quotas.collect()),
            (
                LeftBehind::Tokens,
                self.tokens.len(),
                self.tokens.values().map(String::as_str).collect(),
            ),
        ];
        all.into_iter().filter(|(_, count, _)| *count > 0).collect()
    }

    /// What stands in the way unless it is `accepted` that it is left behind, and what then is
    /// left out: a sentence for each kind.
    pub fn sentences(&self, accepted: &[LeftBehind]) -> (Vec<String>, Vec<String>) {
        let (mut problems, mut left_out, mut flags) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, count, whose) in self.found() {
            let (what, meaning) = kind.words();
            let names: Vec<&str> = whose.iter().copied().take(NAMED_MAX).collect();
            let more = match whose.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let there = format!("{what} ({count}, of {}{more})", names.join(", "));
            if accepted.contains(&kind) {
                left_out.push(format!("{there}: {meaning}"));
                continue;
            }
            flags.push(kind.flag());
            problems.push(format!(
                "the cluster has {there}, which Corelane does not have yet: {meaning}"
            ));
        }
        if !flags.is_empty() {
            let these = accepted.iter().map(|kind| kind.flag());
            let all: Vec<String> = these.chain(flags).collect();
            problems.push(format!(
                "to take over all else and leave that behind, add --leave-behind {}",
                all.join(",")
            ));
        }
        (problems, left_out)
    }
}

/// Whom a quota is for, as `kafka-configs` names it.
fn entity(parts: &[QuotaEntity]) -> String {
    let part = |part: &QuotaEntity| {
        let name = part.entity_name.as_deref().unwrap_or("<default>");
        format!("{} {name}", part.entity_type)
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::record::{
        AccessControlEntry, ClientQuota, DelegationToken, RemoveAccessControlEntry,
        RemoveDelegationToken, RemoveUserScramCredential, UserScramCredential,
    };

    fn acl(id: u128, principal: &str) -> SecurityRecord {
        SecurityRecord::AccessControlEntry(AccessControlEntry {
            id: Uuid::from_u128(id),
            resource_type: 2,
            resource_name: "t".into(),
            pattern_type: 3,
            principal: principal.into(),
            host: "*".into(),
            operation: 3,
            permission_type: 3,
        })
    }

    fn scram(name: &str, mechanism: i8) -> SecurityRecord {
        SecurityRecord::UserScramCredential(UserScramCredential {
            name: name.into(),
            mechanism,
            salt: vec![1],
            stored_key: vec![2],
            server_key: vec![3],
            iterations: 4096,
        })
    }

    fn quota(user: Option<&str>, remove: bool) -> SecurityRecord {
        SecurityRecord::ClientQuota(ClientQuota {
            entity: vec![QuotaEntity {
                entity_type: "user".into(),
                entity_name: user.map(String::from),
            }],
            key: "producer_byte_rate".into(),
            value: 0,
            remove,
        })
    }

    fn token(token_id: &str) -> SecurityRecord {
        SecurityRecord::DelegationToken(DelegationToken {
            owner: "User:app".into(),
            requester: "User:app".into(),
            renewers: Vec::new(),
            issue_timestamp: 1,
            max_timestamp: 2,
            expiration_timestamp: 2,
            token_id: token_id.into(),
        })
    }

    fn security(records: impl IntoIterator<Item = SecurityRecord>) -> Security {
        let mut security = Security::default();
        records.into_iter().for_each(|record| security.note(record));
        security
    }

    #[test]
    fn what_was_removed_again_is_not_left_behind() {
        let once = [
            acl(1, "User:a"),
            scram("a", 1),
            quota(None, false),
            token("t"),
        ];
        let gone = [
            SecurityRecord::RemoveAccessControlEntry(RemoveAccessControlEntry {
                id: Uuid::from_u128(1),
            }),
            SecurityRecord::RemoveUserScramCredential(RemoveUserScramCredential {
                name: "a".into(),
                mechanism: 1,
            }),
            quota(None, true),
            SecurityRecord::RemoveDelegationToken(RemoveDelegationToken {
                token_id: "t".into(),
            }),
        ];
        let (problems, left_out) = security(once.clone()).sentences(&[]);
        assert_eq!((problems.len(), left_out.len()), (5, 0));
        let all = security(once.into_iter().chain(gone));
        assert_eq!(all.sentences(&[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn it_is_said_what_and_whose_it_is_and_how_to_go_on_without() {
        let all = security([
            scram("a", 1),
            scram("a", 2),
            acl(7, "User:b"),
            quota(None, false),
        ]);
        let (problems, left_out) = all.sentences(&[LeftBehind::Scram, LeftBehind::Quotas]);
        assert_eq!(
            problems,
            [
                "the cluster has access control lists (1, of User:b), which Corelane does not \
                 have yet: here every client may do everything",
                "to take over all else and leave that behind, add --leave-behind \
                 scram,quotas,acls"
            ]
        );
        assert_eq!(
            left_out,
            [
                "SCRAM credentials (2, of a): here clients are not asked for a password",
                "client quotas (1, of user <default>): here no client is slowed down"
            ]
        );
        let many = security((0..9).map(|at| scram(&format!("u{at}"), 1)));
        let (problems, _) = many.sentences(&[]);
        assert!(problems[0].contains("SCRAM credentials (9, of u0, u1, u2, u3, u4 and 4 more)"));
    }

    #[test]
    fn records_of_a_transaction_that_was_aborted_do_not_count() {
        let mut all = Security::default();
        for (user, counts) in [("a", false), ("b", true)] {
            all.begin();
            all.note(scram(user, 1));
            all.end(counts);
        }
        let (_, left_out) = all.sentences(&[LeftBehind::Scram]);
        assert_eq!(left_out.len(), 1);
        assert!(left_out[0].contains("(1, of b)"));
    }
}
