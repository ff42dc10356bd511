//! Pure: what `corelane check` found, as text for people and as JSON.

use std::fmt::Write;

use super::device::DeviceFacts;
use super::guarantee::{AckClass, Guarantee, Survives, guarantee};
use super::knobs::Finding;

/// All that was found out about a host.
pub struct Report {
    /// Why the broker cannot serve here, in sentences; empty where it can.
    pub obstacles: Vec<String>,
    /// The data folders, in the order of the settings.
    pub folders: Vec<Folder>,
    /// Words about them.
    pub notes: Vec<String>,
    /// The knobs; those of a disk once for each.
    pub findings: Vec<Finding>,
}

/// A data folder.
pub struct Folder {
    /// What lies under it.
    pub device: DeviceFacts,
    /// The guarantees in force, the default first.
    pub acks: Vec<Acks>,
    /// What the device takes for a write; `None` where it was not measured.
    pub timings: Option<Timings>,
}

/// A class of acks and who has it.
pub struct Acks {
    /// What its acks mean.
    pub guarantee: Guarantee,
    /// Whether topics have it that say nothing else.
    pub is_default: bool,
    /// Topics whose own `flush.messages` asks for it.
    pub topics: Vec<String>,
}

/// How long one after the other takes, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The median.
    pub p50_us: f64,
    /// The 99th percentile.
    pub p99_us: f64,
    /// How many were made.
    pub count: usize,
}

/// Direct overwrites of 4 KiB in the data folder, as the broker makes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timings {
    /// The write alone.
    pub write: Timing,
    /// The write and the flush behind it.
    pub flushed: Timing,
}

/// The classes in force where topics ask for `flush.messages` of their own: name and value.
pub fn acks(facts: &DeviceFacts, default: u64, topics: &[(String, u64)]) -> Vec<Acks> {
    let class = AckClass::of(default);
    let other = match class {
        AckClass::Flushed => AckClass::Written,
        AckClass::Written => AckClass::Flushed,
    };
    let with = |class| Acks {
        guarantee: guarantee(facts, class),
        is_default: class == AckClass::of(default),
        topics: topics
            .iter()
            .filter(|(_, messages)| AckClass::of(*messages) == class)
            .map(|(name, _)| name.clone())
            .collect(),
    };
    let mut acks = vec![with(class)];
    acks.extend(Some(with(other)).filter(|acks| !acks.topics.is_empty()));
    acks
}

/// Topics that a report names before it only counts them.
const NAMED_MAX: usize = 5;

fn named(topics: &[String]) -> String {
    let mut text = topics[..topics.len().min(NAMED_MAX)].join(", ");
    if let Some(more) = topics.len().checked_sub(NAMED_MAX + 1) {
        let _ = write!(text, " and {} more", more + 1);
    }
    text
}

// === impl Acks ===

impl Acks {
    /// Who has it, and what it means, in one sentence.
    pub fn sentence(&self) -> String {
        let text = &self.guarantee.text;
        match (self.is_default, self.topics.len()) {
            (true, _) => format!("an ack means: {text}"),
            (false, 1) => format!("an ack of topic {} means: {text}", self.topics[0]),
            (false, count) => {
                format!(
                    "an ack of {count} topics ({}) means: {text}",
                    named(&self.topics)
                )
            }
        }
    }
}

// === impl Folder ===

impl Folder {
    fn text_into(&self, text: &mut String) {
        let _ = writeln!(text, "data folder  {}", self.device.dir);
        let _ = writeln!(text, "on           {}\n", stack(&self.device));
        for acks in &self.acks {
            let weak = acks.guarantee.survives < Survives::PowerCut;
            let mark = if weak { "!" } else { "=" };
            let _ = writeln!(text, "{mark} {}", acks.sentence());
        }
        if let Some(Timings { write, flushed }) = self.timings {
            let _ = writeln!(
                text,
                "\nmeasured here, direct overwrites of 4 KiB, one at a time:"
            );
            for (name, timing) in [("write", write), ("write and flush", flushed)] {
                let _ = writeln!(
                    text,
                    "  {name:<16} p50 {:>8.1} µs   p99 {:>8.1} µs   ({} times)",
                    timing.p50_us, timing.p99_us, timing.count
                );
            }
        }
        text.push('\n');
    }

    fn json(&self) -> String {
        let acks = self.acks.iter().map(|acks| {
            format!(
                "{{\"class\":{},\"default\":{},\"survives\":{},\"text\":{},\"topics\":{}}}",
                quoted(acks.guarantee.class.word()),
                acks.is_default,
                quoted(acks.guarantee.survives.word()),
                quoted(&acks.guarantee.text),
                strings(&acks.topics)
            )
        });
        format!(
            "{{\"data_dir\":{},\"device\":{},\"acks\":{},\"measured_us\":{}}}",
            quoted(&self.device.dir),
            device_json(&self.device),
            list(acks.collect()),
            timings_json(self.timings)
        )
    }
}

fn stack(device: &DeviceFacts) -> String {
    let mut text = match &device.mount {
        Some(mount) => format!("{} ({})", mount.fs, mount.options.join(",")),
        None => "no known file system".to_owned(),
    };
    for layer in &device.layers {
        let cache = match layer.volatile_cache {
            Some(true) => "volatile write cache",
            Some(false) => "no volatile write cache",
            None => "write cache not told",
        };
        let fua = if layer.fua { ", FUA" } else { "" };
        let model = Some(&layer.model).filter(|it| !it.is_empty());
        let model = model.map_or(String::new(), |model| format!(" [{model}]"));
        let sizes = (layer.logical_block_bytes, layer.physical_block_bytes);
        let _ = write!(
            text,
            " on {}{model}: {cache}{fua}, blocks of {}/{}",
            layer.name, sizes.0, sizes.1
        );
    }
    if let Some((memory, offset)) = device.alignment {
        let _ = write!(text, "; direct I/O aligned to {memory}/{offset}");
    }
    text
}

fn device_json(device: &DeviceFacts) -> String {
    let layers = device.layers.iter().map(|layer| {
        let cache = layer.volatile_cache.map(|it| it.to_string());
        format!(
            "{{\"name\":{},\"model\":{},\"volatile_cache\":{},\"fua\":{},\"virtual\":{},\
             \"scheduler\":{},\"logical_block_bytes\":{},\"physical_block_bytes\":{}}}",
            quoted(&layer.name),
            quoted(&layer.model),
            cache.as_deref().unwrap_or("null"),
            layer.fua,
            layer.is_virtual,
            quoted(&layer.scheduler),
            layer.logical_block_bytes,
            layer.physical_block_bytes
        )
    });
    format!(
        "{{\"file_system\":{},\"options\":{},\"kernel\":{},\"layers\":{}}}",
        quoted(device.fs()),
        quoted(&device.options()),
        quoted(&device.kernel),
        list(layers.collect())
    )
}

fn timings_json(timings: Option<Timings>) -> String {
    let Some(Timings { write, flushed }) = timings else {
        return "null".to_owned();
    };
    let of = |timing: Timing| {
        format!(
            "{{\"p50\":{:.1},\"p99\":{:.1},\"count\":{}}}",
            timing.p50_us, timing.p99_us, timing.count
        )
    };
    format!(
        "{{\"write\":{},\"write_flush\":{}}}",
        of(write),
        of(flushed)
    )
}

fn list(items: Vec<String>) -> String {
    format!("[{}]", items.join(","))
}

fn strings(items: &[String]) -> String {
    list(items.iter().map(|item| quoted(item)).collect())
}

// === impl Report ===

impl Report {
    /// Knobs that differ from what is wanted.
    fn differing(&self) -> impl Iterator<Item = &Finding> {
        let differs = |it: &&Finding| it.found.as_ref().is_some_and(|found| !found.fine);
        self.findings.iter().filter(differs)
    }

    /// Whether the broker can serve here.
    pub fn can_serve(&self) -> bool {
        self.obstacles.is_empty()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for folder in &self.folders {
            folder.text_into(&mut text);
        }
        // Writing to a string cannot fail.
        for note in &self.notes {
            let _ = writeln!(text, "note         {note}");
        }
        for obstacle in &self.obstacles {
            let _ = writeln!(text, "\nCANNOT SERVE HERE: {obstacle}");
        }
        self.knobs_into(&mut text);
        text
    }

    fn knobs_into(&self, text: &mut String) {
        let known = self.findings.iter().filter(|it| it.found.is_some()).count();
        let differing = self.differing().count();
        let absent = self.findings.len() - known;
        let _ = writeln!(
            text,
            "\nhost: {} settings as wanted, {differing} to look at, {absent} that it does not \
             have. On a virtual\nmachine the host below decides about most of them.",
            known - differing
        );
        for finding in self.differing() {
            let knob = finding.knob;
            let value = finding.found.as_ref().map_or("", |found| &found.value);
            let value = if value.is_empty() { "empty" } else { value };
            let _ = writeln!(
                text,
                "\n{}: {}\n  is      {value}\n  wanted  {}\n  why     {}\n  how     {}\n  revert  {}",
                finding.group, knob.name, knob.wanted, knob.why, knob.how, knob.back
            );
        }
    }

    /// For machines.
    pub fn json(&self) -> String {
        let findings = self.findings.iter().map(|finding| {
            let knob = finding.knob;
            let (value, verdict) = match &finding.found {
                Some(found) if found.fine => (quoted(&found.value), "fine"),
                Some(found) => (quoted(&found.value), "differs"),
                None => ("null".to_owned(), "absent"),
            };
            format!(
                "{{\"knob\":{},\"group\":{},\"found\":{value},\"wanted\":{},\"verdict\":\
                 \"{verdict}\",\"why\":{},\"how\":{},\"revert\":{}}}",
                quoted(knob.name),
                quoted(&finding.group),
                quoted(knob.wanted),
                quoted(knob.why),
                quoted(knob.how),
                quoted(knob.back)
            )
        });
        format!(
            "{{\"can_serve\":{},\"obstacles\":{},\"folders\":{},\"notes\":{},\"knobs\":{}}}\n",
            self.can_serve(),
            strings(&self.obstacles),
            list(self.folders.iter().map(Folder::json).collect()),
            strings(&self.notes),
            list(findings.collect())
        )
    }
}

/// A string as JSON writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\u{0}'..='\u{1f}' => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(char));
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
