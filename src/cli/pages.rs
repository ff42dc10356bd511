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
}
