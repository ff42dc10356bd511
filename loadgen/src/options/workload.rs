//! Pure: OpenMessaging Benchmark's workload files, read as they are, as options of `loadgen run`.
//!
//! Names are those of its class `Workload`. What a workload asks for and loadgen does otherwise,
//! or not at all, is told in words before the run: nothing is skipped in silence.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Workloads with rates from here on per second want the most that a broker takes.
const AS_FAST_AS_IT_GOES: u64 = 5_000_000;

/// All keys of a workload.
const KEYS: [&str; 17] = [
    "name",
    "topics",
    "partitionsPerTopic",
    "keyDistributor",
    "messageSize",
    "useRandomizedPayloads",
    "randomBytesRatio",
    "randomizedPayloadPoolSize",
    "payloadFile",
    "subscriptionsPerTopic",
    "producersPerTopic",
    "consumerPerSubscription",
    "producerRate",
    "consumerBacklogSizeGB",
    "backlogDrainRatio",
    "testDurationMinutes",
    "warmupDurationMinutes",
];

/// A workload with its defaults filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Workload {
    keys: BTreeMap<String, Value>,
}

impl Workload {
    /// Reads a file's text; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Workload, String> {
        let keys: BTreeMap<String, Value> =
            serde_saphyr::from_str(text).map_err(|error| format!("not a workload: {error}"))?;
        let workload = Workload { keys };
        for name in [
            "topics",
            "partitionsPerTopic",
            "messageSize",
            "producersPerTopic",
        ] {
            if workload.whole(name)? < 1 {
                return Err(format!("{name} has to be given, and at least 1"));
            }
        }
        for name in [
            "subscriptionsPerTopic",
            "consumerPerSubscription",
            "producerRate",
            "testDurationMinutes",
        ] {
            workload.whole(name)?;
        }
        Ok(workload)
    }

    /// A whole number; 0 where it is missing, as in the class.
    fn whole(&self, name: &str) -> Result<u64, String> {
        let Some(value) = self.keys.get(name).filter(|value| !value.is_null()) else {
            return Ok(u64::from(name == "warmupDurationMinutes"));
        };
        let wrong = || format!("{name}: {value} is not a whole number from 0 on");
        value.as_u64().ok_or_else(wrong)
    }

    /// A whole number; 0 where it is missing or none.
    pub fn get(&self, name: &str) -> u64 {
        self.whole(name).unwrap_or(0)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.keys.get(name).and_then(Value::as_str)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.text("name").unwrap_or("OpenMessaging workload")
    }

    /// The options of `loadgen run` that make this load, and what is different or left out.
    /// `known` tells whether there is an option of that name.
    pub fn options(&self, known: impl Fn(&str) -> bool) -> Result<Translation, String> {
        let mut out = Translation::default();
        for key in self.keys.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            out.remark(
                key,
                "no key of a workload; ignored, as OpenMessaging Benchmark does",
            );
        }
        let topics = self.get("topics");
        match topics {
            1 => (),
            _ if known("topics") => out.option("topics", topics),
            _ => out.remark("topics", "one topic is used"),
        }
        match known("partitions") {
            true => out.option("partitions", self.get("partitionsPerTopic")),
            false => out.option("create", self.get("partitionsPerTopic")),
        }
        out.option("size", self.get("messageSize"));
        out.option("producers", self.get("producersPerTopic") * topics);
        match self.get("producerRate") {
            0 if known("max") => {
                out.flag("max");
                out.remark(
                    "producerRate",
                    "0 asks for the sustainable rate: run with --max; loadgen sweep finds the knee",
                );
            }
            0 => return Err("producerRate 0: use loadgen sweep to find the rate".to_owned()),
            rate => {
                out.option("rate", rate);
                if rate >= AS_FAST_AS_IT_GOES {
                    out.remark(
                        "producerRate",
                        "so many are offered, and the run is unfit if they are too many; such \
                         files mean as fast as it goes: --max does that",
                    );
                }
            }
        }
        match self.get("testDurationMinutes") {
            0 => return Err("testDurationMinutes has to be at least 1".to_owned()),
            minutes => out.option("duration", minutes * 60),
        }
        out.option("warmup", self.get("warmupDurationMinutes") * 60);
        self.consumers(&mut out, &known);
        self.payload(&mut out, &known);
        Ok(out)
    }

    fn consumers(&self, out: &mut Translation, known: &impl Fn(&str) -> bool) {
        let (groups, each) = (
            self.get("subscriptionsPerTopic"),
            self.get("consumerPerSubscription"),
        );
        if groups * each == 0 {
            if known("no-consume") {
                out.flag("no-consume");
            }
        } else {
            if known("consume") {
                out.flag("consume");
            }
            match ["fanout", "groups"].into_iter().find(|name| known(name)) {
                _ if groups == 1 => (),
                Some(name) => out.option(name, groups),
                None => out.remark("subscriptionsPerTopic", "one reader of everything is used"),
            }
            let topics = self.get("topics");
            match known("consumers") {
                _ if each * topics == 1 => (),
                // Each of them reads one topic there; here all of a group share all topics.
                true => out.option("consumers", each * topics),
                false => out.remark("consumerPerSubscription", "one consumer is used"),
            }
        }
        let backlog = self.keys.get("consumerBacklogSizeGB");
        if backlog.and_then(Value::as_f64).unwrap_or(0.0) > 0.0 {
            out.remark(
                "consumerBacklogSizeGB",
                "no backlog is built here; loadgen plan backlog-drain does that",
            );
            if self.keys.contains_key("backlogDrainRatio") {
                out.remark("backlogDrainRatio", "goes with the backlog");
            }
        }
    }

    fn payload(&self, out: &mut Translation, known: &impl Fn(&str) -> bool) {
        match self.text("keyDistributor").unwrap_or("NO_KEY") {
            "NO_KEY" => (),
            "KEY_ROUND_ROBIN" | "RANDOM_NANO" if known("keys") => {
                out.option("keys", "uniform:10000");
                out.remark("keyDistributor", "keys are drawn evenly from 10,000");
            }
            "KEY_ROUND_ROBIN" | "RANDOM_NANO" => {
                out.remark("keyDistributor", "records have no keys");
            }
            // There, too, an unknown name means none.
            _ => out.remark("keyDistributor", "an unknown name: records have no keys"),
        }
        if self.text("payloadFile").is_some() {
            out.remark(
                "payloadFile",
                "not read: values are loadgen's stamp and random bytes",
            );
        }
        if self.keys.get("useRandomizedPayloads") == Some(&json!(true)) {
            let ratio = self.keys.get("randomBytesRatio").and_then(Value::as_f64);
            let zeros = 100.0 - ratio.unwrap_or(0.0).clamp(0.0, 1.0) * 100.0;
            match known("compressible") {
                true => out.option("compressible", zeros.round()),
                false if zeros == 0.0 => (),
                false => out.remark("randomBytesRatio", "all bytes behind the stamp are random"),
            }
            out.remark(
                "randomizedPayloadPoolSize",
                "one payload is used; stamps differ",
            );
        }
    }
}

/// A workload in options of `loadgen run`.
#[derive(Debug, Default, PartialEq)]
pub struct Translation {
    /// Names, without dashes, and values; a flag has none.
    pub options: Vec<(String, Option<String>)>,
    /// Keys that are not honoured to the letter, and how.
    pub remarks: Vec<(String, String)>,
}

impl Translation {
    fn option(&mut self, name: &str, value: impl ToString) {
        self.options
            .push((name.to_owned(), Some(value.to_string())));
    }

    fn flag(&mut self, name: &str) {
        self.options.push((name.to_owned(), None));
    }

    fn remark(&mut self, key: &str, how: &str) {
        self.remarks.push((key.to_owned(), how.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
name: two topics, four readers
topics: 2
partitionsPerTopic: 8
messageSize: 1024
payloadFile: \"some/file.data\"
subscriptionsPerTopic: 2
consumerPerSubscription: 1
producersPerTopic: 3
producerRate: 5000
consumerBacklogSizeGB: 0
testDurationMinutes: 2
colour: blue
";

    #[test]
    fn a_workload_becomes_options_and_nothing_is_dropped_in_silence() {
        let workload = Workload::parse(FILE).unwrap();
        let few = [
            "create",
            "size",
            "producers",
            "rate",
            "duration",
            "warmup",
            "consume",
        ];
        let out = workload.options(|name| few.contains(&name)).unwrap();
        let of = |name: &str| {
            let found = out.options.iter().find(|(own, _)| own == name);
            found.map(|(_, value)| value.clone())
        };
        assert_eq!(of("create"), Some(Some("8".to_owned())));
        assert_eq!(of("producers"), Some(Some("6".to_owned())));
        assert_eq!(of("duration"), Some(Some("120".to_owned())));
        assert_eq!(of("warmup"), Some(Some("60".to_owned())));
        assert_eq!(of("consume"), Some(None));
        let mut told: Vec<&str> = out.remarks.iter().map(|(key, _)| key.as_str()).collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [
                "colour",
                "consumerPerSubscription",
                "payloadFile",
                "subscriptionsPerTopic",
                "topics"
            ]
        );

        let all = workload.options(|_| true).unwrap();
        let names: Vec<&str> = all.options.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"topics") && names.contains(&"fanout"));
        assert!(names.contains(&"partitions") && !names.contains(&"create"));
    }

    #[test]
    fn nonsense_is_refused_with_the_key() {
        for (wrong, key) in [
            ("topics: 1", "partitionsPerTopic"),
            (&FILE.replace("5000", "fast"), "producerRate"),
            (&FILE.replace("topics: 2", "topics: -2"), "topics"),
            ("- a\n- b", "not a workload"),
        ] {
            let error = Workload::parse(wrong).unwrap_err();
            assert!(error.contains(key), "{error}");
        }
        let endless = FILE.replace("testDurationMinutes: 2", "testDurationMinutes: 0");
        assert!(
            Workload::parse(&endless)
                .unwrap()
                .options(|_| true)
                .is_err()
        );
        let probe = FILE.replace("5000", "0");
        let probe = Workload::parse(&probe).unwrap();
        assert!(probe.options(|name| name != "max").is_err());
        let options = probe.options(|_| true).unwrap().options;
        assert!(options.contains(&("max".to_owned(), None)));
    }
}
