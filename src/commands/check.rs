//! Drives: `corelane check`: looks at the host and the data folder, measures, changes nothing.

use std::path::Path;
use std::time::Duration;

use crate::base::config::BrokerConfig;
use crate::host::device::DeviceFacts;
use crate::host::knobs::{self, Finding, Host};
use crate::host::measure;
use crate::host::report::{self, Folder, Report, Timings};
use crate::host::this::{self, ThisHost};
use crate::io::checks;
use crate::metadata::controller::metadata_dir;
use crate::metadata::image::{Image, ResourceKind};
use crate::metadata::source::Loader;
use crate::server::guarantee::own_flushes;
use crate::wire::batch::batches;

/// Space below which a start is pointless: the first segments need some, in bytes.
const SPACE_MIN_BYTES: u64 = 64 << 20;

/// Finds out what an ack means here, whether the broker could serve, and what costs latency;
/// writes are measured for `length` in each folder, where that is not zero.
pub fn check(config: BrokerConfig, length: Duration) -> Report {
    let mut report = Report {
        obstacles: Vec::new(),
        folders: Vec::new(),
        notes: Vec::new(),
        findings: Vec::new(),
    };
    if let Err(error) = checks::kernel() {
        report.obstacles.push(error.to_string());
    }
    let image = read_image(&metadata_dir(&config.data_dir), &mut report.notes);
    // Settings changed while running are in the image.
    let node = config.node_id(0).to_string();
    let own = image.configs.of(ResourceKind::Broker, &node);
    let config = config.with_dynamic(image.configs.all_brokers(), own);
    let default = config.topic_defaults.flush_messages;
    let topics = own_flushes(&config, &image);
    for dir in &config.log_dirs {
        let mut device = this::device_facts(dir);
        let findings = knobs_of(&device, &report);
        report.findings.extend(findings);
        let acks = report::acks(&device, default, &topics);
        let timings = look_at(dir, length, &mut report);
        device.dir = checks::absolute(dir).display().to_string();
        report.folders.push(Folder {
            device,
            acks,
            timings,
        });
    }
    report
}

/// All knobs of the host and the first disk; of another disk its own.
fn knobs_of(device: &DeviceFacts, report: &Report) -> Vec<Finding> {
    let host = Host {
        look: &ThisHost,
        device,
    };
    let disk = device.disk().map(|disk| &disk.node);
    let mut known = report.folders.iter();
    match known.any(|folder| folder.device.disk().map(|disk| &disk.node) == disk) {
        true => Vec::new(),
        false if report.folders.is_empty() => knobs::examine(&host),
        false => knobs::examine_disk(&host),
    }
}

/// Looks whether the folder could be served from, and measures.
fn look_at(dir: &Path, length: Duration, report: &mut Report) -> Option<Timings> {
    let place = this::nearest(dir);
    if place != checks::absolute(dir) {
        report.notes.push(format!(
            "{} is not there yet; what is said of it is of {}",
            dir.display(),
            place.display()
        ));
    }
    if checks::is_in_use(dir) {
        let note = "a broker is running on it, which shares the device with the measuring";
        report.notes.push(format!("{}: {note}", dir.display()));
    }
    let obstacles = obstacles(&place);
    let measures = obstacles.is_empty() && report.can_serve() && !length.is_zero();
    report.obstacles.extend(obstacles);
    match measures.then(|| measure::device(&place, length))? {
        Ok(timings) => Some(timings),
        Err(error) => {
            let note = format!("writes could not be measured: {error}");
            report.notes.push(note);
            None
        }
    }
}

/// What a start would stumble over.
fn obstacles(place: &Path) -> Vec<String> {
    let mut obstacles = Vec::new();
    if let Err(error) = checks::direct_io(place) {
        obstacles.push(error.to_string());
    }
    match checks::space(place) {
        Ok(space) if space.usable_bytes < SPACE_MIN_BYTES => obstacles.push(format!(
            "only {} MiB are left where the data folder is",
            space.usable_bytes >> 20
        )),
        Ok(_) => {}
        Err(error) => obstacles.push(format!("the data folder cannot be looked at: {error}")),
    }
    obstacles
}

/// The cluster as the metadata log on disk has it; a running broker may be ahead of it.
fn read_image(dir: &Path, notes: &mut Vec<String>) -> Image {
    let mut loader = Loader::new(&Image::default());
    for segment in this::read_all(dir, ".log") {
        // What is no whole batch is the end: prepared space, or a write under way.
        for batch in batches(&segment).map_while(Result::ok) {
            if batch.base_offset() < loader.end_offset() || batch.verify_crc().is_err() {
                continue;
            }
            if let Err(error) = loader.feed(&batch) {
                notes.push(format!("the topics' settings cannot be read: {error}"));
                return Image::default();
            }
        }
    }
    loader.finish().image
}
