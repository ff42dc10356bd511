//! Drives: what the command line says of the stories with several replicas.

use std::sync::OnceLock;

use corelane_testing::arguments::Arguments;
use corelane_testing::members::Kind;

/// Options of this program.
#[derive(Debug)]
pub struct Options {
    /// Of which kinds the members are, over and over.
    members: Vec<Kind>,
    /// How often leaders are killed, where the command line says.
    kills: Option<u64>,
    /// Whether stories are told that take long.
    is_long: bool,
}

static OPTIONS: OnceLock<Options> = OnceLock::new();

impl Options {
    /// Takes them from the command line, once.
    pub fn take(arguments: &mut Arguments) -> Result<(), String> {
        let members = match arguments.value("--members")? {
            Some(names) => names.split(',').map(kind).collect::<Result<_, _>>()?,
            None => vec![Kind::Corelane],
        };
        let kills = arguments.number("--kills")?;
        let is_long = arguments.has("--long");
        let options = Options {
            members,
            kills,
            is_long,
        };
        OPTIONS.set(options).expect("options are taken once");
        Ok(())
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    match name {
        "corelane" => Ok(Kind::Corelane),
        "java" => Ok(Kind::Kafka),
        _ => Err(format!("--members {name}: corelane or java")),
    }
}

fn options() -> &'static Options {
    OPTIONS.get().expect("options that were taken")
}

/// The kinds of so many members.
pub fn kinds(count: usize) -> Vec<Kind> {
    let members = options().members.iter().cycle();
    members.take(count).copied().collect()
}

/// How often leaders are killed, where the command line does not say.
pub fn kills(few: u64) -> u64 {
    let many = if options().is_long { 20 } else { few };
    options().kills.unwrap_or(many)
}

/// What a story lacks that takes long.
pub fn lacks_time() -> Option<&'static str> {
    (!options().is_long).then_some("--long")
}
