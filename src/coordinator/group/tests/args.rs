//! Pure: the arguments of a story's commands.

use super::*;

/// A command's arguments: bare words, and `name=value` pairs (a name may come twice).
pub struct Args<'a> {
    pub words: Vec<&'a str>,
    pub pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Args<'a> {
    pub fn parse(text: &'a str) -> Args<'a> {
        let (pairs, words): (Vec<_>, Vec<_>) =
            text.split_whitespace().partition(|word| word.contains('='));
        let pairs = pairs.into_iter().filter_map(|pair| pair.split_once('='));
        Args {
            words,
            pairs: pairs.collect(),
        }
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = self.pairs.iter().filter(|(key, _)| *key == name);
        found.next().map(|(_, value)| *value)
    }

    pub fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str, default: T) -> T {
        self.get(name).map_or(default, |text| text.parse().unwrap())
    }

    pub fn word(&self, index: usize) -> &'a str {
        self.words.get(index).copied().unwrap_or_default()
    }

    pub fn text(&self, name: &str) -> Option<Rc<str>> {
        self.get(name).map(Rc::from)
    }

    pub fn member(&self) -> Rc<str> {
        member_id(self.get("m").unwrap_or_default())
    }
}

/// `c-2` in a story is the member id that client `c` got from the second unique number.
pub fn member_id(short: &str) -> Rc<str> {
    match short.rsplit_once('-') {
        Some((prefix, number)) if number.bytes().all(|b| b.is_ascii_digit()) => {
            let unique = Uuid::from_u128(number.parse().unwrap());
            format!("{prefix}-{unique}").into()
        }
        _ => short.into(),
    }
}

/// `range:a,b;sticky` as protocols of a consumer of the topics a and b.
pub fn protocols(text: &str) -> Vec<Protocol> {
    let protocol = |part: &str| {
        let (name, topics) = part.split_once(':').unwrap_or((part, ""));
        Protocol {
            name: name.into(),
            metadata: match topics.strip_prefix('!') {
                Some(raw) => Bytes::copy_from_slice(raw.as_bytes()),
                None => subscription(topics),
            },
        }
    };
    text.split(';')
        .filter(|part| !part.is_empty())
        .map(protocol)
        .collect()
}

pub fn subscription(topics: &str) -> Bytes {
    let topics: Vec<_> = topics
        .split(',')
        .filter(|topic| !topic.is_empty())
        .collect();
    let mut bytes = vec![0, 0];
    bytes.extend_from_slice(&(topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend_from_slice(&(topic.len() as i16).to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
    }
    bytes.extend_from_slice(&(-1i32).to_be_bytes());
    bytes.into()
}

/// `t/0,1+u/2` as the assignment of a consumer.
pub fn assignment(text: &str) -> Bytes {
    let topics: Vec<_> = text.split('+').filter(|text| !text.is_empty()).collect();
    let mut bytes = vec![0, 0];
    bytes.extend_from_slice(&(topics.len() as i32).to_be_bytes());
    for place in topics {
        let (name, partitions) = topic(place);
        bytes.extend_from_slice(&(name.len() as i16).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&(partitions.len() as i32).to_be_bytes());
        for index in partitions {
            bytes.extend_from_slice(&index.parse::<i32>().unwrap().to_be_bytes());
        }
    }
    bytes.extend_from_slice(&(-1i32).to_be_bytes());
    bytes.into()
}

pub fn topic(text: &str) -> (&str, Vec<&str>) {
    let (name, partitions) = text.split_once('/').unwrap();
    (name, partitions.split(',').collect())
}
