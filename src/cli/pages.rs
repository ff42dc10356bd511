//! Drives: what packages install of a command line: completions and manual pages.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Args, Debug, Clone)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Args, Debug, Clone)]
pub struct Man {
    /// Where to write them: a folder that is there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

impl Completions {
    /// The script that completes `command`.
    pub fn text(&self, mut command: Command) -> Vec<u8> {
        let name = command.get_name().to_owned();
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut text);
        text
    }
}

impl Man {
    /// Writes the pages of `command`: `NAME.1`, and `NAME-COMMAND.1` for each of its commands.
    pub fn write(&self, command: Command) -> io::Result<()> {
        // A page about `help` would say nothing.
        clap_mangen::generate_to(command.disable_help_subcommand(true), &self.dir)
    }
}

/// The commands that the text of a page shows behind a prompt, `$ NAME …`, as the words of each:
/// those of the program `name`, lines that go on with a backslash joined, without the comment at
/// the end.
pub fn shown_commands(page: &str, name: &str) -> Vec<Vec<String>> {
    let joined = page.replace("\\\n", " ");
    let lines = joined
        .lines()
        .filter_map(|line| line.trim().strip_prefix("$ "));
    let commands = lines.filter_map(|line| {
        let line = line.split(" #").next().unwrap_or_default();
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let program = words.first()?.trim_start_matches("target/release/");
        (program == name).then_some(words)
    });
    commands.collect()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn each_shell_is_told_of_commands_and_options() {
        for shell in Shell::value_variants() {
            let text = Completions { shell: *shell }.text(Cli::command());
            let text = String::from_utf8(text).unwrap();
            for word in ["corelane", "adopt", "leave-behind", "data-dir"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn the_program_and_each_command_have_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let man = Man {
            dir: dir.path().to_owned(),
        };
        man.write(Cli::command()).unwrap();
        let names = std::fs::read_dir(dir.path()).unwrap();
        let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        let commands = ["adopt", "check", "completions", "man", "serve"];
        let wanted = commands.map(|name| format!("corelane-{name}.1"));
        assert_eq!(names[..5], wanted);
        assert_eq!(names[5..], ["corelane.1"]);
        let text = std::fs::read_to_string(dir.path().join("corelane-adopt.1")).unwrap();
        assert!(text.contains(".TH corelane-adopt 1"), "{text}");
        // Hyphens are escaped, so that they can be searched for and copied.
        assert!(text.contains("\\-\\-leave\\-behind"), "{text}");
    }

    #[test]
    fn commands_are_found_in_pages() {
        let page = "text $ x\n  $ target/release/x a \\\n    --b  # why\n$ y\n```\n$ x";
        let found = shown_commands(page, "x");
        assert_eq!(found, [vec!["target/release/x", "a", "--b"], vec!["x"]]);
    }

    #[test]
    fn every_command_that_the_pages_show_is_one() {
        let mut count = 0;
        for page in ["README.md", "docs/adopt.md", "tuning/README.md"] {
            let path = format!("{}/{page}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            for words in shown_commands(&text, "corelane") {
                count += 1;
                let parsed = Cli::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{page}: {words:?}: {}", parsed.unwrap_err());
            }
        }
        assert!(count >= 5, "{count}");
    }
}
