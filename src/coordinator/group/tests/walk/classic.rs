//! Pure: clients of a walk that speak the classic protocol, in groups of either kind.

use super::client::{Client, Phase};
use super::*;
use crate::coordinator::group::tests::args;

impl Walk {
    /// The next thing that a classic client has to do.
    pub fn go_on(&mut self, at: usize) {
        let client = &self.clients[at];
        match client.classic.clone() {
            None | Some(Phase::Joining(_) | Phase::Syncing(_)) => {}
            Some(Phase::Out) => self.join(at),
            Some(Phase::Joined(others)) => self.sync(at, others),
            Some(Phase::In) => {
                let beat = Heartbeat {
                    group: client.group.into(),
                    generation: client.epoch,
                    member_id: client.id.clone(),
                    instance_id: client.instance.map(Rc::from),
                };
                let result = self
                    .world
                    .act(|machine, now, _| machine.heartbeat(&beat, now));
                match result {
                    Ok(()) => {}
                    Err(error) => self.refused(at, error),
                }
            }
        }
    }

    fn refused(&mut self, at: usize, error: GroupError) {
        let client = &mut self.clients[at];
        match error {
            GroupError::RebalanceInProgress => client.classic = Some(Phase::Out),
            GroupError::IllegalGeneration => client.lose(),
            GroupError::UnknownMember => {
                client.lose();
                client.id = "".into();
            }
            _ => {
                self.clients.swap_remove(at);
            }
        }
    }

    fn join(&mut self, at: usize) {
        let token = Token(self.world.fresh());
        let client = &mut self.clients[at];
        // It gives up all that it has before it joins.
        client.owned.clear();
        client.told.clear();
        client.is_adopted = false;
        client.classic = Some(Phase::Joining(token));
        let topics: Vec<&str> = client.topics.iter().map(|name| &**name).collect();
        let protocol = |name: &str| Protocol {
            name: name.into(),
            metadata: args::subscription(&topics.join(",")),
        };
        let join = Join {
            instance_id: client.instance.map(Rc::from),
            rebalance_timeout_ms: 20_000,
            protocols: vec![protocol("range"), protocol("roundrobin")],
            unique: Uuid::from_u128(u128::from(token.0)),
            ..samples::join(client.group, &client.id)
        };
        self.world
            .act(|machine, now, out| machine.join(token, &join, now, out));
        self.take_replies();
    }

    fn sync(&mut self, at: usize, others: Option<Vec<Rc<str>>>) {
        let token = Token(self.world.fresh());
        let assignments = others.map_or(Vec::new(), |others| self.dealt(&others));
        let client = &mut self.clients[at];
        client.classic = Some(Phase::Syncing(token));
        let sync = Sync {
            group: client.group.into(),
            generation: client.epoch,
            member_id: client.id.clone(),
            instance_id: client.instance.map(Rc::from),
            protocol_type: Some("consumer".into()),
            protocol: None,
            assignments,
        };
        self.world
            .act(|machine, now, out| machine.sync(token, sync, now, out));
        self.take_replies();
    }

    /// Each partition of each topic for one of these members.
    fn dealt(&mut self, members: &[Rc<str>]) -> Vec<(Rc<str>, Bytes)> {
        let mut texts = vec![String::new(); members.len()];
        for (name, _, partitions) in &self.world.topics {
            for index in 0..*partitions {
                let to = self.random.usize(..members.len());
                texts[to].push_str(&format!("{name}/{index}+"));
            }
        }
        let texts = texts.iter().map(|text| args::assignment(text));
        members.iter().cloned().zip(texts).collect()
    }

    /// Clients take the answers that wait for them.
    pub fn take_replies(&mut self) {
        for (token, reply) in std::mem::take(&mut self.world.replies) {
            let waits = |client: &Client| match &client.classic {
                Some(Phase::Joining(known) | Phase::Syncing(known)) => *known == token,
                _ => false,
            };
            let Some(at) = self.clients.iter().position(waits) else {
                continue;
            };
            let client = &mut self.clients[at];
            match reply {
                Reply::Join(Ok(joined)) => {
                    client.id = joined.member_id;
                    client.epoch = joined.generation;
                    let leads = joined.leader == Some(client.id.clone());
                    let others = joined.members.into_iter().map(|it| it.member_id);
                    client.classic = Some(Phase::Joined(leads.then(|| others.collect())));
                }
                Reply::Join(Err(refused)) => match refused.error {
                    GroupError::MemberIdRequired => {
                        client.id = refused.member_id;
                        client.classic = Some(Phase::Out);
                    }
                    error => self.refused(at, error),
                },
                Reply::Sync(Ok(synced)) => {
                    client.told = given(&synced.assignment, &self.world.topics);
                    client.obey();
                    client.classic = Some(Phase::In);
                }
                Reply::Sync(Err(error)) => self.refused(at, error),
                Reply::Delete(_) => {}
            }
        }
    }

    pub fn leave_classic(&mut self, client: &Client) {
        let leave = Leave {
            group: client.group.into(),
            members: vec![Leaving {
                member_id: client.id.clone(),
                instance_id: client.instance.map(Rc::from),
                reason: None,
            }],
        };
        self.world
            .act(|machine, now, out| machine.leave(&leave, now, out));
        self.take_replies();
    }

    /// Waits of classic clients end with the process.
    pub fn forget_waits(&mut self) {
        for client in &mut self.clients {
            if matches!(client.classic, Some(Phase::Joining(_) | Phase::Syncing(_))) {
                client.classic = Some(Phase::Out);
            }
        }
    }
}

/// What a classic client was given: version, topics with their partitions.
fn given(bytes: &[u8], topics: &[world::OneTopic]) -> Partitions {
    let mut partitions = Partitions::new();
    let number = |at: usize| i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    if bytes.is_empty() {
        return partitions;
    }
    let mut at = 6;
    for _ in 0..number(2) {
        let length = usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let name = &bytes[at + 2..at + 2 + length];
        at += 2 + length;
        let count = number(at) as usize;
        let of = (0..count).map(|index| number(at + 4 + 4 * index)).collect();
        at += 4 + 4 * count;
        // What it was given of a topic that is gone means nothing to it.
        if let Some((_, id, _)) = topics.iter().find(|it| it.0.as_bytes() == name) {
            partitions.insert(TopicId(Uuid::from_u128(*id)), of);
        }
    }
    partitions
}
