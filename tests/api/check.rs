//! `corelane check`, and what a running broker says of its acks.

use std::path::Path;
use std::process::{Command, Output};

use corelane_testing::admin::get;
use kafka_protocol::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::HERE;

fn check(dir: &Path, more: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_corelane"))
        .arg("check")
        .arg("--data-dir")
        .arg(dir)
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[test]
fn a_folder_that_is_not_there_is_judged_and_not_made() {
    let dir = HERE.data_dir();
    let data = dir.path().join("not/yet");
    let (output, text) = check(&data, &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for wanted in [
        data.to_str().unwrap(),
        " is not there yet",
        " an ack means: ",
        "write and flush  p50 ",
        "settings as wanted",
        "  wanted  ",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing from\n{text}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_host_that_cannot_serve_is_told_so() {
    let (output, text) = check(Path::new("/proc/sys/corelane"), &["--no-measure"]);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("CANNOT SERVE HERE: the data folder /proc/sys"),
        "{text}"
    );
    let (output, json) = check(Path::new("/proc/sys/corelane"), &["--no-measure", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{json}");
    assert!(json.contains("\"can_serve\":false"), "{json}");
}

fn topic(name: &str, flush_messages: &str) -> CreatableTopic {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let config = CreatableTopicConfig::default()
        .with_name(text("flush.messages"))
        .with_value(Some(text(flush_messages)));
    CreatableTopic::default()
        .with_name(text(name).into())
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(vec![config])
}

#[test]
fn topics_with_acks_of_their_own_show() {
    let dir = HERE.data_dir();
    let start = HERE.start(dir.path());
    let admin = start.port + 7;
    let broker = start.arg("--admin-port", &admin.to_string()).ready();
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic("relaxed", "100"), topic("strict", "1")])
        .with_timeout_ms(10_000);
    let answer = broker.client().call(7, &request);
    assert!(answer.topics.iter().all(|topic| topic.error_code == 0));

    let metrics = get(admin, "/metrics").unwrap();
    assert!(
        metrics.contains("corelane_data_device_info{device=\""),
        "{metrics}"
    );
    let count = |ack: &str| {
        let line = metrics.lines().find(|line| {
            line.starts_with("corelane_ack_topics{") && line.contains(&format!("ack=\"{ack}\""))
        });
        line.and_then(|line| line.rsplit(' ').next())
            .map(str::to_owned)
    };
    assert_eq!(count("written").as_deref(), Some("1"), "{metrics}");
    assert_eq!(count("flushed").as_deref(), Some("1"), "{metrics}");
    let config = get(admin, "/config").unwrap();
    assert!(
        config.contains(": an ack of topic relaxed means: "),
        "{config}"
    );

    let (output, text) = check(dir.path(), &["--no-measure"]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("a broker is running on it"), "{text}");
    assert!(text.contains(" an ack of topic relaxed means: "), "{text}");
    let log = broker.log();
    assert_eq!(log.matches("an ack means: ").count(), 1, "{log}");
    broker.stop();
    let (_, text) = check(dir.path(), &["--no-measure"]);
    assert!(!text.contains("is running on it"), "{text}");
    assert!(text.contains(" an ack of topic relaxed means: "), "{text}");
}
