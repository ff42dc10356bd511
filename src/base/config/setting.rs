//! Pure: one configuration row (its type, default, bounds and doc) and the verdict on a text for it.
//!
//! The verdicts are worded as Kafka words them (`org.apache.kafka.common.config.ConfigDef`): tools
//! and people match on those sentences.

use std::fmt;

use super::value::{self, Value};

/// A row of the tables: everything there is to say about one setting.
#[derive(Debug)]
pub struct Setting {
    /// The name in Kafka, or one that starts with `corelane.` where Kafka has none.
    pub name: &'static str,
    /// How a text is read.
    pub kind: Kind,
    /// The default as a text; `None` where nothing applies until something is set.
    pub default: Option<&'static str>,
    /// What a value must satisfy beyond its type.
    pub rule: Rule,
    /// How much a newcomer should care.
    pub importance: Importance,
    /// Whether and where it may be changed while the broker runs.
    pub mode: Mode,
    /// Whether this broker acts on it.
    pub effect: Effect,
    /// Broker settings that give a topic its default, the winning one first; empty for brokers.
    pub synonyms: &'static [&'static str],
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// A setting's type; the numbers are those of DescribeConfigs (`ConfigType`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // Kafka's own names, which say it all.
pub enum Kind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Rule {
    /// Nothing.
    Any,
    /// A number not below this.
    AtLeast(i64),
    /// A number between the two, ends included.
    Between(i64, i64),
    /// 1 to 9, or -1 for the library's own choice.
    GzipLevel,
    /// Exactly one of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts in any letter case.
    OneOfAnyCase(&'static [&'static str]),
    /// A text that is not empty.
    NonEmpty,
    /// A list of distinct items.
    Items {
        /// The items there are; empty where any text will do.
        of: &'static [&'static str],
        /// Whether a list without items is fine.
        may_be_empty: bool,
    },
    /// `*`, or `partition:broker` pairs.
    ThrottledReplicas,
    /// `id@host:port` entries.
    Voters,
    /// `host:port` entries.
    Endpoints,
    /// A log level, or several with the modules they are for.
    LogFilter,
    /// Where a share group starts: `earliest`, `latest` or `by_duration:<ISO 8601>`.
    ShareStart,
}

/// How much a newcomer should care about a setting; Kafka's own three steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whether and where a setting may be changed while the broker runs (KIP-226).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Only in the file or by a flag, with a restart.
    ReadOnly,
    /// For one node at a time.
    PerBroker,
    /// For one node, or for all of them at once.
    ClusterWide,
}

/// Whether this broker acts on a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It does what Kafka's documentation says.
    Applied,
    /// It does part of that; the sentence says which.
    Partly(&'static str),
    /// It is accepted, kept and shown, and changes nothing.
    Ignored(Why),
    /// Any other value than the default is refused at start: to go on without it would be unsafe
    /// or a surprise.
    Refused(Why),
}

/// Why a setting changes nothing here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Why {
    /// There are no thread pools to size.
    Threads,
    /// There is no JVM to load classes into or to read beans from.
    Jvm,
    /// Metadata is embedded: no KRaft quorum to take part in.
    Standalone,
    /// Each partition has one replica.
    OneReplica,
    /// TLS, SASL and delegation tokens are not in this build.
    NoSecurity,
    /// Authorisation is not in this build.
    NoAuthorizer,
    /// Quotas are not in this build.
    NoQuotas,
    /// Transactions are not in this build.
    NoTransactions,
    /// The consumer protocol of KIP-848 is not in this build.
    NoConsumerProtocol,
    /// Share groups (KIP-932) are not in this build.
    NoShareGroups,
    /// Streams groups (KIP-1071) are not in this build.
    NoStreamsGroups,
    /// Compaction is not in this build.
    NoCompaction,
    /// Tiered storage is not in this build.
    NoTiering,
    /// Client telemetry (KIP-714) is not in this build.
    NoTelemetry,
    /// What it tunes is made in another way here.
    OtherDesign,
}

impl Why {
    /// The reason as the end of a sentence that begins "accepted without effect: …,".
    pub fn text(self) -> &'static str {
        match self {
            Why::Threads => "a shard is one pinned executor, there are no thread pools to size",
            Why::Jvm => "there is no JVM here to load classes or to publish beans",
            Why::Standalone => "metadata is embedded, there is no controller quorum to reach",
            Why::OneReplica => "partitions have one replica, nothing replicates yet",
            Why::NoSecurity => "this build has no TLS, SASL or delegation tokens yet",
            Why::NoAuthorizer => "this build has no authorizer yet",
            Why::NoQuotas => "this build has no quotas yet",
            Why::NoTransactions => "this build has no transactions yet",
            Why::NoConsumerProtocol => "this build has no KIP-848 consumer groups yet",
            Why::NoShareGroups => "this build has no share groups yet",
            Why::NoStreamsGroups => "this build has no streams groups yet",
            Why::NoCompaction => "this build does not compact logs yet",
            Why::NoTiering => "this build has no tiered storage",
            Why::NoTelemetry => "this build has no client telemetry",
            Why::OtherDesign => "what it tunes is made in another way here",
        }
    }
}

/// A value that Kafka would refuse; the text is the whole sentence that Kafka answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidValue(pub String);

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidValue {}

/// Kafka's sentence about a bad value.
pub(super) fn invalid(name: &str, value: &str, reason: &str) -> InvalidValue {
    InvalidValue(format!(
        "Invalid value {value} for configuration {name}: {reason}"
    ))
}

// === impl Setting ===

impl Setting {
    /// Whether values are secrets, which are kept but never shown.
    pub fn sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// Reads `text` as this setting's value, or says in Kafka's words why it cannot be one.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let value = value::parse(self.name, self.kind, text)?;
        self.rule.check(self.name, &value)?;
        Ok(value)
    }

    /// The default as a value; `None` where there is none.
    pub fn default_value(&self) -> Option<Value> {
        // A table whose default does not parse fails the test below, so nothing is lost here.
        self.default.and_then(|text| self.parse(text).ok())
    }
}

// === impl Rule ===

impl Rule {
    fn check(self, name: &str, value: &Value) -> Result<(), InvalidValue> {
        let refuse = |reason: String| Err(invalid(name, &value.in_messages(), &reason));
        match self {
            Rule::Any => Ok(()),
            Rule::AtLeast(least) if value.number() < least as f64 => {
                refuse(format!("Value must be at least {least}"))
            }
            Rule::Between(least, _) if value.number() < least as f64 => {
                refuse(format!("Value must be at least {least}"))
            }
            Rule::Between(_, most) if value.number() > most as f64 => {
                refuse(format!("Value must be no more than {most}"))
            }
            Rule::AtLeast(_) | Rule::Between(..) => Ok(()),
            Rule::GzipLevel if matches!(value.number() as i64, -1 | 1..=9) => Ok(()),
            Rule::GzipLevel => refuse("Value must be between 1 and 9 or equal to -1".into()),
            Rule::OneOf(texts) if texts.contains(&value.text()) => Ok(()),
            Rule::OneOf(texts) => refuse(format!("String must be one of: {}", texts.join(", "))),
            Rule::OneOfAnyCase(texts) => {
                if texts.iter().any(|t| t.eq_ignore_ascii_case(value.text())) {
                    return Ok(());
                }
                let texts = texts.join(", ");
                refuse(format!("String must be one of (case insensitive): {texts}"))
            }
            Rule::NonEmpty if value.text().is_empty() => refuse("String must be non-empty".into()),
            Rule::NonEmpty => Ok(()),
            Rule::Items { of, may_be_empty } => check_items(name, value.items(), of, may_be_empty),
            Rule::ThrottledReplicas => check_throttled(name, value),
            Rule::Voters => check_voters(name, value.items()),
            Rule::Endpoints => check_endpoints(name, value.items()),
            Rule::LogFilter if value.text().split(',').all(is_log_directive) => Ok(()),
            Rule::LogFilter => refuse(
                "expected error, warn, info, debug, trace or off, \
                 or parts like corelane::log=debug between commas"
                    .into(),
            ),
            Rule::ShareStart => check_share_start(name, value.text()),
        }
    }

    /// The bound as the docs print it; empty where there is none.
    pub fn text(self) -> String {
        match self {
            Rule::Any => String::new(),
            Rule::AtLeast(least) => format!("at least {least}"),
            Rule::Between(least, most) => format!("{least} to {most}"),
            Rule::GzipLevel => "1 to 9, or -1".into(),
            Rule::OneOf(texts) => format!("one of {}", texts.join(", ")),
            Rule::OneOfAnyCase(texts) => format!("one of {}, in any case", texts.join(", ")),
            Rule::NonEmpty => "not empty".into(),
            Rule::Items { of: [], .. } => "distinct items".into(),
            Rule::Items { of, .. } => format!("any of {}", of.join(", ")),
            Rule::ThrottledReplicas => "`*`, or partition:broker pairs".into(),
            Rule::Voters => "id@host:port entries".into(),
            Rule::Endpoints => "host:port entries".into(),
            Rule::LogFilter => "error, warn, info, debug, trace, off, or module=level".into(),
            Rule::ShareStart => "earliest, latest or by_duration:PnDTnHnMn.nS".into(),
        }
    }
}

/// Kafka's `ConfigDef.ValidList`.
fn check_items(
    name: &str,
    items: &[String],
    of: &[&str],
    may_be_empty: bool,
) -> Result<(), InvalidValue> {
    let about = |text: String| Err(InvalidValue(format!("Configuration '{name}' {text}")));
    if items.is_empty() && !may_be_empty {
        let valid = if of.is_empty() {
            "any non-empty value".to_owned()
        } else {
            format!("[{}]", of.join(", "))
        };
        return about(format!("must not be empty. Valid values include: {valid}"));
    }
    let distinct: std::collections::BTreeSet<&String> = items.iter().collect();
    if distinct.len() != items.len() {
        return about("values must not be duplicated.".into());
    }
    for item in items {
        if item.is_empty() {
            return about("values must not be empty.".into());
        }
        if !of.is_empty() && !of.contains(&item.as_str()) {
            let reason = format!("String must be one of: {}", of.join(", "));
            return Err(invalid(name, item, &reason));
        }
    }
    Ok(())
}

/// Kafka's `ThrottledReplicaListValidator`.
fn check_throttled(name: &str, value: &Value) -> Result<(), InvalidValue> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let pair = |item: &str| {
        item.split_once(':')
            .is_some_and(|(p, b)| digits(p) && digits(b))
    };
    let items = value.items();
    // Empty items pass in Kafka too.
    if items == ["*"] || items.iter().all(|item| item.is_empty() || pair(item)) {
        return Ok(());
    }
    let reason = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(invalid(name, &value.in_messages(), &reason))
}

/// Kafka's `QuorumConfig.ControllerQuorumVotersValidator`.
fn check_voters(name: &str, items: &[String]) -> Result<(), InvalidValue> {
    const FORM: &str = "Each entry should be in the form `{id}@{host}:{port}`.";
    for item in items {
        let Some((id, endpoint)) = item.split_once('@') else {
            return Err(InvalidValue(format!(
                "Invalid configuration value for {name}. {FORM}"
            )));
        };
        if id.parse::<i32>().is_err() {
            return Err(InvalidValue(format!(
                "Failed to parse voter ID as an integer from {id}"
            )));
        }
        if host_and_port(endpoint).is_none() {
            return Err(InvalidValue(format!(
                "Failed to parse host name from entry {item} for the configuration {name}. {FORM}"
            )));
        }
    }
    Ok(())
}

/// Kafka's `QuorumConfig.ControllerQuorumBootstrapServersValidator`.
fn check_endpoints(name: &str, items: &[String]) -> Result<(), InvalidValue> {
    match items.iter().find(|item| host_and_port(item).is_none()) {
        None => Ok(()),
        Some(item) => Err(InvalidValue(format!(
            "Failed to parse host name from {item} for the configuration {name}. \
             Each entry should be in the form \"{{host}}:{{port}}\""
        ))),
    }
}

/// Splits `host:port`; an IPv6 address may stand in brackets.
pub(super) fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let odd = |c: char| !c.is_ascii_alphanumeric() && !"-._%:".contains(c);
    if host.contains(odd) {
        return None;
    }
    Some((host, port.parse().ok()?))
}

/// `level`, or `module=level`.
fn is_log_directive(text: &str) -> bool {
    let (module, level) = text
        .trim()
        .split_once('=')
        .unwrap_or(("corelane", text.trim()));
    let path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    !module.is_empty()
        && module.chars().all(path)
        && levels.iter().any(|known| level.eq_ignore_ascii_case(known))
}

/// Kafka's `ShareGroupAutoOffsetResetStrategy.Validator`.
fn check_share_start(name: &str, text: &str) -> Result<(), InvalidValue> {
    let duration = text.strip_prefix("by_duration:");
    if matches!(text, "earliest" | "latest") || duration.is_some_and(is_duration) {
        return Ok(());
    }
    let reason = format!(
        "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', \
         'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
    );
    Err(invalid(name, text, &reason))
}

/// Whether a text is an ISO 8601 length such as `P1DT2H3M4.5S`, and not a negative one.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return false,
        None => (rest, ""),
    };
    !rest.is_empty() && consists_of(date, "D") && consists_of(time, "HMS")
}

/// Whether `text` is numbers each followed by one of `units`, in that order, each at most once.
fn consists_of(mut text: &str, units: &str) -> bool {
    let mut units = units.chars();
    while !text.is_empty() {
        let Some(end) = text.find(|c: char| !c.is_ascii_digit() && c != '.') else {
            return false;
        };
        let unit = text[end..].chars().next();
        let known = unit.is_some() && units.any(|u| Some(u) == unit);
        let number = &text[..end];
        let whole = number.bytes().all(|b| b.is_ascii_digit());
        if !known || number.is_empty() || !(whole || unit == Some('S')) {
            return false;
        }
        text = &text[end + 1..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::{GROUP_SETTINGS, TOPIC_SETTINGS, broker_settings};
    use super::*;

    fn row(table: &str, name: &str) -> &'static Setting {
        let found = match table {
            "broker" => broker_settings().find(|row| row.name == name),
            "topic" => TOPIC_SETTINGS.iter().find(|row| row.name == name),
            _ => GROUP_SETTINGS.iter().find(|row| row.name == name),
        };
        found.unwrap_or_else(|| panic!("no row {table} {name}"))
    }

    #[test]
    fn every_verdict_is_the_one_that_kafka_gives() {
        let golden = include_str!("../../../tests/golden/config/verdicts.txt");
        let mut wrong = Vec::new();
        let mut asked = 0;
        for line in golden.lines() {
            let mut fields = line.split('\t');
            let mut next = || fields.next().expect("five fields");
            let (table, name, text, verdict, expected) = (next(), next(), next(), next(), next());
            let row = row(table, name);
            let ours = match row.parse(text) {
                Ok(_) if row.sensitive() => "ok\t".to_owned(),
                Ok(value) => format!("ok\t{value}"),
                Err(invalid) => format!("bad\t{invalid}"),
            };
            if ours != format!("{verdict}\t{expected}") {
                wrong.push(format!(
                    "{name} {text:?}: {ours}, Kafka: {verdict}\t{expected}"
                ));
            }
            asked += 1;
        }
        assert!(asked > 1000, "only {asked} questions");
        assert!(
            wrong.is_empty(),
            "{} differ:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    #[test]
    fn log_levels_are_levels() {
        let row = row("broker", "corelane.log.level");
        for good in [
            "info",
            "WARN",
            "off",
            "info,corelane::log=debug",
            "hyper=error, info",
        ] {
            assert!(row.parse(good).is_ok(), "{good}");
        }
        for bad in ["loud", "", "corelane::log", "=info", "a b=info", "info,"] {
            let error = row.parse(bad).expect_err(bad).0;
            let head =
                format!("Invalid value {bad} for configuration corelane.log.level: expected");
            assert!(error.starts_with(&head), "{error}");
        }
    }

    #[test]
    fn every_default_fits_its_own_row() {
        let rows = broker_settings()
            .chain(TOPIC_SETTINGS)
            .chain(GROUP_SETTINGS);
        for row in rows {
            let Some(text) = row.default else { continue };
            let value = row
                .parse(text)
                .unwrap_or_else(|e| panic!("{}: {e}", row.name));
            assert_eq!(value.to_string(), text, "{}", row.name);
            assert!(
                !row.doc.is_empty() && row.doc.ends_with('.'),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn names_are_unique_and_synonyms_exist() {
        for rows in [TOPIC_SETTINGS, GROUP_SETTINGS] {
            for row in rows {
                assert_eq!(
                    rows.iter().filter(|r| r.name == row.name).count(),
                    1,
                    "{}",
                    row.name
                );
                for synonym in row.synonyms {
                    assert!(broker_settings().any(|r| r.name == *synonym), "{synonym}");
                }
            }
        }
        for row in broker_settings() {
            assert_eq!(
                broker_settings().filter(|r| r.name == row.name).count(),
                1,
                "{}",
                row.name
            );
        }
    }
}
