//! Drives: what a story is told with: requests, whose answers are noted, and their setting.
//!
//! A story's topics and groups carry its name, so that stories do not see each other; where an
//! answer lists everything, [`keep`] keeps what belongs to the story.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use corelane_testing::{Client, Outcome};
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Request, StrBytes};

use crate::client::{self, PATIENCE};
use crate::differences;
use crate::normalise::{Numbers, normalise};
use crate::value::Value;

/// At the end of the title of a step that Kafka does not answer, and Corelane has to: with
/// whatever error fits, or by closing the connection. (Kafka fails here `--against` itself.)
pub const UNANSWERED: &str = "(Kafka never answers)";

/// At the end of the title of a step in which Kafka is lenient, and Corelane need not be: it may
/// close the connection instead.
pub const OR_CLOSED: &str = "(or closed)";

/// At the end of the title of a step about something that Corelane does not have: it may also say
/// that it does not support it.
pub const OR_UNSUPPORTED: &str = "(or unsupported)";

/// At the end of the title of a step that Corelane may answer as Kafka answers the step after it:
/// it has done already what Kafka does in between (`docs/decisions/0006`).
pub const OR_AS_NEXT: &str = "(or as the next)";

/// One request and what became of it.
pub struct Step {
    /// The API and what was asked.
    pub title: String,
    /// The version, if the step is played in several.
    pub version: Option<i16>,
    /// The answer as golden text.
    pub answer: String,
}

/// A story being played against a broker.
pub struct Story {
    name: &'static str,
    address: SocketAddr,
    clients: Vec<Client>,
    version: Option<i16>,
    numbers: Numbers,
    patience: Duration,
    aside: bool,
    waited: Option<Duration>,
    /// Whether the broker hangs.
    pub hangs: bool,
    /// What happened so far.
    pub steps: Vec<Step>,
}

/// Makes a request: `make!(HeartbeatRequest { generation_id: 1 })`, all else being the default.
macro_rules! make {
    ($type:ty { $($field:ident: $value:expr),* $(,)? }) => {{
        #[allow(unused_mut, reason = "some have no fields to set")]
        let mut message = <$type>::default();
        $(message.$field = $value;)*
        message
    }};
}
pub(crate) use make;

/// A string of a message.
pub fn s(text: impl AsRef<str>) -> StrBytes {
    StrBytes::from_string(text.as_ref().to_owned())
}

/// A topic's name in a message.
pub fn t(text: impl AsRef<str>) -> TopicName {
    TopicName(s(text))
}

/// `value` where a version has the field, else the field's default.
pub fn since<T: Default>(version: i16, first: i16, value: T) -> T {
    if version >= first {
        value
    } else {
        T::default()
    }
}

// === impl Story ===

impl Story {
    /// A story's beginning.
    pub fn new(name: &'static str, address: SocketAddr) -> Self {
        Self {
            name,
            address,
            clients: Vec::new(),
            version: None,
            numbers: Numbers::default(),
            patience: PATIENCE,
            aside: false,
            waited: None,
            hangs: false,
            steps: Vec::new(),
        }
    }

    /// Plays the same steps at each of these versions; names made inside carry the version.
    pub fn versions(
        &mut self,
        versions: RangeInclusive<i16>,
        mut play: impl FnMut(&mut Self, i16),
    ) {
        for version in versions {
            self.version = Some(version);
            self.numbers = Numbers::default();
            self.numbers.replace = Some((self.name(""), format!("{}-", self.name)));
            play(self, version);
        }
        self.version = None;
        self.numbers = Numbers::default();
    }

    /// Writes a text that differs with each play, as a generated id does, in another way.
    pub fn alias(&mut self, raw: &str, alias: &str) {
        self.numbers.replace = Some((raw.to_owned(), alias.to_owned()));
    }

    /// The version that is played, where the same steps are played at several.
    pub fn version_now(&self) -> Option<i16> {
        self.version
    }

    /// A name that only this story has, at this version.
    pub fn name(&self, short: &str) -> String {
        match self.version {
            Some(version) => format!("{}-v{version}-{short}", self.name),
            None => format!("{}-{short}", self.name),
        }
    }

    /// The same connection again, or a first one.
    pub fn client(&mut self, index: usize) -> &mut Client {
        while self.clients.len() <= index {
            self.clients.push(client::connect(self.address));
        }
        &mut self.clients[index]
    }

    /// Sends a request and notes the answer.
    pub fn ask<R: Request>(&mut self, what: &str, v: i16, request: R) -> Option<R::Response>
    where
        R::Response: Debug,
    {
        self.ask_and(what, v, request, |_| ())
    }

    /// The same; `change` keeps of the answer what is to be compared.
    pub fn ask_and<R: Request>(
        &mut self,
        what: &str,
        v: i16,
        request: R,
        change: impl FnOnce(&mut Value),
    ) -> Option<R::Response>
    where
        R::Response: Debug,
    {
        self.begin(0, v, &request);
        self.finish::<R>(0, what, v, change)
    }

    /// The same for a request that looks at what the others did, always at version `v`.
    pub fn aside<R: Request>(&mut self, what: &str, v: i16, request: R) -> Option<R::Response>
    where
        R::Response: Debug,
    {
        self.aside_and(what, v, request, |_| ())
    }

    /// The same; `change` keeps of the answer what is to be compared.
    pub fn aside_and<R: Request>(
        &mut self,
        what: &str,
        v: i16,
        request: R,
        change: impl FnOnce(&mut Value),
    ) -> Option<R::Response>
    where
        R::Response: Debug,
    {
        self.aside = true;
        let answer = self.ask_and(what, v, request, change);
        self.aside = false;
        answer
    }

    /// Sends a request and notes the answer together with whether the broker took its time.
    pub fn ask_timed<R: Request>(
        &mut self,
        what: &str,
        v: i16,
        request: R,
        limit: Duration,
    ) -> Option<R::Response>
    where
        R::Response: Debug,
    {
        self.waited = Some(limit);
        let answer = self.ask(what, v, request);
        self.waited = None;
        answer
    }

    /// The same for a request that Kafka, by a mistake of its own, leaves unanswered for ever.
    pub fn ask_unanswered<R: Request>(&mut self, what: &str, v: i16, request: R)
    where
        R::Response: Debug,
    {
        self.patience = client::SILENCE;
        self.begin(0, v, &request);
        self.finish::<R>(0, &format!("{what} {UNANSWERED}"), v, |_| ());
        self.patience = PATIENCE;
    }

    /// Sends a request on a connection of its own and does not wait.
    pub fn begin<R: Request>(&mut self, connection: usize, v: i16, request: &R) {
        // That the broker has closed the connection shows in the answer.
        let _ = self.client(connection).send(v, request);
    }

    /// Waits for the answer to what [`Self::begin`] sent, and notes it.
    pub fn finish<R: Request>(
        &mut self,
        connection: usize,
        what: &str,
        v: i16,
        change: impl FnOnce(&mut Value),
    ) -> Option<R::Response>
    where
        R::Response: Debug,
    {
        let start = Instant::now();
        let patience = self.patience;
        let outcome = self.client(connection).answer_within::<R>(v, patience);
        let took = start.elapsed();
        let late = self.waited.map(|limit| {
            if took < limit {
                "at once"
            } else {
                "after a wait"
            }
        });
        let api = api_name::<R>();
        let answer = match &outcome {
            Outcome::Answer(answer) => self.text(api, &format!("{answer:?}"), change),
            other => self.end(connection, other),
        };
        let late = late.map_or(String::new(), |late| format!("{late}\n"));
        let at = match self.version == Some(v) && !self.aside {
            true => String::new(),
            false => format!(" (v{v})"),
        };
        self.note(format!("{api}{at}: {what}"), late + &answer);
        match outcome {
            Outcome::Answer(answer) => Some(answer),
            Outcome::Silent if self.patience == PATIENCE => self.hang(api, v),
            _ => None,
        }
    }

    /// Ends the story, and the run: a broker that leaves one request unanswered for this long
    /// would have each of the next take as long.
    fn hang(&mut self, api: &str, v: i16) -> ! {
        self.hangs = true;
        panic!("{api} v{v}: no answer within {:?}", PATIENCE);
    }

    /// Sends a request that is only scenery; it must be answered.
    pub fn get<R: Request>(&mut self, v: i16, request: &R) -> R::Response {
        self.begin(0, v, request);
        match self.client(0).answer_within::<R>(v, PATIENCE) {
            Outcome::Answer(answer) => answer,
            Outcome::Closed => panic!("{} v{v}: connection closed", api_name::<R>()),
            Outcome::Silent => self.hang(api_name::<R>(), v),
            Outcome::Garbled(why) => panic!("{} v{v}: {why}", api_name::<R>()),
        }
    }

    /// A connection of its own.
    pub fn connect(&self) -> Client {
        client::connect(self.address)
    }

    /// Sends raw bytes on a fresh connection and notes what comes back, decoded by `read`.
    pub fn raw(&mut self, what: &str, bytes: &[u8], read: impl Fn(Bytes) -> Outcome<String>) {
        let mut client = client::connect(self.address);
        client.send_raw(bytes);
        let outcome = client.receive_within(client::SILENCE).and_then(read);
        let answer = match &outcome {
            Outcome::Answer(debug) => self.text("", debug, |_| ()),
            other => self.end(0, other),
        };
        self.note(what.to_owned(), answer);
    }

    /// Notes something that is no answer.
    pub fn tell(&mut self, what: &str, text: &str) {
        self.note(what.to_owned(), format!("{text}\n"));
    }

    /// Asks `ready` again and again until it says yes.
    pub fn wait_until(&mut self, what: &str, mut ready: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !ready(self) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "waited 20 s until {what}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets some time go by.
    pub fn pause(&self, milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    fn text(&mut self, api: &str, debug: &str, change: impl FnOnce(&mut Value)) -> String {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let mut value = normalise(debug, now.as_millis() as i64);
        change(&mut value);
        differences::apply(api, &mut value);
        value.write(&mut self.numbers)
    }

    /// Says how a request ended without an answer, and makes the connection usable again.
    fn end<T>(&mut self, connection: usize, outcome: &Outcome<T>) -> String {
        if connection < self.clients.len() {
            self.clients[connection] = client::connect(self.address);
        }
        match outcome {
            Outcome::Closed => "connection closed\n".to_owned(),
            Outcome::Silent => "no answer\n".to_owned(),
            Outcome::Garbled(why) => format!("garbled: {why}\n"),
            Outcome::Answer(_) => String::new(),
        }
    }

    fn note(&mut self, title: String, answer: String) {
        let version = self.version;
        let twice = self
            .steps
            .iter()
            .any(|step| step.title == title && step.version == version);
        assert!(!twice, "the story {} says twice: {title}", self.name);
        self.steps.push(Step {
            title,
            version,
            answer,
        });
    }
}

/// Keeps the structures whose `key` begins with `prefix`.
pub fn keep(list: &mut Vec<Value>, key: &str, prefix: &str) {
    list.retain_mut(|one| match one.field(key) {
        Some(Value::Text(name)) => name.starts_with(prefix),
        _ => false,
    });
}

/// The decoder for [`Story::raw`] of answers that are to be in the format of `R` at a version.
pub fn answer_of<R: Request>(version: i16, correlation_id: i32) -> impl Fn(Bytes) -> Outcome<String>
where
    R::Response: Debug,
{
    move |body| {
        let answer = corelane_testing::decode_of::<R>(version, correlation_id, body);
        answer.and_then(|answer| Outcome::Answer(format!("{answer:?}")))
    }
}

/// `Produce` of `ProduceRequest`.
fn api_name<R>() -> &'static str {
    let path = std::any::type_name::<R>();
    path.rsplit("::")
        .next()
        .unwrap_or(path)
        // Of the generic wrapper of newer versions.
        .trim_end_matches('>')
        .trim_end_matches("Request")
}
