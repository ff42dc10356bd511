//! Pure: what a value must satisfy beyond its type, in Kafka's words where it does not.

use super::value::{InvalidValue, Value, invalid};

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

// === impl Rule ===

impl Rule {
    pub(super) fn check(self, name: &str, value: &Value) -> Result<(), InvalidValue> {
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
