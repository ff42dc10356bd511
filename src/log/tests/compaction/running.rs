//! Drives: compaction beside readers, a close, and the longest lag.

use super::*;

#[test]
fn a_reader_in_the_middle_goes_on_and_a_close_in_the_middle_ends_it() {
    on_both_disks(|disk, dir| async move {
        let (log, _) = open(&logs(&disk), &dir, settings(1_200), Opening::default()).await;
        let appended = fill(&log, Codec::None).await;
        let dirt = log.dirt(None, FOREVER, 0).await.expect("readable");
        let dirt = dirt.expect("compacted");
        let reading = async {
            for round in 0..20 {
                let seen = read(&log).await;
                assert_eq!(table(seen.iter()), table(appended.iter()), "{round}");
                let found = log.offset_for_time(1_030).await.expect("readable");
                assert!(found.is_some_and(|found| (60..=66).contains(&found.offset)));
            }
        };
        let cleaning = clean_with(&log, &dirt, 0, 1 << 20, &LastRecords::new);
        let (_, done) = join(reading, cleaning).await;
        done.expect("cleaned");
        assert_eq!(table(read(&log).await.iter()), table(appended.iter()));

        for _ in 0..10 {
            append(
                &log,
                &keyed(Codec::None, 9, &[("key 1", Some(&"w".repeat(200)))]),
            )
            .await;
        }
        seal(&log).await;
        let dirt = log.dirt(None, FOREVER, 0).await.expect("readable");
        let dirt = dirt.expect("compacted");
        let cleaning = clean_with(&log, &dirt, 0, 1 << 20, &LastRecords::new);
        let (done, closed) = join(cleaning, log.close()).await;
        closed.expect("closed");
        assert!(
            matches!(done, Ok(_) | Err(CleanError::Overtaken)),
            "{done:?}"
        );
        let opening = Opening {
            clean: true,
            recovery_point: 90,
            ..Opening::default()
        };
        let (log, _) = open(&logs(&disk), &dir, settings(1_200), opening).await;
        let seen = read(&log).await;
        assert_eq!(seen.last().map(|it| it.0), Some(89));
        assert_eq!(table(seen.iter()).len(), table(appended.iter()).len());
    });
}

#[test]
fn a_log_without_traffic_is_compacted_when_the_longest_lag_has_passed() {
    on_both_disks(|disk, dir| async move {
        let config = LogConfig {
            max_compaction_lag_ms: 500,
            min_dirty_ratio: 1.0,
            ..settings(1 << 20)
        };
        let (log, _) = open(&logs(&disk), &dir, config, Opening::default()).await;
        for _ in 0..3 {
            append(&log, &keyed(Codec::None, 1_000, &[("a", Some("1"))])).await;
        }
        let due = |now| {
            let log = &log;
            async move {
                let dirt = log.dirt(None, FOREVER, now).await.expect("readable");
                dirt.expect("compacted").is_due(1.0)
            }
        };
        assert!(!due(1_500).await, "not yet");
        while !due(1_501).await {
            log.maintain(0).await.expect("maintained");
            disk.runtime().yield_now().await;
        }
        clean(&log, None, 1_501).await.expect("due");
        assert_eq!(
            read(&log).await,
            [(2, "a".to_owned(), Some("1".to_owned()))]
        );
    });
}

// --- crashes ---
