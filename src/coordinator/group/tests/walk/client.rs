//! Pure: clients of a walk that speak the consumer protocol: they do as they are told, or not.

use super::*;
use crate::coordinator::group::consumer::request::{
    ConsumerBeat, ConsumerHeartbeat, ConsumerRefused,
};

/// How far a client of the classic protocol is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It is to join.
    Out,
    /// It waits for the answer to its join.
    Joining(Token),
    /// It is to ask for its assignment; it leads these others, if it leads.
    Joined(Option<Vec<Rc<str>>>),
    /// It waits for its assignment.
    Syncing(Token),
    /// It has an assignment.
    In,
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    pub group: &'static str,
    /// Where it speaks the classic protocol.
    pub classic: Option<Phase>,
    pub id: Rc<str>,
    pub instance: Option<&'static str>,
    /// Its epoch or generation; 0 before it has joined.
    pub epoch: i32,
    pub topics: Vec<Rc<str>>,
    pub regex: Option<Rc<str>>,
    pub assignor: Option<&'static str>,
    /// What it works on, and what it was told to work on last.
    pub owned: Partitions,
    pub told: Partitions,
    /// What it last said that it works on.
    pub said: Partitions,
    /// Whether it has to tell all of itself: an answer was lost.
    pub tells_all: bool,
    /// Whether the group went back to the classic protocol since it joined. Others may then be
    /// given, as by Kafka, what it does not know yet that it has lost.
    pub is_adopted: bool,
}

/// What a heartbeat brings.
pub type Answer = Result<ConsumerBeat, ConsumerRefused>;

impl Client {
    /// Works on what it was told to, and on nothing else.
    pub fn obey(&mut self) {
        self.owned = self.told.clone();
    }

    /// Loses all that it has, and joins anew.
    pub fn lose(&mut self) {
        self.epoch = 0;
        self.owned.clear();
        self.told.clear();
        self.said.clear();
        if let Some(phase) = &mut self.classic {
            *phase = Phase::Out;
        }
    }

    /// Its next heartbeat, as the protocol wants it.
    pub fn beat(&self, unique: u64) -> ConsumerHeartbeat {
        let joins = self.epoch == 0;
        let all = joins || self.tells_all;
        let owned = self.owned.iter().filter(|(_, of)| !of.is_empty());
        let owned = owned.map(|(topic, of)| (*topic, of.iter().copied().collect()));
        ConsumerHeartbeat {
            group: self.group.into(),
            member_id: self.id.clone(),
            member_epoch: self.epoch,
            instance_id: self.instance.map(Rc::from),
            rack: None,
            rebalance_timeout_ms: all.then_some(20_000),
            topics: all.then(|| self.topics.clone()),
            regex: self.regex.clone().filter(|_| all),
            assignor: self.assignor.map(Rc::from),
            owned: (all || self.owned != self.said).then(|| owned.collect()),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            must_have_id: true,
            unique: Uuid::from_u128(u128::from(unique)),
        }
    }
}

impl World {
    /// Sends a heartbeat. What is refused before a group is looked for is so here.
    pub fn send(&mut self, beat: &ConsumerHeartbeat) -> Answer {
        beat.check(&self.config.consumer.assignors)?;
        let expected = self.expected(beat);
        let answer = self.act(|machine, now, out| machine.consumer_heartbeat(beat, now, out));
        if let Some(expected) = expected {
            let error = answer.as_ref().err().map(|refused| refused.error);
            assert_eq!(error, expected, "{beat:?}");
        }
        answer
    }

    /// What the protocol says a heartbeat to a group in use is refused with; `None` where this
    /// model does not know.
    fn expected(&self, beat: &ConsumerHeartbeat) -> Option<Option<GroupError>> {
        use GroupError::*;
        let group = self.machine.consumer(&beat.group)?;
        let (id, epoch) = (&beat.member_id, beat.member_epoch);
        let holder = beat.instance_id.as_deref().map(|it| group.holder_of(it));
        match (holder, epoch) {
            (Some(None), 0) => return None,
            (Some(None), _) => return Some(Some(UnknownMember)),
            (Some(Some((by, held))), 0) => {
                let is_classic = group.is_classic_member(&by);
                return match held == -2 || is_classic {
                    true => None,
                    false => Some(Some(UnreleasedInstanceId)),
                };
            }
            (Some(Some((by, _))), _) if by != *id => return Some(Some(FencedInstanceId)),
            _ => {}
        }
        let Some((known, previous)) = group.epochs_of(id) else {
            return match epoch {
                0 => None,
                _ => Some(Some(UnknownMember)),
            };
        };
        let has = group.assigned_to(id).unwrap_or_default();
        let is_subset = beat.owned.as_ref().is_some_and(|owned| {
            let within =
                |topic: &TopicId, index: &i32| has.get(topic).is_some_and(|of| of.contains(index));
            let mut all = owned.iter();
            all.all(|(topic, of)| has.contains_key(topic) && of.iter().all(|it| within(topic, it)))
        });
        match epoch {
            -2.. if epoch < 0 => Some(None),
            0 => None,
            _ if epoch == known => None,
            _ if epoch == previous && epoch < known && is_subset => None,
            _ => Some(Some(FencedMemberEpoch)),
        }
    }
}

impl Walk {
    /// Lets a client send its heartbeat and take the answer, unless that gets lost.
    pub fn heartbeat(&mut self, at: usize, is_lost: bool) {
        let unique = self.world.fresh();
        let beat = self.clients[at].beat(unique);
        let was_known = self.knows(at);
        let answer = self.world.send(&beat);
        let client = &mut self.clients[at];
        if is_lost {
            client.tells_all = true;
            return;
        }
        match answer {
            Ok(answer) => {
                assert_eq!(answer.member_id, client.id);
                assert!(answer.member_epoch >= client.epoch, "{answer:?} {client:?}");
                client.epoch = answer.member_epoch;
                client.tells_all = false;
                client.said = client.owned.clone();
                if let Some(assignment) = answer.assignment {
                    client.told = assignment;
                }
            }
            Err(refused) => match refused.error {
                GroupError::FencedMemberEpoch | GroupError::UnknownMember => {
                    assert!(
                        beat.member_epoch > 0 || !was_known || beat.instance_id.is_some(),
                        "{refused:?}: {beat:?}"
                    );
                    client.lose();
                }
                GroupError::GroupNotFound if beat.member_epoch > 0 => client.lose(),
                GroupError::InvalidRegex => client.regex = Some("a|b".into()),
                GroupError::UnreleasedInstanceId
                | GroupError::FencedInstanceId
                | GroupError::GroupNotFound
                | GroupError::Loading
                | GroupError::Unexpected => {
                    self.clients.swap_remove(at);
                }
                other => panic!("{other:?} for {beat:?}"),
            },
        }
    }

    /// Whether the group has this client among its members.
    pub fn knows(&self, at: usize) -> bool {
        let client = &self.clients[at];
        self.world.machine.is_member(client.group, &client.id)
    }

    /// Sends what no correct client would.
    pub fn bad_heartbeat(&mut self, at: usize) {
        let unique = self.world.fresh();
        let mut beat = self.clients[at].beat(unique);
        let honest = beat.owned.clone();
        match self.random.u8(..9) {
            0 => beat.member_epoch += self.random.i32(1..4),
            1 => beat.member_epoch -= self.random.i32(1..4),
            2 => beat.member_id = "nobody-1".into(),
            3 => beat.instance_id = Some("i9".into()),
            4 => beat.instance_id = Some("i0".into()),
            5 => beat.assignor = Some("sticky".into()),
            6 => beat.owned = Some(vec![(TopicId(Uuid::from_u128(77)), vec![0, -1, 5])]),
            7 => beat.regex = Some(if self.random.bool() { "(" } else { "" }.into()),
            _ => beat.member_epoch = self.random.i32(-5..0),
        }
        if beat.member_epoch == 0 && !self.knows(at) || beat.member_id.starts_with("nobody") {
            beat.member_epoch = 7;
        }
        let answer = self.world.send(&beat);
        let client = &mut self.clients[at];
        if beat.member_id != client.id {
            return;
        }
        // It was taken at its word: the client goes on as another one would.
        if answer.is_ok() {
            match beat.member_epoch {
                -1 | -2 => {
                    self.clients.swap_remove(at);
                }
                _ => {
                    client.tells_all = true;
                    if beat.owned != honest {
                        client.owned.clear();
                    }
                }
            }
        }
    }

    /// A client leaves, for good or for a while.
    pub fn leave(&mut self, at: usize) {
        let unique = self.world.fresh();
        let client = self.clients.swap_remove(at);
        if client.classic.is_some() {
            return self.leave_classic(&client);
        }
        let mut beat = client.beat(unique);
        let is_away = client.instance.is_some() && self.random.u8(..4) > 0;
        beat.member_epoch = if is_away { -2 } else { -1 };
        if let Ok(answer) = self.world.send(&beat) {
            assert_eq!(answer.member_epoch, beat.member_epoch);
        }
    }
}
