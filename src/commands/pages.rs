//! Drives: what packages install of the command line, and that pages show commands that there are.

pub use corelane_wire::pages::{Completions, Man, Shell, shown_commands};

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::commands::cli::Cli;

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
        let commands = ["adopt", "check", "completions", "format", "man", "serve"];
        let wanted = commands.map(|name| format!("corelane-{name}.1"));
        assert_eq!(names[..6], wanted);
        assert_eq!(names[6..], ["corelane.1"]);
        let text = std::fs::read_to_string(dir.path().join("corelane-adopt.1")).unwrap();
        assert!(text.contains(".TH corelane-adopt 1"), "{text}");
        // Hyphens are escaped, so that they can be searched for and copied.
        assert!(text.contains("\\-\\-leave\\-behind"), "{text}");
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
