//! Pure: the commands of a story.

use super::*;
use crate::coordinator::record::transaction::TransactionState;

/// A story as it goes: the machine, the time, and what came of each command.
pub struct Story {
    pub machine: TransactionMachine,
    pub now: Now,
    pub log: Vec<Encoded>,
    pub out: String,
    asked: u64,
    next_id: ProducerId,
}

/// A command's words, without `name=value` pairs, and these.
pub struct Args<'a> {
    words: Vec<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Args<'a> {
    fn parse(text: &'a str) -> Args<'a> {
        let (pairs, words): (Vec<_>, Vec<_>) =
            text.split_whitespace().partition(|word| word.contains('='));
        let pairs = pairs.into_iter().filter_map(|pair| pair.split_once('='));
        Args {
            words,
            pairs: pairs.collect(),
        }
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = self.pairs.iter().filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| *value)
    }

    fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str, default: T) -> T {
        self.get(name).map_or(default, |text| text.parse().unwrap())
    }

    /// A producer, as `1000/3`.
    fn producer(&self, name: &str) -> Option<Producer> {
        let (id, epoch) = self.get(name)?.split_once('/').unwrap();
        Some(Producer {
            id: id.parse().unwrap(),
            epoch: epoch.parse().unwrap(),
        })
    }

    /// Partitions, as `t/0,1`.
    fn partitions(&self) -> Vec<TopicPartition> {
        let places = self.words.iter().filter_map(|word| word.split_once('/'));
        let one = |(topic, indices): (&str, &'a str)| {
            let topic: std::sync::Arc<str> = topic.into();
            let indices = indices.split(',').map(|text| text.parse().unwrap());
            indices
                .map(move |index| (topic.clone(), index))
                .collect::<Vec<_>>()
        };
        places.flat_map(one).collect()
    }
}

// === impl Story ===

impl Story {
    pub fn new() -> Story {
        let mut story = Story {
            machine: TransactionMachine::new(TransactionConfig::default(), 2),
            now: Now {
                instant: Instant(1_000_000_000),
                wall_ms: 1_000_000,
            },
            log: Vec::new(),
            out: String::new(),
            asked: 0,
            next_id: 1_000,
        };
        story.step(|machine, now, out| machine.loaded(now, out));
        story
    }

    pub fn step<T>(
        &mut self,
        act: impl FnOnce(&mut TransactionMachine, Now, &mut Outcome) -> T,
    ) -> T {
        let mut out = Outcome::default();
        let result = act(&mut self.machine, self.now, &mut out);
        for encoded in out.records {
            let decoded = TransactionRecord::decode(Some(&encoded.key), encoded.value.as_deref());
            match decoded.unwrap() {
                TransactionRecord::State(id, Some(value)) => self.say_value(&id, &value),
                TransactionRecord::State(id, None) => self.say(format!("write {id} removed")),
                TransactionRecord::Other(_) => unreachable!(),
            }
            self.log.push(encoded);
        }
        for (token, reply) in out.replies {
            self.say_reply(token, &reply);
        }
        result
    }

    /// Hands a request to the machine, again with a producer id if one is needed.
    fn handle(&mut self, mut request: Request) {
        self.asked += 1;
        let token = Token(self.asked);
        loop {
            let mut replies = Vec::new();
            let mut needs = false;
            let again = request.clone();
            self.step(|machine, now, out| {
                machine.handle(token, again, now, out);
                for (to, reply) in std::mem::take(&mut out.replies) {
                    match to == token && reply.error() == Some(TransactionError::NeedsProducerId) {
                        true => needs = true,
                        false => replies.push((to, reply)),
                    }
                }
            });
            for (to, reply) in replies {
                self.say_reply(to, &reply);
            }
            if !needs {
                return;
            }
            request.bring(self.next_id);
            self.next_id += 1;
        }
    }

    pub fn command(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let args = Args::parse(rest);
        let id: Rc<str> = args.words.first().copied().unwrap_or_default().into();
        // An empty id is written so.
        let id = if &*id == "''" { "".into() } else { id };
        let by = args.producer("by").unwrap_or(Producer::NONE);
        match verb {
            "init" => self.handle(Request::Init(Init {
                id,
                timeout_ms: args.number("timeout", 60_000),
                expected: args.producer("had"),
                fresh_id: None,
            })),
            "add" => self.handle(Request::Add(Add {
                id,
                producer: by,
                partitions: args.partitions(),
                client_version: args.number("v", 2),
            })),
            "end" => self.handle(Request::End(End {
                id,
                producer: by,
                committed: args.words.contains(&"commit"),
                client_version: args.number("v", 2),
                fresh_id: None,
            })),
            "markers" => {
                let spare = args.get("spare").map(|text| text.parse().unwrap());
                self.handle(Request::NextMarkers(spare));
            }
            "marked" => {
                let done = args.partitions();
                let goes_on =
                    self.step(|machine, now, out| machine.marked(&id, by, &done, now, out));
                self.say(if goes_on {
                    "others are left"
                } else {
                    "none is left"
                });
            }
            "verify" => self.verify(&id, by, &args),
            "describe" => self.describe(&id),
            "list" => self.list(&args),
            "advance" => self.advance(args.words[0].parse().unwrap()),
            "version" => self.machine.version = args.words[0].parse().unwrap(),
            "reload" => self.reload(),
            // The epochs of 32,000 transactions are not told one by one.
            "epoch" => self.set_epoch(&id, args.number("to", 0)),
            _ => panic!("no such command: {line}"),
        }
    }

    fn verify(&mut self, id: &str, by: Producer, args: &Args<'_>) {
        match self.machine.verify(id, by, &args.partitions()) {
            Err(error) => self.say(format!("{error:?}")),
            Ok(verdicts) => {
                for ((topic, index), verdict) in args.partitions().iter().zip(verdicts) {
                    let text = verdict.map_or_else(|it| format!("{it:?}"), |()| "ok".into());
                    self.say(format!("{topic}/{index}: {text}"));
                }
            }
        }
    }

    fn describe(&mut self, id: &str) {
        match self.machine.describe(id) {
            None => self.say("none"),
            Some(found) => {
                let Producer { id, epoch } = found.producer;
                let (state, started) = (found.state.name(), found.started_ms);
                let topics = topics_text(&found.topics);
                let timeout = found.timeout_ms;
                self.say(format!(
                    "{state} {id}/{epoch} timeout={timeout} started={started}{topics}"
                ));
            }
        }
    }

    fn list(&mut self, args: &Args<'_>) {
        let named = |text: &str| {
            let mut all = TransactionState::ALL.iter();
            *all.find(|state| state.name() == text).unwrap()
        };
        let filter = Filter {
            states: args
                .get("states")
                .map(|text| text.split(',').map(named).collect()),
            producer_ids: args
                .get("id")
                .map(|id| id.parse().unwrap())
                .into_iter()
                .collect(),
            longer_than_ms: args.get("longer").map(|text| text.parse().unwrap()),
        };
        let most = args.number("most", 2);
        let mut behind: Option<Rc<str>> = None;
        loop {
            let wall_ms = self.now.wall_ms;
            let some = self
                .machine
                .list_some(&filter, behind.as_deref(), most, wall_ms);
            for listed in some.0 {
                let (producer, state) = (listed.producer_id, listed.state.name());
                self.say(format!("{} {producer} {state}", listed.id));
            }
            behind = some.1;
            if behind.is_none() {
                return;
            }
        }
    }

    /// Lets time pass without looking at deadlines.
    pub fn pass(&mut self, ms: i64) {
        self.now.instant = self.now.instant.after_ms(ms);
        self.now.wall_ms += ms;
    }

    /// Lets time pass, stopping at every deadline on the way.
    fn advance(&mut self, ms: i64) {
        let end = self.now.instant.after_ms(ms);
        for _ in 0..100_000 {
            let next = self.machine.next_deadline().filter(|next| *next <= end);
            let target = next.unwrap_or(end).max(self.now.instant);
            let passed = target.since(self.now.instant).as_millis() as i64;
            self.pass(passed);
            if next.is_none() {
                return;
            }
            let before = self.out.len();
            let at = self.now.wall_ms;
            self.step(|machine, now, out| machine.expire(now, out));
            while self.machine.has_work() {
                self.step(|machine, now, out| machine.work(now, out));
            }
            if self.out.len() > before {
                self.out.insert_str(before, &format!("    at {at}\n"));
            }
        }
        panic!("time does not pass: a deadline is set again and again");
    }

    pub fn reload(&mut self) {
        let (config, version) = (self.machine.config.clone(), self.machine.version);
        self.machine = TransactionMachine::new(config, version);
        for encoded in &self.log {
            let record = TransactionRecord::decode(Some(&encoded.key), encoded.value.as_deref());
            self.machine.replay(&record.unwrap(), Origin::NEW);
        }
        self.step(|machine, now, out| machine.loaded(now, out));
    }

    fn set_epoch(&mut self, id: &Rc<str>, epoch: i16) {
        let mut next = self.machine.transactions[id].durable.clone();
        next.producer.epoch = epoch;
        self.step(|machine, _, out| machine.write(id, next, -1, out));
    }

    // === What is said ===

    fn say(&mut self, text: impl std::fmt::Display) {
        self.out.push_str(&format!("    {text}\n"));
    }

    fn say_value(&mut self, id: &str, value: &TransactionValue) {
        let (producer, epoch) = (value.producer_id, value.producer_epoch);
        let mut text = format!("write {id} {} {producer}/{epoch}", value.state.name());
        let previous = value.previous_producer_id;
        if previous != -1 && previous != producer {
            text += &format!(" previous={previous}");
        }
        if value.next_producer_id != -1 {
            text += &format!(" next={}", value.next_producer_id);
        }
        text += &format!(" started={}", value.started_ms);
        if value.client_version != 0 {
            text += &format!(" v={}", value.client_version);
        }
        text += &topics_text(value.partitions.as_deref().unwrap_or_default());
        self.say(text);
    }

    fn say_reply(&mut self, Token(token): Token, reply: &Reply) {
        let text = match reply {
            Reply::Producer(Ok(Producer::NONE)) | Reply::Added(Ok(())) => "ok".to_owned(),
            Reply::Producer(Ok(Producer { id, epoch })) => format!("ok {id}/{epoch}"),
            Reply::Producer(Err(error)) | Reply::Added(Err(error)) => format!("{error:?}"),
            Reply::Markers(wanted) => {
                let mut text = "markers".to_owned();
                if wanted.needs_producer_id {
                    text += " wanted: a producer id";
                }
                for one in &wanted.transactions {
                    let Producer { id, epoch } = one.producer;
                    let end = if one.committed { "commit" } else { "abort" };
                    let places = one.partitions.iter();
                    let places: Vec<_> = places.map(|(t, i)| format!(" {t}/{i}")).collect();
                    let (name, places) = (&one.id, places.concat());
                    text += &format!("\n      {name} {end} {id}/{epoch}{places}");
                }
                text
            }
        };
        self.say(format!("#{token}: {text}"));
    }

    pub fn tell(script: &str) -> String {
        let mut story = Story::new();
        for line in script.lines() {
            if line.starts_with("    ") {
                continue;
            }
            story.out.push_str(line);
            story.out.push('\n');
            if !line.is_empty() && !line.starts_with('#') {
                story.command(line);
            }
        }
        story.out
    }
}

fn topics_text(topics: &[(std::sync::Arc<str>, Vec<i32>)]) -> String {
    let mut text = String::new();
    for (topic, indices) in topics {
        let indices: Vec<_> = indices.iter().map(i32::to_string).collect();
        text += &format!(" {topic}/{}", indices.join(","));
    }
    text
}
