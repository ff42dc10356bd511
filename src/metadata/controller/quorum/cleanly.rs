//! Drives: in which epoch a node was last stopped cleanly: Kafka's `.kafka_cleanshutdown` in its
//! folders.

use crate::io::disk::Disk;
use crate::log::CLEAN_SHUTDOWN;

use super::super::folder::NodeDir;

/// The epoch that all of a node's folders say; -1 where one says none, or they differ. To say one
/// of a node that was not stopped cleanly would be to claim records that it may have lost.
pub async fn previous_epoch(disk: &Disk, dirs: &[NodeDir]) -> i64 {
    let mut epochs = Vec::new();
    for dir in dirs {
        let content = disk.read(&dir.path.join(CLEAN_SHUTDOWN)).await;
        let content = content.unwrap_or_default();
        epochs.push(parse(&String::from_utf8_lossy(&content)));
    }
    match epochs.first() {
        Some(Some(first)) if epochs.iter().all(|epoch| *epoch == Some(*first)) => *first,
        _ => -1,
    }
}

/// The epoch in the file's JSON, of which there is one version.
fn parse(text: &str) -> Option<i64> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let (mut version, mut epoch) = (None, None);
    for field in inner.split(',') {
        let (name, value) = field.split_once(':')?;
        let value: i64 = value.trim().parse().ok()?;
        match name.trim() {
            "\"version\"" => version = Some(value),
            "\"brokerEpoch\"" => epoch = Some(value),
            _ => {}
        }
    }
    epoch.filter(|epoch| version == Some(0) && *epoch >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::sim::World;
    use std::path::PathBuf;

    #[test]
    fn only_what_kafka_wrote_is_believed() {
        assert_eq!(parse(r#"{"version":0,"brokerEpoch":17}"#), Some(17));
        assert_eq!(parse("{ \"brokerEpoch\" : 5, \"version\" : 0 }\n"), Some(5));
        for text in [
            "",
            "{}",
            r#"{"version":1,"brokerEpoch":17}"#,
            r#"{"version":0,"brokerEpoch":-1}"#,
            r#"{"version":0,"brokerEpoch":1"#,
            r#"{"version":0}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn all_folders_must_agree() {
        let world = World::new(1);
        let disk = Disk::simulated(world.disk().clone());
        world.run(async move {
            let dir = |name: &str| NodeDir {
                path: PathBuf::from("/").join(name),
                identity: None,
                unclean: false,
            };
            let dirs = [dir("a"), dir("b")];
            for dir in &dirs {
                disk.create_dir(&dir.path).await.unwrap();
            }
            let write = async |dir: &NodeDir, epoch: i64| {
                let text = format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}");
                let path = dir.path.join(CLEAN_SHUTDOWN);
                disk.write(&path, text.into_bytes()).await.unwrap();
            };
            write(&dirs[0], 9).await;
            assert_eq!(previous_epoch(&disk, &dirs[..1]).await, 9);
            assert_eq!(previous_epoch(&disk, &dirs).await, -1);
            write(&dirs[1], 8).await;
            assert_eq!(previous_epoch(&disk, &dirs).await, -1);
            write(&dirs[1], 9).await;
            assert_eq!(previous_epoch(&disk, &dirs).await, 9);
            assert_eq!(previous_epoch(&disk, &[]).await, -1);
        });
    }
}
