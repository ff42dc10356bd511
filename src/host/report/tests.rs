use super::super::Written;
use super::super::device::tests::disk;
use super::super::knobs::{Host, examine};
use super::*;

fn report(obstacles: Vec<String>) -> Report {
    let device = disk("ext4", "rw", "write back");
    let mut look = Written::default();
    let path = "/sys/sda/queue/scheduler".to_owned();
    look.files.insert(path, "none [bfq]".into());
    let timing = Timing {
        p50_us: 51.04,
        p99_us: 99.0,
        count: 1000,
    };
    let host = Host {
        look: &look,
        device: &device,
    };
    let topics = [("fast".to_owned(), 100), ("slow".to_owned(), 1)];
    Report {
        obstacles,
        notes: vec!["a \"note\"".into()],
        findings: examine(&host),
        folders: vec![Folder {
            acks: acks(&device, 1, &topics),
            timings: Some(Timings {
                write: timing,
                flushed: timing,
            }),
            device,
        }],
    }
}

#[test]
fn people_read_the_guarantee_first_and_then_what_to_do() {
    let report = report(Vec::new());
    let text = report.text();
    assert!(report.can_serve());
    for wanted in [
        "data folder  /data/corelane\n",
        "sda [PM9A3]: volatile write cache, FUA, blocks of 512/4096",
        "= an ack means: on stable storage",
        "! an ack of topic fast means: survives a crash of the broker, not one of the kernel",
        "write and flush  p50     51.0 µs",
        "Disk sda: I/O scheduler\n  is      bfq\n  wanted  `none`\n  why     shards",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing from\n{text}");
    }
    assert!(!text.contains("CANNOT"), "{text}");
    let refused = self::report(vec!["no ring".into()]).text();
    assert!(refused.contains("CANNOT SERVE HERE: no ring"), "{refused}");
}

#[test]
fn machines_read_all_of_it() {
    let json = report(vec!["a\\b\n".into()]).json();
    for wanted in [
        "\"can_serve\":false,\"obstacles\":[\"a\\\\b\\u000a\"]",
        "\"notes\":[\"a \\\"note\\\"\"]",
        "\"class\":\"flushed\",\"default\":true,\"survives\":\"power_cut\"",
        "\"topics\":[\"fast\"]",
        "\"write\":{\"p50\":51.0,\"p99\":99.0,\"count\":1000}",
        "\"knob\":\"I/O scheduler\",\"group\":\"Disk sda\",\"found\":\"bfq\"",
        "\"verdict\":\"absent\"",
    ] {
        assert!(json.contains(wanted), "{wanted} is missing from {json}");
    }
    let (open, shut) = (json.matches('{').count(), json.matches('}').count());
    assert_eq!(open, shut);
}

#[test]
fn many_topics_are_counted_and_a_relaxed_default_is_the_default() {
    let device = disk("ext4", "rw", "write back");
    let topics: Vec<_> = (0..7).map(|n| (format!("t{n}"), 1)).collect();
    let acks = acks(&device, 10, &topics);
    assert_eq!(acks[0].guarantee.class, AckClass::Written);
    let text = acks[1].sentence();
    assert!(
        text.starts_with("an ack of 7 topics (t0, t1, t2, t3, t4 and 2 more) means:"),
        "{text}"
    );
}
