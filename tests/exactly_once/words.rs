//! Drives: two instances of Kafka Streams that count words (`WordCount.java`), killed and started
//! again, as is the broker.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_testing::quorum::{compile, compiled_process};
use fastrand::Rng;

use crate::prose::{self, Counts};
use crate::site::{Nodes, Site};
use crate::{END_WITHIN, PARTITIONS};

/// The topic of lines, and that of the counts.
const TEXT: &str = "text";
const COUNTS: &str = "counts";
const INSTANCES: usize = 2;
/// The options of their JVMs.
const JVM: &[&str] = &["-Xmx160m"];

/// Strikes the site or kills an instance, again and again.
pub fn run(mut site: Site, kills: u64, random: &mut Rng) -> Result<String, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exactly_once/WordCount.java");
    let dir = site.dir.path().to_owned();
    compile(&source, &dir)?;
    for topic in [TEXT, COUNTS] {
        site.create(topic);
    }
    let nodes = site.nodes();
    let stop = Arc::new(AtomicBool::new(false));
    let writing = thread::spawn({
        let (stop, nodes) = (stop.clone(), nodes.clone());
        move || prose::write(&nodes, TEXT, &stop)
    });
    let instances = (0..INSTANCES).map(|index| Instance::new(&dir, &nodes, index));
    let mut instances: Vec<Instance> = instances.collect();
    wait(&mut instances, Duration::from_secs(5));
    let mut killed = 0;
    let mut seen = 0;
    for number in 0.. {
        if number >= kills && site.is_enough() {
            break;
        }
        wait(
            &mut instances,
            Duration::from_millis(random.u64(1_000..4_000)),
        );
        if random.bool() {
            site.strike(&mut |time| wait(&mut instances, time));
            let found = total(&counted(&nodes)?);
            if found < seen {
                return Err(format!(
                    "{seen} counts were committed, {found} after a kill"
                ));
            }
            seen = found;
        } else {
            killed += 1;
            instances[random.usize(..INSTANCES)].kill();
        }
    }
    site.settle(&[TEXT, COUNTS]);
    stop.store(true, Ordering::Relaxed);
    let written = writing.join().map_err(|_| "the producer has failed")??;
    let plain = prose::count(&written);
    finish(&mut instances, &nodes, &plain)?;
    let struck = site.stop(&[TEXT]);
    let runs: usize = instances.iter().map(|instance| instance.runs).sum();
    Ok(format!(
        "{struck}, {killed} kills of Kafka Streams; {} lines, {} words, {} of them different: each \
         count as the plain one, in {runs} runs",
        written.len(),
        total(&plain),
        plain.len(),
    ))
}

/// Keeps the instances running for so long.
fn wait(instances: &mut [Instance], time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        instances.iter_mut().for_each(Instance::keep_running);
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until all words are counted; the counts must be those of `plain` then, and stay so when
/// nothing is under way any more.
fn finish(instances: &mut [Instance], nodes: &Nodes, plain: &Counts) -> Result<(), String> {
    let deadline = Instant::now() + END_WITHIN;
    while total(&counted(nodes)?) < total(plain) {
        if Instant::now() > deadline {
            let counted = total(&counted(nodes)?);
            return Err(format!(
                "{counted} of {} words were counted in time",
                total(plain)
            ));
        }
        wait(instances, Duration::from_millis(500));
    }
    wait(instances, Duration::from_secs(1));
    instances.iter_mut().for_each(Instance::kill);
    let counted = counted(nodes)?;
    let differs = |(word, count): (&String, &u64)| {
        let other = plain.get(word).copied().unwrap_or_default();
        (other != *count).then(|| format!("{word:?} was counted {count} times, is there {other}"))
    };
    match counted.iter().find_map(differs) {
        Some(how) => Err(how),
        // As many, and none that differs: the same.
        None => Ok(()),
    }
}

fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}

/// The newest committed count of each word; an error where one was left out or told twice.
fn counted(nodes: &Nodes) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for partition in 0..PARTITIONS {
        for value in nodes.committed(COUNTS, partition)? {
            let value = String::from_utf8_lossy(&value).into_owned();
            let number = value.split_once(' ').and_then(|(word, number)| {
                let number: u64 = number.parse().ok()?;
                Some((word.to_owned(), number))
            });
            let (word, number) = number.ok_or_else(|| format!("{value:?} is no count"))?;
            let before = counts.insert(word, number).unwrap_or_default();
            if number != before + 1 {
                return Err(format!("{value:?} was told after count {before}"));
            }
        }
    }
    Ok(counts)
}

/// One process that counts.
struct Instance {
    classes: PathBuf,
    /// For what Kafka Streams notes; it is of this instance alone.
    state: PathBuf,
    servers: String,
    child: Option<Child>,
    /// How often it was started.
    runs: usize,
}

impl Instance {
    /// One that does not run yet.
    fn new(dir: &Path, nodes: &Nodes, index: usize) -> Instance {
        Instance {
            classes: dir.to_owned(),
            state: dir.join(format!("streams-{index}")),
            servers: nodes.servers(),
            child: None,
            runs: 0,
        }
    }

    fn keep_running(&mut self) {
        if let Some(child) = &mut self.child
            && matches!(child.try_wait(), Ok(None))
        {
            return;
        }
        let mut java = compiled_process(&self.classes, "WordCount", JVM);
        java.arg(&self.servers).arg(&self.state);
        java.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(java.spawn().expect("a JVM starts"));
        self.runs += 1;
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}
