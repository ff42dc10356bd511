//! Pure: which Corelane this is.

/// The commit it was built from and the day that was made, as in `a700152ab 2026-11-28`. None
/// where the build could not know, as from a source archive; `CORELANE_COMMIT` in the environment
/// of the build says it then.
pub const COMMIT: Option<&str> = option_env!("CORELANE_COMMIT");

/// The version of the release.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// Version and commit as `-V`, the log and the reports show them: `0.1.0 (a700152ab 2026-11-28)`,
/// or `0.1.0` alone.
pub fn version() -> &'static str {
    static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    TEXT.get_or_init(|| shown(RELEASE, COMMIT))
}

fn shown(release: &str, commit: Option<&str>) -> String {
    match commit {
        Some(commit) => format!("{release} ({commit})"),
        None => release.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn the_commit_follows_the_version_where_it_is_known() {
        assert_eq!(
            shown("1.2.3", Some("abc 2026-01-31")),
            "1.2.3 (abc 2026-01-31)"
        );
        assert_eq!(shown("1.2.3", None), "1.2.3");
    }
}
