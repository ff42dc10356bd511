//! Pure: the text of a `server.properties` file (`java.util.Properties`), with line numbers.

/// One `name=value` of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Property {
    /// The line that it starts on, from 1.
    pub line: usize,
    /// The name, escapes resolved.
    pub name: String,
    /// The value, escapes resolved; blanks at its end are kept, as Java keeps them.
    pub value: String,
}

/// A line that no properties file may hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Reads all entries in the order of the file.
pub fn parse(text: &str) -> Result<Vec<Property>, SyntaxError> {
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let first = first.trim_start_matches(BLANKS);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut entry = first.to_owned();
        while ends_in_lone_backslash(&entry) {
            entry.pop();
            let Some((_, next)) = lines.next() else {
                break;
            };
            entry.push_str(next.trim_start_matches(BLANKS));
        }
        entries.push(split(&entry, index + 1)?);
    }
    Ok(entries)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

fn ends_in_lone_backslash(line: &str) -> bool {
    let backslashes = line.bytes().rev().take_while(|&b| b == b'\\').count();
    backslashes % 2 == 1
}

fn split(entry: &str, line: usize) -> Result<Property, SyntaxError> {
    let error = |reason| SyntaxError { line, reason };
    let mut escaped = false;
    let end = entry.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || BLANKS.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (name, rest) = entry.split_at(end.unwrap_or(entry.len()));
    let rest = rest.trim_start_matches(BLANKS);
    let value = rest
        .strip_prefix(['=', ':'])
        .unwrap_or(rest)
        .trim_start_matches(BLANKS);
    let name = unescape(name).map_err(error)?;
    if name.is_empty() {
        return Err(error("a value without a name"));
    }
    if end.is_none() {
        return Err(error("a name without a value: expected name=value"));
    }
    let value = unescape(value).map_err(error)?;
    Ok(Property { line, name, value })
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4);
                let letter = code.and_then(char::from_u32);
                plain.push(letter.ok_or("a \\u without four hexadecimal digits of a letter")?);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let entries = parse(text).expect("well-formed");
        entries
            .into_iter()
            .map(|p| (p.line, p.name, p.value))
            .collect()
    }

    fn pair(line: usize, name: &str, value: &str) -> (usize, String, String) {
        (line, name.into(), value.into())
    }

    #[test]
    fn entries_are_read_as_java_reads_them() {
        let text = "# comment\n! comment\n\n a.b = c d \nx:y\nk v\nempty=\nu=\\u00e9\\t\\\\\r\n\
                    long=one,\\\n   two,\\\n   three\nkey\\ with\\:odd=1\n";
        assert_eq!(
            pairs(text),
            [
                pair(4, "a.b", "c d "),
                pair(5, "x", "y"),
                pair(6, "k", "v"),
                pair(7, "empty", ""),
                pair(8, "u", "\u{e9}\t\\"),
                pair(9, "long", "one,two,three"),
                pair(12, "key with:odd", "1"),
            ]
        );
    }

    #[test]
    fn what_is_no_entry_is_named_by_its_line() {
        for (text, line, reason) in [
            (
                "a=1\nnonsense\n",
                2,
                "a name without a value: expected name=value",
            ),
            ("=1", 1, "a value without a name"),
            (
                "a=\\u12",
                1,
                "a \\u without four hexadecimal digits of a letter",
            ),
        ] {
            assert_eq!(parse(text), Err(SyntaxError { line, reason }), "{text}");
        }
    }
}
