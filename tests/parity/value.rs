//! Pure: the `Debug` text of a decoded message, read into a tree and written as golden text.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

/// How wide a value may be and stay on one line.
const LINE: usize = 100;

/// A value of an answer.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number, a truth value, `None`, or a stable word that stands for what may differ.
    Atom(String),
    /// A string; what differs from run to run *inside* it is found when it is written.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Something that differs from run to run, of which only the sameness matters.
    Volatile(&'static str, String),
    /// An array.
    List(Vec<Value>),
    /// A structure: names and values.
    Struct(Vec<(String, Value)>),
}

/// Gives names to what differs from run to run.
pub trait Namer {
    /// The name of `raw`, which is one of a `kind`.
    fn name(&mut self, kind: &str, raw: &str) -> String;
    /// A string with the parts that differ replaced.
    fn text(&mut self, text: &str) -> String;
    /// A number or another scalar; shown as it is, unless this is for sorting.
    fn atom(&mut self, text: &str) -> String {
        text.to_owned()
    }
}

impl Value {
    /// A word that stands for itself.
    pub fn atom(text: impl ToString) -> Self {
        Self::Atom(text.to_string())
    }

    /// The field of a structure.
    pub fn field(&mut self, name: &str) -> Option<&mut Value> {
        let Self::Struct(fields) = self else {
            return None;
        };
        fields
            .iter_mut()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    /// The elements of an array that is a field of a structure.
    pub fn list(&mut self, name: &str) -> &mut Vec<Value> {
        match self.field(name) {
            Some(Self::List(list)) => list,
            _ => panic!("no array {name} in an answer that was expected to have it"),
        }
    }

    /// Calls `change` for each field, the innermost first.
    pub fn each_field(&mut self, change: &mut impl FnMut(&str, &mut Value)) {
        match self {
            Self::List(list) => list.iter_mut().for_each(|value| value.each_field(change)),
            Self::Struct(fields) => {
                for (name, value) in fields {
                    value.each_field(change);
                    change(name, value);
                }
            }
            _ => {}
        }
    }

    /// The value as golden text: on one line if it is short, else a line per field.
    pub fn write(&self, namer: &mut impl Namer) -> String {
        let mut out = String::new();
        self.write_lines(0, "", namer, &mut out);
        out
    }

    fn write_lines(&self, indent: usize, label: &str, namer: &mut impl Namer, out: &mut String) {
        let flat = self.flat(namer);
        out.push_str(&" ".repeat(indent));
        out.push_str(label);
        let (open, close) = match self {
            Self::List(list) if !list.is_empty() => ("[\n", "]\n"),
            Self::Struct(_) => ("{\n", "}\n"),
            _ => ("", ""),
        };
        if open.is_empty() || indent + label.len() + flat.len() <= LINE {
            out.push_str(&flat);
            out.push('\n');
            return;
        }
        out.push_str(open);
        match self {
            Self::List(list) => {
                list.iter()
                    .for_each(|value| value.write_lines(indent + 2, "", namer, out));
            }
            Self::Struct(fields) => write_fields(indent + 2, fields, namer, out),
            _ => {}
        }
        out.push_str(&" ".repeat(indent));
        out.push_str(close);
    }

    /// The value on one line.
    pub fn flat(&self, namer: &mut impl Namer) -> String {
        match self {
            Self::Atom(text) => namer.atom(text),
            Self::Text(text) => format!("{:?}", shorten(&namer.text(text))),
            Self::Bytes(bytes) => shorten(&namer.text(&format!("b\"{}\"", bytes.escape_ascii()))),
            Self::Volatile(kind, raw) => namer.name(kind, raw),
            Self::List(list) => {
                let all: Vec<_> = list.iter().map(|value| value.flat(namer)).collect();
                format!("[{}]", all.join(", "))
            }
            Self::Struct(fields) => {
                let all: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.flat(namer)))
                    .collect();
                format!("{{{}}}", all.join(", "))
            }
        }
    }
}

/// As many fields on a line as it takes; those that are too long have lines of their own.
fn write_fields(
    indent: usize,
    fields: &[(String, Value)],
    namer: &mut impl Namer,
    out: &mut String,
) {
    let mut line = String::new();
    let end = |line: &mut String, out: &mut String| {
        if !line.is_empty() {
            let _ = writeln!(out, "{}{}", " ".repeat(indent), line.trim_end());
            line.clear();
        }
    };
    for (name, value) in fields {
        let flat = format!("{name}: {}, ", value.flat(namer));
        if indent + line.len() + flat.len() > LINE {
            end(&mut line, out);
        }
        if indent + flat.len() > LINE {
            value.write_lines(indent, &format!("{name}: "), namer, out);
        } else {
            line.push_str(&flat);
        }
    }
    end(&mut line, out);
}

/// Long strings keep their beginning and their length.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}… {} characters", &text[..end], text.chars().count()),
        None => text.to_owned(),
    }
}

// === reading Debug text ===

/// Reads what `{:?}` wrote.
pub fn parse(debug: &str) -> Value {
    let mut chars = debug.chars().peekable();
    let value = parse_value(&mut chars);
    assert!(chars.next().is_none(), "unread rest in {debug}");
    value
}

fn parse_value(chars: &mut Peekable<Chars>) -> Value {
    match chars.peek() {
        Some('"') => Value::Text(String::from_utf8(parse_quoted(chars)).expect("utf-8")),
        Some('[') => {
            chars.next();
            Value::List(parse_until(chars, ']', parse_value))
        }
        Some('{') => {
            chars.next();
            Value::Struct(parse_until(chars, '}', parse_entry))
        }
        _ => parse_named(chars),
    }
}

/// A scalar, `Some(..)`, a structure with its name, or `b".."`.
fn parse_named(chars: &mut Peekable<Chars>) -> Value {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || "_-.+".contains(*c)) {
        word.push(c);
    }
    let mut ahead = chars.clone();
    match chars.peek() {
        Some('"') if word == "b" => Value::Bytes(parse_quoted(chars)),
        Some('(') => {
            chars.next();
            parse_until(chars, ')', parse_value)
                .pop()
                .expect("a value in parentheses")
        }
        Some(' ') if ahead.nth(1) == Some('{') => {
            chars.next();
            parse_value(chars)
        }
        _ => Value::Atom(word),
    }
}

fn parse_entry(chars: &mut Peekable<Chars>) -> (String, Value) {
    let mut name = String::new();
    for c in chars.by_ref().take_while(|c| *c != ':') {
        name.push(c);
    }
    skip_spaces(chars);
    (name, parse_value(chars))
}

fn parse_until<T>(
    chars: &mut Peekable<Chars>,
    end: char,
    item: fn(&mut Peekable<Chars>) -> T,
) -> Vec<T> {
    let mut all = Vec::new();
    loop {
        skip_spaces(chars);
        if chars.next_if_eq(&end).is_some() {
            return all;
        }
        all.push(item(chars));
        skip_spaces(chars);
        chars.next_if_eq(&',');
    }
}

fn skip_spaces(chars: &mut Peekable<Chars>) {
    while chars.next_if_eq(&' ').is_some() {}
}

/// A quoted string or byte string, its escapes undone.
fn parse_quoted(chars: &mut Peekable<Chars>) -> Vec<u8> {
    let mut out = Vec::new();
    chars.next();
    while let Some(c) = chars.next() {
        let escaped = match c {
            '"' => break,
            '\\' => chars.next().expect("a character after a backslash"),
            _ => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
        };
        match escaped {
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            'x' => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("two hex digits"));
            }
            'u' => {
                let digits: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let code = u32::from_str_radix(&digits, 16).expect("hex digits");
                let c = char::from_u32(code).expect("a character");
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => out.push(other as u8),
        }
    }
    out
}
