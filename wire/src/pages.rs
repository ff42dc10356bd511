//! Drives: what packages install of a command line: completions and manual pages.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command};
pub use clap_complete::Shell;

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
    use super::*;

    #[test]
    fn commands_are_found_in_pages() {
        let page = "text $ x\n  $ target/release/x a \\\n    --b  # why\n$ y\n```\n$ x";
        let found = shown_commands(page, "x");
        assert_eq!(found, [vec!["target/release/x", "a", "--b"], vec!["x"]]);
    }
}
