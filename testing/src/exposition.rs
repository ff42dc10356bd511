//! Pure: the text that Prometheus scrapes (exposition format 0.0.4), read strictly: what `promtool
//! check metrics` would complain about is an error here.

use std::collections::BTreeMap;

/// All metrics of one name.
pub struct Family {
    /// The name.
    pub name: String,
    /// counter, gauge or histogram.
    pub kind: String,
    /// What it counts.
    pub help: String,
    /// Its series.
    pub samples: Vec<Sample>,
}

/// One series.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The family's name, for histograms with `_bucket`, `_sum` or `_count` behind it.
    pub name: String,
    /// Names and values of labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Reads a page; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Family>, String> {
    let mut families: Vec<Family> = Vec::new();
    let mut help = None;
    for line in text.lines() {
        let taken = if let Some(rest) = line.strip_prefix("# HELP ") {
            take_help(rest, &mut help)
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            take_type(rest, help.take(), &mut families)
        } else {
            take_sample(line, &mut families)
        };
        taken.map_err(|why| format!("{why}: {line}"))?;
    }
    families.iter().try_for_each(check)?;
    Ok(families)
}

/// The value of the series that has (at least) these labels.
pub fn value(families: &[Family], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let samples = families.iter().flat_map(|family| &family.samples);
    let mut found = samples.filter(|sample| {
        let has =
            |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|it| it == value);
        sample.name == name && labels.iter().all(has)
    });
    found.next().map(|sample| sample.value)
}

/// The sum of all series that have (at least) these labels.
pub fn sum(families: &[Family], name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = families.iter().flat_map(|family| &family.samples);
    let found = samples.filter(|sample| {
        let has =
            |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|it| it == value);
        sample.name == name && labels.iter().all(has)
    });
    found.map(|sample| sample.value).sum()
}

fn take_help(rest: &str, help: &mut Option<(String, String)>) -> Result<(), String> {
    let (name, text) = rest.split_once(' ').ok_or("a help without a text")?;
    if help.is_some() {
        return Err("a help text without a type".into());
    }
    *help = Some((name.to_owned(), text.to_owned()));
    Ok(())
}

fn take_type(
    rest: &str,
    help: Option<(String, String)>,
    families: &mut Vec<Family>,
) -> Result<(), String> {
    let (name, kind) = rest.split_once(' ').ok_or("a type without a name")?;
    let (helped, help) = help.ok_or("a type without a help text before it")?;
    if helped != name {
        return Err(format!("the help text before it is that of {helped}"));
    }
    if !["counter", "gauge", "histogram"].contains(&kind) {
        return Err("no such type".into());
    }
    if families.iter().any(|family| family.name == name) {
        return Err("a second help and type".into());
    }
    if !is_legal(name, true) {
        return Err("no legal name".into());
    }
    families.push(Family {
        name: name.to_owned(),
        kind: kind.to_owned(),
        help,
        samples: Vec::new(),
    });
    Ok(())
}

fn take_sample(line: &str, families: &mut [Family]) -> Result<(), String> {
    let family = families.last_mut().ok_or("a sample before any type")?;
    let (series, value) = line.rsplit_once(' ').ok_or("a sample without a value")?;
    let value: f64 = value.parse().map_err(|_| "a value that is no number")?;
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => {
            let inner = rest.strip_suffix('}').ok_or("labels without an end")?;
            (name, labels(inner)?)
        }
    };
    let ending = name.strip_prefix(family.name.as_str());
    let belongs = match family.kind.as_str() {
        "histogram" => ending.is_some_and(|it| ["_bucket", "_sum", "_count"].contains(&it)),
        _ => ending == Some(""),
    };
    if !belongs {
        return Err(format!(
            "it is not of {}, which it stands under",
            family.name
        ));
    }
    let same = |one: &Sample| one.name == name && one.labels == labels;
    if family.samples.iter().any(same) {
        return Err("a second sample of one series".into());
    }
    family.samples.push(Sample {
        name: name.to_owned(),
        labels,
        value,
    });
    Ok(())
}

fn labels(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_legal(name, false) {
            return Err(format!("{name} is no name of a label"));
        }
        let mut value = String::new();
        let mut symbols = behind.char_indices();
        let end = loop {
            match symbols.next().ok_or("a label's value without an end")? {
                (at, '"') => break at,
                (_, '\\') => match symbols.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, symbol @ ('\\' | '"'))) => value.push(symbol),
                    _ => return Err("a backslash before what needs none".into()),
                },
                (_, symbol) => value.push(symbol),
            }
        };
        if found.insert(name.to_owned(), value).is_some() {
            return Err(format!("label {name} twice"));
        }
        rest = behind[end + 1..].trim_start_matches(',');
    }
    Ok(found)
}

fn is_legal(name: &str, colons: bool) -> bool {
    let is_good =
        |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_' || (colons && symbol == ':');
    name.chars().all(is_good)
        && !name.is_empty()
        && !name.starts_with(|it: char| it.is_ascii_digit())
}

/// Conventions of names, and what histograms promise.
fn check(family: &Family) -> Result<(), String> {
    let name = &family.name;
    if family.samples.is_empty() {
        return Err(format!("{name} has no series"));
    }
    if (family.kind == "counter") != name.ends_with("_total") {
        return Err(format!(
            "{name} is a {}: only counters end with _total",
            family.kind
        ));
    }
    let units = ["milliseconds", "microseconds", "kib", "mib", "percent"];
    if name.split('_').any(|word| units.contains(&word)) {
        return Err(format!("{name}: use seconds, bytes or a ratio"));
    }
    if family.kind != "histogram" {
        return Ok(());
    }
    type Labels<'a> = Vec<(&'a str, &'a str)>;
    type Buckets = Vec<(f64, f64)>;
    let mut buckets: BTreeMap<Labels<'_>, Buckets> = BTreeMap::new();
    for sample in &family.samples {
        let labels = sample.labels.iter().filter(|(key, _)| *key != "le");
        let labels = labels.map(|(key, value)| (key.as_str(), value.as_str()));
        let list = buckets.entry(labels.collect()).or_default();
        if let Some(bound) = sample.labels.get("le") {
            let bound = bound.replace("+Inf", "inf").parse();
            list.push((
                bound.map_err(|_| format!("{name}: a bound that is none"))?,
                sample.value,
            ));
        } else if sample.name.ends_with("_count")
            && list.last() != Some(&(f64::INFINITY, sample.value))
        {
            return Err(format!(
                "{name}: the last bucket is not +Inf with the count"
            ));
        }
    }
    let grows = |list: &Vec<(f64, f64)>| {
        list.windows(2)
            .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1)
    };
    match buckets.values().all(grows) {
        true => Ok(()),
        false => Err(format!("{name}: buckets do not grow")),
    }
}
