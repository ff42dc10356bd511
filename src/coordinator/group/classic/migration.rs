//! Pure: a classic group becomes one of the consumer protocol, and the other way round: the
//! classic side.

use std::rc::Rc;

use bytes::Bytes;

use crate::base::WallMs;
use crate::coordinator::group::consumer::OldMember;
use crate::coordinator::group::request::GroupError;
use crate::coordinator::record::GroupValue;

use super::{Group, Member, State, Step};

impl Group {
    /// Copies of its members, for the change; `None` before it has chosen a protocol.
    pub fn old_members(&self) -> Option<Vec<OldMember>> {
        let protocol = self.protocol.as_ref()?;
        let members = self.members.values().map(|member| {
            Some(OldMember {
                id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: member.session_timeout_ms,
                protocols: member.protocols.clone(),
                metadata: member.metadata(protocol)?.clone(),
                assignment: member.assignment.clone(),
            })
        });
        members.collect()
    }

    /// Answers all requests that wait with `error`: the group is about to go.
    pub fn give_up(&mut self, step: &mut Step<'_>, error: GroupError) {
        let mut joining = Vec::new();
        for member in self.members.values_mut() {
            if let Some(token) = member.joining.take() {
                joining.push((token, member.id.clone()));
            }
            if let Some(token) = member.syncing.take() {
                step.out.sync(token, Err(error));
            }
        }
        self.joining_count = 0;
        for (token, id) in joining {
            step.out.refuse_join(token, &id, error);
        }
    }

    /// A stable group of these members, with the protocol that most of them prefer;
    /// `assignment(id, metadata)` is the encoded assignment of a member.
    pub fn formed(
        id: Rc<str>,
        generation: i32,
        members: Vec<Member>,
        now: WallMs,
        assignment: impl Fn(&str, &[u8]) -> Bytes,
    ) -> Group {
        let mut group = Group::new(id, Some(now));
        group.protocol_type = Some("consumer".into());
        group.generation = generation;
        group.leader = members.first().map(|member| member.id.clone());
        for member in members {
            group.speakers.add(&member.protocols);
            group.members.insert(member.id.clone(), member);
        }
        group.state = State::Stable;
        group.protocol = group.select_protocol();
        let protocol = group.protocol.clone().unwrap_or_default();
        for member in group.members.values_mut() {
            let metadata = member.metadata(&protocol).cloned().unwrap_or_default();
            member.assignment = assignment(&member.id, &metadata);
        }
        group
    }

    /// Its record as it is.
    pub fn current_value(&self) -> GroupValue {
        self.value(|member| member.assignment.clone())
    }

    /// Takes all protocols of the members over: the record that was replayed has only the chosen
    /// one of each.
    pub fn adopt(&mut self, formed: &Group) {
        for member in self.members.values_mut() {
            let Some(known) = formed.members.get(&member.id) else {
                continue;
            };
            self.speakers.remove(&member.protocols);
            self.speakers.add(&known.protocols);
            member.protocols.clone_from(&known.protocols);
        }
        self.bytes = self.measure();
    }

    /// Starts the sessions of all members, and a rebalance: the group has lost members.
    pub fn begin_as_downgraded(&mut self, step: &mut Step<'_>) {
        for member in self.members.values() {
            self.renew_session(step, member);
        }
        self.prepare_rebalance(step, "the last member of the consumer protocol has left");
    }
}
