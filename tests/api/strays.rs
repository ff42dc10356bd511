//! Folders of logs whose topics were deleted, or that no topic claims.

use std::path::Path;
use std::process::Command;

use corelane_testing::requests::{create_topic, read_all};
use corelane_testing::until_so;

use crate::HERE;
use crate::folders::{STORAGE_ERROR, TOPIC, delete_topic, folders_of_zero, put, with_one_record};

/// The files of a deleted topic go in the background.
fn wait_for_no_folders(data: &Path) {
    until_so(
        || format!("{:?} are left", folders_of_zero(data)),
        || folders_of_zero(data).is_empty(),
    );
}

#[test]
fn deleting_a_topic_removes_a_log_that_could_not_be_opened() {
    let data = HERE.data_dir();
    let broker = HERE.start_on(&[data.path()]).ready();
    with_one_record(&mut broker.client(), "old");
    broker.stop();
    let log = data.path().join(format!("shard-0/{TOPIC}-0"));
    let segment = log.join("00000000000000000000.log");
    std::fs::remove_file(&segment).unwrap();
    std::fs::create_dir(&segment).unwrap();
    let broker = HERE.start_on(&[data.path()]).ready();
    let mut client = broker.client();
    assert_eq!(put(&mut client, 0, "lost?"), STORAGE_ERROR);
    delete_topic(&mut client);
    wait_for_no_folders(data.path());
    with_one_record(&mut client, "new");
    broker.kill();
    let broker = HERE.start_on(&[data.path()]).ready();
    assert_eq!(
        read_all(&mut broker.client(), TOPIC, 0),
        [(0, "new".into())]
    );
    broker.stop();
}

#[test]
fn a_log_that_a_kill_kept_from_being_removed_is_not_given_to_the_next_topic_of_its_name() {
    let (data, kept) = (HERE.data_dir(), HERE.data_dir());
    let log = data.path().join(format!("shard-0/{TOPIC}-0"));
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(copied.unwrap().success());
    };
    let old = kept.path().join("old");
    let broker = HERE.start_on(&[data.path()]).ready();
    with_one_record(&mut broker.client(), "old");
    let segment = log.join("00000000000000000000.log");
    let is_home = || std::fs::read(&segment).is_ok_and(|bytes| bytes.get(16) == Some(&2));
    until_so(|| "it stays in the journal".to_owned(), is_home);
    copy(&log, &old);
    delete_topic(&mut broker.client());
    wait_for_no_folders(data.path());
    broker.kill();
    // No topic has the name: what is left is set aside at the start, and not looked at again.
    copy(&old, &log);
    let broker = HERE.start_on(&[data.path()]).ready();
    let [stray] = &folders_of_zero(data.path())[..] else {
        panic!("{:?}", folders_of_zero(data.path()));
    };
    assert!(stray.ends_with("-stray"), "{stray}");
    assert!(broker.log().contains("set aside a log"), "{}", broker.log());
    assert_eq!(create_topic(&mut broker.client(), TOPIC, 1), 0);
    broker.kill();
    // The next topic has the name already, and no record yet.
    std::fs::remove_dir_all(data.path().join("shard-0").join(stray)).unwrap();
    copy(&old, &log);
    let broker = HERE.start_on(&[data.path()]).ready();
    let mut client = broker.client();
    assert_eq!(put(&mut client, 0, "new"), 0);
    assert_eq!(read_all(&mut client, TOPIC, 0), [(0, "new".into())]);
    until_so(
        || format!("{:?}", folders_of_zero(data.path())),
        || folders_of_zero(data.path()).len() == 2,
    );
    assert_eq!(folders_of_zero(data.path())[0], "spread-0");
    broker.stop();
    let broker = HERE.start_on(&[data.path()]).ready();
    assert_eq!(
        read_all(&mut broker.client(), TOPIC, 0),
        [(0, "new".into())]
    );
    broker.stop();
}
