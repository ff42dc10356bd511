//! Drives: whether the replicas of a topic are the same.

use super::cluster::Cluster;

impl Cluster {
    /// Checks that members that are stopped have stored the same batches, to the same end.
    pub fn replicas_agree(&self, topic: &str, partitions: usize) {
        for partition in 0..partitions {
            let all = self.stored(topic, partition as i32);
            let mut copies = all.iter().filter_map(|(id, it)| Some((id, it.as_ref()?)));
            let (first, expected) = copies.next().expect("a replica");
            assert!(
                !expected.is_empty(),
                "node {first} has nothing of {partition}"
            );
            let mut count = 1;
            for (id, found) in copies {
                count += 1;
                let differs = expected.iter().zip(found).find(|(one, other)| one != other);
                assert_eq!(
                    differs, None,
                    "{topic}-{partition} of nodes {first} and {id}"
                );
                let ends = [expected, found].map(|it| it.last().map(|batch| batch.next));
                assert_eq!(
                    ends[0], ends[1],
                    "{topic}-{partition} of nodes {first} and {id}"
                );
            }
            assert_eq!(count, 3, "replicas of {topic}-{partition}");
            let epochs = expected.windows(2).all(|two| two[0].epoch <= two[1].epoch);
            assert!(epochs, "epochs go back: {expected:?}");
        }
    }
}
