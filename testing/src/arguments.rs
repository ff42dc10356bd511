//! Pure: the arguments of the test programs that have a `main` of their own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Arguments that are not taken yet.
pub struct Arguments {
    /// The file whose first lines tell of the arguments.
    page: &'static str,
    rest: Vec<String>,
}

impl Arguments {
    /// Those of this program, which `page` explains.
    pub fn of_program(page: &'static str) -> Arguments {
        Arguments {
            page,
            rest: std::env::args().skip(1).collect(),
        }
    }

    /// Whether the option is there.
    pub fn has(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|argument| argument != name);
        self.rest.len() < before
    }

    /// The value of an option, where it is there.
    pub fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(at) = self.rest.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        if at + 1 == self.rest.len() {
            return Err(format!("{name} wants a value"));
        }
        self.rest.remove(at);
        Ok(Some(self.rest.remove(at)))
    }

    /// The value of an option as a number, where it is there.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let parsed = value.parse();
        let parsed = parsed.map_err(|error| format!("{name} {value}: {error}"));
        parsed.map(Some)
    }

    /// The number after `--seed`; without it another one each time.
    pub fn seed(&mut self) -> Result<u64, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.unwrap_or(Duration::ZERO).as_millis() as u64;
        Ok(self.number("--seed")?.unwrap_or(now_ms))
    }

    /// What is left: the words that choose among cases. An option that was not taken is unknown.
    pub fn words(self) -> Result<Vec<String>, String> {
        match self.rest.iter().find(|word| word.starts_with("--")) {
            Some(option) => Err(format!("{option} is not known; see {}", self.page)),
            None => Ok(self.rest),
        }
    }

    /// Fails where anything is left.
    pub fn end(self) -> Result<(), String> {
        match self.rest.first() {
            Some(word) => Err(format!("{word} is not known; see {}", self.page)),
            None => Ok(()),
        }
    }
}

/// Whether a case is chosen: by any of the words that its name contains, or because there are no
/// words.
pub fn chooses(words: &[String], name: &str) -> bool {
    words.is_empty() || words.iter().any(|word| name.contains(word.as_str()))
}
