//! Drives: the partitions of a request, each topic and partition once.

use std::collections::HashMap;

use crate::io::turn;
use crate::wire::codec::messages::TopicName;

/// A topic and what is asked of its partitions.
pub type Topic<'a, P> = (&'a TopicName, Vec<Asked<'a, P>>);

/// What is asked of a partition.
pub struct Asked<'a, P> {
    /// The last mention of it, which counts.
    pub last: &'a P,
    /// Whether it was mentioned more than once.
    pub is_repeated: bool,
}

/// Gathers mentions under the first one of their topic and partition. A topic without
/// partitions is left out, as in Kafka's maps.
/// Lets others run between mentions.
pub async fn unique<'a, P: 'a>(
    mentions: impl Iterator<Item = (&'a TopicName, &'a P)>,
    index_of: fn(&P) -> i32,
) -> Vec<Topic<'a, P>> {
    let mut topics: Vec<Topic<'a, P>> = Vec::new();
    let mut places: HashMap<&TopicName, (usize, HashMap<i32, usize>)> = HashMap::new();
    for (name, last) in mentions {
        turn::pace().await;
        let (topic, partitions) = places.entry(name).or_insert_with(|| {
            topics.push((name, Vec::new()));
            (topics.len() - 1, HashMap::new())
        });
        let asked = &mut topics[*topic].1;
        match partitions.get(&index_of(last)) {
            Some(at) => {
                asked[*at] = Asked {
                    last,
                    is_repeated: true,
                };
            }
            None => {
                partitions.insert(index_of(last), asked.len());
                asked.push(Asked {
                    last,
                    is_repeated: false,
                });
            }
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::wire::codec::StrBytes;

    #[test]
    fn the_last_mention_counts_and_stands_where_the_first_stood() {
        let [a, b] = ["a", "b"].map(|name| TopicName(StrBytes::from_static_str(name)));
        let mentions = [
            (&a, (1, 'x')),
            (&b, (1, 'y')),
            (&a, (0, 'z')),
            (&a, (1, 'w')),
        ];
        let mentions = mentions.iter().map(|(name, asked)| (*name, asked));
        let topics = unique(mentions, |asked| asked.0).now_or_never();
        let topics = topics.expect("outside of a core nothing waits");
        let seen: Vec<_> = topics
            .iter()
            .flat_map(|(name, asked)| asked.iter().map(move |asked| (name.as_str(), asked)))
            .map(|(name, asked)| (name, *asked.last, asked.is_repeated))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", (1, 'w'), true),
                ("a", (0, 'z'), false),
                ("b", (1, 'y'), false)
            ]
        );
    }
}
