//! Pure: which topic names are legal, and which collide.

use std::collections::BTreeMap;

use crate::metadata::image::Topics;

/// The longest legal name, so that the partition's folder still has a legal name.
const NAME_MAX: usize = 249;

/// Why a name is no topic's (`Topic.validate` of Kafka). Its text is Kafka's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// It is empty.
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    /// It is `.` or `..`.
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    /// It is longer than 249 characters.
    #[error(
        "Topic name is invalid: the length of '{0}' is longer than the max allowed length \
         {NAME_MAX}"
    )]
    TooLong(String),
    /// It has other characters than `a-zA-Z0-9._-`.
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII \
         alphanumerics, '.', '_' and '-'"
    )]
    Characters(String),
}

/// Whether `name` may be a topic's.
pub fn check_topic_name(name: &str) -> Result<(), NameError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name == "." || name == ".." {
        Err(NameError::Dots(name.to_owned()))
    } else if name.encode_utf16().count() > NAME_MAX {
        Err(NameError::TooLong(name.to_owned()))
    } else if !name.bytes().all(legal) {
        Err(NameError::Characters(name.to_owned()))
    } else {
        Ok(())
    }
}

/// The topics there are, by what metrics make of their names: a dot and an underscore look the
/// same there. Names without either cannot collide.
pub(super) struct Collisions<'a> {
    by_unified: BTreeMap<String, &'a str>,
}

impl<'a> Collisions<'a> {
    /// Finds them only when one of `names` could collide.
    pub(super) fn new<'n>(
        topics: &'a Topics,
        mut names: impl Iterator<Item = &'n str>,
    ) -> Collisions<'a> {
        let mut by_unified = BTreeMap::new();
        if names.any(may_collide) {
            for topic in topics.iter().filter(|topic| may_collide(&topic.name)) {
                by_unified.insert(unify(&topic.name), &*topic.name);
            }
        }
        Collisions { by_unified }
    }

    /// The topic that `name` collides with.
    pub(super) fn of(&self, name: &str) -> Option<&'a str> {
        may_collide(name).then(|| self.by_unified.get(&unify(name)).copied())?
    }
}

fn may_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}

fn unify(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn illegal_names_are_refused_in_kafkas_words() {
        let text = |name: &str| check_topic_name(name).unwrap_err().to_string();
        assert_eq!(
            text(""),
            "Topic name is invalid: the empty string is not allowed"
        );
        assert_eq!(text("."), "Topic name is invalid: '.' is not allowed");
        assert_eq!(text(".."), "Topic name is invalid: '..' is not allowed");
        assert_eq!(
            text("a b"),
            "Topic name is invalid: 'a b' contains one or more characters other than \
             ASCII alphanumerics, '.', '_' and '-'"
        );
        let long = "x".repeat(250);
        assert_eq!(
            text(&long),
            format!(
                "Topic name is invalid: the length of '{long}' is longer than \
                 the max allowed length 249"
            )
        );
        for name in [
            "a",
            "...",
            "A.b_c-9",
            &"x".repeat(249),
            "__consumer_offsets",
        ] {
            assert_eq!(check_topic_name(name), Ok(()));
        }
        // Kafka counts UTF-16 units: 125 of these are 250 units, and 500 bytes.
        assert!(matches!(
            check_topic_name(&"😀".repeat(125)),
            Err(NameError::TooLong(_))
        ));
        assert!(matches!(
            check_topic_name(&"é".repeat(249)),
            Err(NameError::Characters(_))
        ));
    }
}
