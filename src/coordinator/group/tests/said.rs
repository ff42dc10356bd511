//! Pure: what came of a story's commands, in words.

use super::story::Story;
use super::*;

fn show(bytes: &Bytes) -> String {
    bytes.escape_ascii().to_string()
}

impl Story {
    pub fn say(&mut self, text: impl std::fmt::Display) {
        writeln!(self.out, "    {text}").unwrap();
    }

    pub fn say_reply(&mut self, token: u64, reply: Reply) {
        match reply {
            Reply::Join(Err(refused)) => {
                self.say(format!(
                    "join #{token}: {:?} m={}",
                    refused.error, refused.member_id
                ));
            }
            Reply::Join(Ok(joined)) => self.say_joined(token, joined),
            Reply::Delete(result) => self.say_result(&result),
            Reply::Sync(Err(error)) => self.say(format!("sync #{token}: {error:?}")),
            Reply::Sync(Ok(synced)) => {
                let assignment = show(&synced.assignment);
                self.say(format!("sync #{token}: ok '{assignment}'"));
            }
        }
    }

    pub fn say_joined(&mut self, token: u64, joined: Joined) {
        let skip = if joined.skip_assignment { " skip" } else { "" };
        let (generation, leader) = (joined.generation, joined.leader.unwrap_or_default());
        let protocol = joined.protocol.unwrap_or_default();
        self.say(format!(
            "join #{token}: ok gen={generation} {protocol} m={} leader={leader}{skip}",
            joined.member_id
        ));
        for member in joined.members {
            let instance = member.instance_id.map(|id| format!(" i={id}"));
            let instance = instance.unwrap_or_default();
            let metadata = member.metadata.len();
            self.say(format!(
                "  {}{instance} metadata={metadata}",
                member.member_id
            ));
        }
    }

    pub fn say_record(&mut self, record: &Record) {
        match record {
            Record::Offset(key, Some(value)) => {
                let expiry = value.expire_timestamp.map(|at| format!(" expires={at}"));
                let (expiry, at) = (expiry.unwrap_or_default(), value.commit_timestamp);
                self.say(format!(
                    "write {} {}/{}={}:{} at={at}{expiry}",
                    key.group, key.topic, key.partition, value.offset, value.metadata
                ));
            }
            Record::Offset(key, None) => {
                self.say(format!(
                    "write {} {}/{} removed",
                    key.group, key.topic, key.partition
                ));
            }
            Record::Group(id, Some(value)) => self.say_group(id, value),
            Record::Group(id, None) => self.say(format!("write {id} removed")),
            Record::Consumer(record) => self.say_consumer(record),
            Record::Other(kind) => self.say(format!("write other {kind}")),
        }
    }

    pub fn say_group(&mut self, id: &str, value: &GroupValue) {
        let protocol = value.protocol.as_deref().unwrap_or("-");
        let leader = value.leader.as_deref().unwrap_or("-");
        let at = value.state_timestamp.unwrap_or(-1);
        self.say(format!(
            "write {id} type={} gen={} {protocol} leader={leader} at={at}",
            value.protocol_type, value.generation
        ));
        for member in &value.members {
            let instance = member.instance_id.as_ref().map(|id| format!(" i={id}"));
            let instance = instance.unwrap_or_default();
            let assignment = show(&member.assignment);
            self.say(format!("  {}{instance} '{assignment}'", member.member_id));
        }
    }

    pub fn say_result(&mut self, result: &Result<(), GroupError>) {
        match result {
            Ok(()) => self.say("ok"),
            Err(error) => self.say(format!("{error:?}")),
        }
    }

    pub fn say_partitions(&mut self, result: Result<PartitionResults, GroupError>) {
        match result {
            Err(error) => self.say(format!("{error:?}")),
            Ok(topics) => {
                for (partition, result) in topics.into_iter().flatten() {
                    let result = result.map_or_else(|error| format!("{error:?}"), |()| "ok".into());
                    self.say(format!("{partition}: {result}"));
                }
            }
        }
    }

    pub fn describe(&mut self, group: &str) {
        let Some(shown) = self.machine.describe(group) else {
            return self.say("no such group");
        };
        let protocol = shown.protocol.unwrap_or("-".into());
        self.say(format!(
            "{} type={} {protocol}",
            shown.state, shown.protocol_type
        ));
        for member in shown.members {
            let instance = member.instance_id.map(|id| format!(" i={id}"));
            let (metadata, given) = (member.metadata.len(), show(&member.assignment));
            self.say(format!(
                "  {}{} {}@{} metadata={metadata} '{given}'",
                member.member_id,
                instance.unwrap_or_default(),
                member.client_id,
                member.client_host
            ));
        }
    }
}
