//! Pure: values of settings: read from text and printed again the way Kafka does both.

use std::fmt;

/// A setting's value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of 16, 32 or 64 bits.
    Int(i64),
    /// A floating point number.
    Double(f64),
    /// A text, a class name or a secret.
    Text(String),
    /// Items that stood between commas.
    List(Vec<String>),
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

/// A value that Kafka would refuse; the text is the whole sentence that Kafka answers.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub String);

/// Kafka's sentence about a bad value.
pub(super) fn invalid(name: &str, value: &str, reason: &str) -> InvalidValue {
    InvalidValue(format!(
        "Invalid value {value} for configuration {name}: {reason}"
    ))
}

/// Reads `text` as a value of `kind` (Kafka's `ConfigDef.parseType`).
pub(super) fn parse(name: &str, kind: Kind, text: &str) -> Result<Value, InvalidValue> {
    let trimmed = text.trim();
    let number = |type_name: &str, least: i64, most: i64| {
        trimmed
            .parse::<i64>()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .map(Value::Int)
            .ok_or_else(|| invalid(name, text, &format!("Not a number of type {type_name}")))
    };
    match kind {
        Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        Kind::Boolean => Err(invalid(
            name,
            text,
            "Expected value to be either true or false",
        )),
        Kind::String | Kind::Class | Kind::Password => Ok(Value::Text(trimmed.to_owned())),
        Kind::Short => number("SHORT", i64::from(i16::MIN), i64::from(i16::MAX)),
        Kind::Int => number("INT", i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::Long => number("LONG", i64::MIN, i64::MAX),
        Kind::Double => parse_double(trimmed)
            .map(Value::Double)
            .ok_or_else(|| invalid(name, text, "Not a number of type DOUBLE")),
        Kind::List if trimmed.is_empty() => Ok(Value::List(Vec::new())),
        Kind::List => Ok(Value::List(
            trimmed
                .split(',')
                .map(|item| item.trim().to_owned())
                .collect(),
        )),
    }
}

/// Java's `Double.parseDouble` for what people write: digits, exponents, an `f` or `d` at the end.
fn parse_double(text: &str) -> Option<f64> {
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let plain = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    digits.parse().ok().filter(|_| plain)
}

impl Value {
    /// The number this is; 0 for what is none (the tables never ask).
    pub fn number(&self) -> f64 {
        match self {
            Value::Int(number) => *number as f64,
            Value::Double(number) => *number,
            _ => 0.0,
        }
    }

    /// The text this is; empty for what is none.
    pub fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// The items of a list; none for what is no list.
    pub fn items(&self) -> &[String] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// As Java prints it inside a message: a list stands in brackets.
    pub(super) fn in_messages(&self) -> String {
        match self {
            Value::List(items) => format!("[{}]", items.join(", ")),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Value {
    /// Kafka's `ConfigDef.convertToString`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Double(value) => f.write_str(&java_double(*value)),
            Value::Text(value) => f.write_str(value),
            Value::List(items) => f.write_str(&items.join(",")),
        }
    }
}

/// Java's `Double.toString`: at least one digit after the point, an exponent outside 1e-3..1e7.
fn java_double(value: f64) -> String {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, _)) if digits.contains('.') => text,
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, text) in [
            (0.5, "0.5"),
            (0.0, "0.0"),
            (100.0, "100.0"),
            (1e7, "1.0E7"),
            (1.5e-4, "1.5E-4"),
            (f64::MAX, "1.7976931348623157E308"),
        ] {
            assert_eq!(java_double(value), text);
        }
    }

    #[test]
    fn doubles_are_read_as_java_reads_them() {
        for (text, value) in [
            ("1.5f", Some(1.5)),
            ("2d", Some(2.0)),
            ("inf", None),
            ("", None),
        ] {
            assert_eq!(parse_double(text), value, "{text:?}");
        }
    }
}
