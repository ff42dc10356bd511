//! Pure: scenarios: named loads in TOML, of one step or several, made of the options of
//! `loadgen run`.
//!
//! ```toml
//! name = "burst"
//! about = "What it is for."
//! repeat = 3                      # all steps, in turn
//!
//! [run]                           # options of every step, by their long names
//! create = 4
//! consume = true
//!
//! [[step]]
//! name = "calm"
//! run = { rate = 500, duration = 20 }
//! ```
//!
//! In texts, `{loadgen}`, `{bootstrap}` and `{topic}` stand for this program and its options.

use toml::{Table, Value};

/// An option's name without dashes, and its value; a flag has none.
pub type Word = (String, Option<String>);

/// A scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Its steps, repetitions included.
    pub steps: Vec<Step>,
}

/// A step of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name, for the folder of its results.
    pub name: String,
    /// What it is for; may be empty.
    pub about: String,
    /// Options of `loadgen run`.
    pub options: Vec<Word>,
}

/// The scenarios that come with loadgen: name and text.
pub const SHIPPED: [(&str, &str); 7] = [
    ("steady", include_str!("../../plans/steady.toml")),
    ("burst", include_str!("../../plans/burst.toml")),
    ("fan-out", include_str!("../../plans/fan-out.toml")),
    (
        "many-partitions",
        include_str!("../../plans/many-partitions.toml"),
    ),
    (
        "backlog-drain",
        include_str!("../../plans/backlog-drain.toml"),
    ),
    ("roll", include_str!("../../plans/roll.toml")),
    ("cold-reader", include_str!("../../plans/cold-reader.toml")),
];

/// More steps than these, repetitions included, are a mistake.
const STEPS_MAX: i64 = 1_000;

impl Scenario {
    /// Reads one; `known` tells whether `loadgen run` has an option. The error names what is
    /// wrong.
    pub fn parse(text: &str, known: impl Fn(&str) -> bool) -> Result<Scenario, String> {
        let file: Table = text.parse().map_err(|error| format!("{error}"))?;
        only(
            &file,
            &["name", "about", "repeat", "run", "step"],
            "the file",
        )?;
        let name = text_of(&file, "name")?.ok_or("it has no name")?;
        let shared = match file.get("run") {
            None => Table::new(),
            Some(Value::Table(shared)) => shared.clone(),
            Some(_) => return Err("run is not a table".to_owned()),
        };
        let repeat = match file.get("repeat") {
            None => 1,
            Some(Value::Integer(repeat @ 1..=STEPS_MAX)) => *repeat,
            Some(other) => return Err(format!("repeat is {other}, not 1 to {STEPS_MAX}")),
        };
        let own = match file.get("step") {
            None => vec![Value::Table(Table::new())],
            Some(Value::Array(steps)) if !steps.is_empty() => steps.clone(),
            Some(_) => return Err("step is no list of tables ([[step]])".to_owned()),
        };
        let mut steps = Vec::new();
        for (number, own) in own.iter().enumerate() {
            let Value::Table(own) = own else {
                return Err(format!("step {} is not a table", number + 1));
            };
            steps.push(step(own, &shared, number, &name, &known)?);
        }
        if steps.len() as i64 * repeat > STEPS_MAX {
            return Err(format!(
                "{} steps, {repeat} times, are too many",
                steps.len()
            ));
        }
        let all = (0..repeat).flat_map(|_| steps.iter().cloned());
        Ok(Scenario {
            about: text_of(&file, "about")?.unwrap_or_default(),
            steps: all.collect(),
            name,
        })
    }
}

/// Options that are seconds.
const SECONDS: [&str; 2] = ["duration", "warmup"];
/// Options that begin with a second and an equals sign.
const MOMENTS: [&str; 2] = ["at", "event"];

impl Scenario {
    /// Makes all its times so many times as long; those that it leaves to `default` become its
    /// own. Whole seconds stay whole, and none that was something becomes nothing.
    pub fn scale(
        &mut self,
        times: f64,
        default: impl Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        if times == 1.0 {
            return Ok(());
        }
        for step in &mut self.steps {
            for name in SECONDS {
                if !step.options.iter().any(|(own, _)| own == name) {
                    step.options.push((name.to_owned(), default(name)));
                }
            }
            for (name, value) in &mut step.options {
                let Some(text) = value else { continue };
                let wrong = || format!("{}: {name} {text} is no time", step.name);
                let scaled = match name.as_str() {
                    // A load is steady when it is.
                    "warmup" if text == "steady" => continue,
                    name if SECONDS.contains(&name) => {
                        let seconds: f64 = text.parse().map_err(|_| wrong())?;
                        let least = f64::from(u8::from(seconds > 0.0));
                        format!("{}", (seconds * times).round().max(least))
                    }
                    name if MOMENTS.contains(&name) => {
                        let (at, what) = text.split_once('=').ok_or_else(wrong)?;
                        let at: f64 = at.trim().parse().map_err(|_| wrong())?;
                        format!("{}={what}", at * times)
                    }
                    _ => continue,
                };
                *text = scaled;
            }
        }
        self.about += &format!(" (All times were {times} times those of the scenario.)");
        Ok(())
    }
}

fn step(
    own: &Table,
    shared: &Table,
    number: usize,
    scenario: &str,
    known: &impl Fn(&str) -> bool,
) -> Result<Step, String> {
    let place = format!("step {}", number + 1);
    only(own, &["name", "about", "run"], &place)?;
    let mut all = shared.clone();
    match own.get("run") {
        None => (),
        Some(Value::Table(run)) => all.extend(run.clone()),
        Some(_) => return Err(format!("{place}: run is not a table")),
    }
    let name = text_of(own, "name")?.unwrap_or_else(|| scenario.to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!(
            "{place}: the name {name:?} is no name for a folder"
        ));
    }
    let mut options = Vec::new();
    for (key, value) in &all {
        if !known(key) {
            return Err(format!("{place}: loadgen run has no option --{key}"));
        }
        options.extend(words(key, value).ok_or(format!("{place}: {key} is {value}"))?);
    }
    Ok(Step {
        name,
        about: text_of(own, "about")?.unwrap_or_default(),
        options,
    })
}

/// An option as typed; a list is the option several times.
fn words(key: &str, value: &Value) -> Option<Vec<Word>> {
    let word = |value: String| vec![(key.to_owned(), Some(value))];
    Some(match value {
        Value::String(text) => word(text.clone()),
        Value::Integer(number) => word(number.to_string()),
        Value::Float(number) => word(number.to_string()),
        Value::Boolean(true) => vec![(key.to_owned(), None)],
        Value::Boolean(false) => Vec::new(),
        Value::Array(all) => {
            let all: Option<Vec<_>> = all.iter().map(|one| words(key, one)).collect();
            all?.concat()
        }
        Value::Table(_) | Value::Datetime(_) => return None,
    })
}

fn only(table: &Table, names: &[&str], place: &str) -> Result<(), String> {
    match table.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("{place} has an unknown key {key}")),
        None => Ok(()),
    }
}

fn text_of(table: &Table, name: &str) -> Result<Option<String>, String> {
    match table.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(other) => Err(format!("{name} is {other}, not a text")),
    }
}

/// Puts this program and the broker in the place of their names.
pub fn fill_in(text: &str, loadgen: &str, bootstrap: &str, topic: &str) -> String {
    text.replace("{loadgen}", loadgen)
        .replace("{bootstrap}", bootstrap)
        .replace("{topic}", topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_take_the_shared_options_and_their_own_on_top() {
        let text = "name = 'x'\nrepeat = 2\n[run]\nrate = 5\nconsume = true\nnote = ['a', 'b']\n\
                    [[step]]\nname = 'one'\n[[step]]\nname = 'two'\n\
                    run = { rate = 9, consume = false }\n";
        let scenario = Scenario::parse(text, |_| true).unwrap();
        let names: Vec<&str> = scenario
            .steps
            .iter()
            .map(|step| step.name.as_str())
            .collect();
        assert_eq!(names, ["one", "two", "one", "two"]);
        let word = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let one = &scenario.steps[0].options;
        assert!(one.contains(&word("rate", Some("5"))) && one.contains(&word("consume", None)));
        assert!(one.contains(&word("note", Some("b"))) && one.len() == 4);
        let two = &scenario.steps[1].options;
        assert!(two.contains(&word("rate", Some("9"))) && two.len() == 3);
    }

    #[test]
    fn all_times_are_scaled_and_none_becomes_nothing() {
        let text = "name = 'x'\nabout = 'y'\n[run]\nrate = 5\n[[step]]\nname = 'one'\n\
                    run = { duration = 40, warmup = 0, at = ['15=sleep 1', '20=b=c'] }\n\
                    [[step]]\nname = 'two'\nrun = { warmup = 'steady' }\n";
        let mut scenario = Scenario::parse(text, |_| true).unwrap();
        let default = |name: &str| (name == "duration").then(|| "3".to_owned());
        scenario.scale(0.1, default).unwrap();
        let of = |step: usize, name: &str| -> Vec<&str> {
            let own = scenario.steps[step].options.iter();
            own.filter(|(own, _)| own == name)
                .filter_map(|(_, value)| value.as_deref())
                .collect()
        };
        assert_eq!((of(0, "duration"), of(0, "warmup")), (vec!["4"], vec!["0"]));
        assert_eq!(of(0, "at"), ["1.5=sleep 1", "2=b=c"]);
        assert_eq!(
            (of(1, "duration"), of(1, "warmup")),
            (vec!["1"], vec!["steady"])
        );
        assert_eq!(of(0, "rate"), ["5"]);
        assert!(scenario.about.contains("0.1 times"));
        let wrong = "name = 'x'\n[run]\nduration = 'soon'";
        let mut wrong = Scenario::parse(wrong, |_| true).unwrap();
        assert!(wrong.scale(0.1, |_| None).unwrap_err().contains("soon"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, wanted) in [
            ("about = 'x'", "no name"),
            ("name = 'x'\nnaem = 'y'", "naem"),
            ("name = 'x'\n[run]\nratte = 5", "--ratte"),
            ("name = 'x'\nrepeat = 0", "repeat"),
            ("name = 'x'\n[[step]]\nname = 'a/b'", "a/b"),
            ("name = 'x'\n[run]\nrate = { a = 1 }", "rate is"),
            ("name = ", "line 1"),
        ] {
            let error = Scenario::parse(text, |name| name == "rate").unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn names_in_braces_are_filled_in() {
        let text = fill_in(
            "5={loadgen} read --bootstrap {bootstrap} {topic}",
            "/l",
            "h:1",
            "t",
        );
        assert_eq!(text, "5=/l read --bootstrap h:1 t");
    }
}
