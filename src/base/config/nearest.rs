//! Pure: the known name that is nearest to a misspelt one.

/// Longer names are no slip of a known one; comparing takes the product of both lengths.
const LETTERS_MAX: usize = 128;

/// The name in `known` that is fewest edits away from `wrong`, when that is a likely slip: at most
/// a third of its letters, and never more than four. Two letters swapped are one edit.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters = wrong.chars().count();
    if letters > LETTERS_MAX {
        return None;
    }
    let allowed = (letters / 3).clamp(1, 4);
    known
        .map(|name| (strsim::osa_distance(wrong, name), name))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_their_name_and_inventions_find_none() {
        let known = ["num.partitions", "log.dirs", "log.dir", "listeners"];
        for (wrong, right) in [
            ("num.partition", Some("num.partitions")),
            ("num.partitoins", Some("num.partitions")),
            ("log.dris", Some("log.dirs")),
            ("listener", Some("listeners")),
            ("flux.capacitor", None),
            ("", None),
            (&"log.dirs".repeat(100), None),
        ] {
            assert_eq!(nearest(wrong, known.into_iter()), right, "{wrong}");
        }
    }
}
