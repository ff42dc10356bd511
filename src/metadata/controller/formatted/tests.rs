use super::*;
use crate::io::sim::World;

const CLUSTER: &str = "Q29yZWxhbmUtdGVzdHMtMQ";

fn asked(first: i32, shards: i32) -> Format {
    Format {
        dirs: ["/a", "/b"].map(PathBuf::from).to_vec(),
        nodes: (first..first + shards).map(NodeId).collect(),
        cluster_id: CLUSTER.to_owned(),
        ignore_formatted: false,
    }
}

/// Runs `work` on the disk of a world, whose folders `/a` and `/b` are there.
fn on<T: 'static, F: Future<Output = T> + 'static>(
    world: &World,
    work: impl FnOnce(Disk) -> F + 'static,
) -> T {
    let disk = Disk::simulated(world.disk().clone());
    world.run(async move {
        for dir in ["/a", "/b"] {
            disk.create_dir(Path::new(dir)).await.unwrap();
        }
        work(disk).await
    })
}

fn formats(world: &World, asked: Format) -> Result<Vec<Formatted>, String> {
    on(world, move |disk| async move {
        let mut random = Random::new(disk.runtime().random_bytes());
        let done = format(&disk, &asked, &mut random).await;
        done.map_err(|error| error.to_string())
    })
}

fn checks(world: &World, first: i32, shards: i32) -> Result<Found, String> {
    let Format { dirs, nodes, .. } = asked(first, shards);
    on(world, move |disk| async move {
        let found = check(&disk, &dirs, &nodes).await;
        found.map_err(|error| error.to_string())
    })
}

/// Puts a file into a folder that is made for it.
fn put(world: &World, dir: &'static str, name: &'static str, text: String) {
    on(world, move |disk| async move {
        let dir = Path::new(dir);
        disk.create_dir(dir).await.unwrap();
        let path = dir.join(name);
        disk.replace(&path, text.into_bytes()).await.unwrap();
    });
}

#[test]
fn what_was_formatted_is_found_at_the_start() {
    let world = World::new(1);
    let formatted = formats(&world, asked(5, 2)).unwrap();
    let paths: Vec<_> = formatted
        .iter()
        .map(|one| one.path.to_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["/a/shard-0", "/b/shard-0", "/a/shard-1", "/b/shard-1"]
    );
    let nodes: Vec<i32> = formatted.iter().map(|one| one.identity.node.0).collect();
    assert_eq!(nodes, [5, 5, 6, 6]);
    let mut ids: Vec<_> = formatted.iter().map(|one| one.identity.directory).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert!(
        formatted
            .iter()
            .all(|one| one.is_new && one.identity.cluster_id == CLUSTER)
    );

    let found = checks(&world, 5, 2).unwrap();
    assert_eq!(&*found.cluster_id, CLUSTER);
    let identities: Vec<_> = found
        .nodes
        .into_iter()
        .flatten()
        .map(|dir| dir.identity)
        .collect();
    let written: Vec<_> = formatted
        .into_iter()
        .map(|one| Some(one.identity))
        .collect();
    assert_eq!(identities, written);
}

#[test]
fn what_is_formatted_already_is_refused_or_left_as_it_is() {
    let world = World::new(2);
    let first = formats(&world, asked(1, 1)).unwrap();
    assert_eq!(
        formats(&world, asked(1, 1)).unwrap_err(),
        "/a/shard-0 is formatted already; --ignore-formatted leaves it as it is and formats the \
         others"
    );
    // A disk was replaced: its folder alone is formatted.
    on(&world, |disk| async move {
        disk.remove(Path::new("/b/shard-0/meta.properties"))
            .await
            .unwrap();
    });
    assert_eq!(
        checks(&world, 1, 1).unwrap_err(),
        "/b/shard-0 is not formatted: corelane format --cluster-id ID --config FILE formats a \
         broker's folders for its cluster; --ignore-formatted leaves the others as they are"
    );
    let again = Format {
        ignore_formatted: true,
        ..asked(1, 1)
    };
    let second = formats(&world, again).unwrap();
    assert!(!second[0].is_new && second[1].is_new);
    assert_eq!(second[0].identity, first[0].identity);
    assert_eq!(checks(&world, 1, 1).unwrap().nodes[0].len(), 2);
}

#[test]
fn folders_that_are_another_brokers_are_refused_and_nothing_is_written() {
    let identity = |cluster_id: &str, node, in_cluster| Identity {
        cluster_id: cluster_id.to_owned(),
        node: NodeId(node),
        directory: Random::new([9; 32]).uuid(),
        in_cluster,
    };
    let other = "b29yZWxhbmUtdGVzdHMtMQ";
    let meta = "meta.properties";
    let cases = [
        (
            ("/b/shard-0", meta, identity(other, 1, true).text()),
            "/b/shard-0 cannot be a folder of this broker: it is of the cluster \
             b29yZWxhbmUtdGVzdHMtMQ, not of Q29yZWxhbmUtdGVzdHMtMQ",
        ),
        (
            ("/b/shard-0", meta, identity(CLUSTER, 9, true).text()),
            "/b/shard-0 cannot be a folder of this broker: it was formatted for node 9, not for \
             node 1: set node.id back",
        ),
        (
            ("/b/shard-0", meta, identity(CLUSTER, 1, false).text()),
            "/b/shard-0 cannot be a folder of this broker: it is of a broker that runs alone",
        ),
        (
            ("/b", meta, identity(CLUSTER, 1, false).text()),
            "/b cannot be a folder of this broker: it is of a broker or a controller of Apache \
             Kafka's (meta.properties)",
        ),
        (
            ("/a/__cluster_metadata-0", "x", String::new()),
            "/a cannot be a folder of this broker: it holds the metadata of a broker that runs \
             alone (__cluster_metadata-0)",
        ),
        (
            ("/a/shard-0/topic-3", "x", String::new()),
            "/a/shard-0 cannot be a folder of this broker: it holds partitions, and no \
             meta.properties says whose they are",
        ),
        (
            ("/a/shard-0", meta, "version=1\nnode.id=1\n".to_owned()),
            "/a/shard-0/meta.properties: the line directory.id=… is missing",
        ),
    ];
    for ((dir, name, text), expected) in cases {
        for ignore_formatted in [false, true] {
            let world = World::new(3);
            put(&world, dir, name, text.clone());
            let asked = Format {
                ignore_formatted,
                ..asked(1, 1)
            };
            assert_eq!(formats(&world, asked).unwrap_err(), expected);
            let written = on(&world, |disk| async move {
                let mut count = 0;
                for dir in ["/a/shard-0", "/b/shard-0"] {
                    let entries = list(&disk, Path::new(dir)).await.unwrap();
                    count += entries.iter().filter(|entry| entry.name == FILE).count();
                }
                count
            });
            let before = dir.ends_with("shard-0") && name == meta;
            assert_eq!(written, usize::from(before), "{expected}");
        }
    }
}

#[test]
fn a_start_with_other_nodes_or_without_folders_is_refused() {
    let world = World::new(4);
    assert_eq!(
        checks(&world, 1, 1).unwrap_err(),
        "/a/shard-0 is not formatted: corelane format --cluster-id ID --config FILE formats a \
         broker's folders for its cluster"
    );
    formats(&world, asked(1, 2)).unwrap();
    for shards in [1, 3] {
        let refused = format!(
            "this data folder was formatted with 2 shard(s) and cannot be served with {shards}: \
             each shard is a Kafka node that owns its partitions; start with --shards 2, or use \
             another --data-dir"
        );
        assert_eq!(checks(&world, 1, shards).unwrap_err(), refused);
        assert_eq!(formats(&world, asked(1, shards)).unwrap_err(), refused);
    }
    assert_eq!(
        checks(&world, 3, 2).unwrap_err(),
        "/a/shard-0 cannot be a folder of this broker: it was formatted for node 1, not for node \
         3: set node.id back"
    );
}

#[test]
fn folders_of_two_clusters_are_no_broker() {
    let world = World::new(5);
    formats(&world, asked(1, 1)).unwrap();
    let other = Identity {
        cluster_id: "other".to_owned(),
        node: NodeId(1),
        directory: Random::new([9; 32]).uuid(),
        in_cluster: true,
    };
    put(&world, "/b/shard-0", "meta.properties", other.text());
    assert_eq!(
        checks(&world, 1, 1).unwrap_err(),
        "/b/shard-0 cannot be a folder of this broker: it is of the cluster other, not of \
         Q29yZWxhbmUtdGVzdHMtMQ"
    );
    let copy = on(&world, |disk| async move {
        disk.read(Path::new("/a/shard-0/meta.properties"))
            .await
            .unwrap()
    });
    put(
        &world,
        "/b/shard-0",
        "meta.properties",
        String::from_utf8(copy).unwrap(),
    );
    assert_eq!(
        checks(&world, 1, 1).unwrap_err(),
        "/b/shard-0 cannot be a folder of this broker: it has the directory.id of /a/shard-0"
    );
}

#[test]
fn an_interrupted_format_is_finished_by_the_next() {
    let world = World::new(6);
    formats(&world, asked(1, 2)).unwrap();
    on(&world, |disk| async move {
        for dir in ["/a", "/b"] {
            let file = shard_dir(Path::new(dir), 0).join(FILE);
            disk.remove(&file).await.unwrap();
        }
    });
    assert!(
        checks(&world, 1, 2)
            .unwrap_err()
            .contains("is not formatted")
    );
    let again = Format {
        ignore_formatted: true,
        ..asked(1, 2)
    };
    formats(&world, again).unwrap();
    checks(&world, 1, 2).unwrap();
}

#[test]
fn cluster_ids_are_words() {
    for id in [CLUSTER, "my-cluster_1", "a"] {
        check_cluster_id(id).unwrap();
    }
    for id in ["", "a b", "a\nnode.id=7", "ü", &"a".repeat(65)] {
        let refused = check_cluster_id(id).unwrap_err();
        assert!(refused.contains("is no cluster id: kafka-storage random-uuid prints one"));
        assert!(!refused.contains('\n'));
    }
}
