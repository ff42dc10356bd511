//! Pure: options of `loadgen run` that come from a file, with those typed by hand on top.

use clap::CommandFactory;

use super::{Cli, Command};
use crate::options::Plan;
use crate::options::scenario::Word;

/// Options of `loadgen run` behind those of a subcommand that has a file of them.
#[derive(clap::Args, Debug, Clone)]
pub struct Typed {
    /// Print what the file says, and run nothing
    #[arg(long)]
    pub show: bool,

    /// Options of loadgen run; they win over the file's. --bootstrap is needed, and --topic where
    /// the file has none
    #[arg(
        value_name = "OPTION",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub options: Vec<String>,
}

/// Whether `loadgen run` has an option of this name.
pub fn known(name: &str) -> bool {
    option_names().iter().any(|known| known == name)
}

/// The default of option `name` of `loadgen run`.
pub fn default_of(name: &str) -> Option<String> {
    let cli = Cli::command();
    let run = cli.find_subcommand("run")?;
    let own = run
        .get_arguments()
        .find(|one| one.get_long() == Some(name))?;
    let text = own.get_default_values().first()?;
    text.to_str().map(str::to_owned)
}

/// The names of all options of `loadgen run`.
pub fn option_names() -> Vec<String> {
    let cli = Cli::command();
    let run = cli.find_subcommand("run").expect("there is a run");
    let names = run
        .get_arguments()
        .filter_map(|argument| argument.get_long());
    names.map(str::to_owned).collect()
}

/// What `loadgen run` makes of the options of a file and those typed behind it. A typed one
/// takes the place of a file's; an error is clap's, about the option that is wrong.
pub fn plan(from_file: &[Word], typed: &[String]) -> Result<Plan, clap::Error> {
    let is_typed = |name: &str| {
        // These two exclude each other.
        if name == "rate" && typed.iter().any(|word| word == "--max") {
            return true;
        }
        let long = format!("--{name}");
        let with_value = format!("{long}=");
        typed
            .iter()
            .any(|word| *word == long || word.starts_with(&with_value))
    };
    let mut words = vec!["loadgen".to_owned(), "run".to_owned()];
    for (name, value) in from_file.iter().filter(|(name, _)| !is_typed(name)) {
        words.push(match value {
            Some(value) => format!("--{name}={value}"),
            None => format!("--{name}"),
        });
    }
    words.extend_from_slice(typed);
    match Cli::from_words(words)?.command {
        Command::Run(plan) => Ok(*plan),
        _ => unreachable!("run was asked for"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_options_win_and_wrong_ones_are_named() {
        let file = [
            ("rate".to_owned(), Some("5".to_owned())),
            ("size".to_owned(), Some("100".to_owned())),
        ];
        let typed = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let base = ["--bootstrap", "h:1", "--topic", "t"];
        let made = plan(&file, &typed(&[&base[..], &["--size=200"]].concat())).unwrap();
        assert_eq!(
            (made.rate.unwrap().to_string(), made.size.to_string()),
            ("5".into(), "200".into())
        );
        assert_eq!(made.outputs.settings["size"], 200);
        let error = plan(&[("ratte".to_owned(), None)], &typed(&base)).unwrap_err();
        assert!(error.to_string().contains("--ratte"));
        assert!(known("bootstrap") && known("out") && !known("ratte"));
    }
}
