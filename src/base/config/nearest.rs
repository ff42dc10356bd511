//! Pure: the known name that is nearest to a misspelt one.

/// The name in `known` that is fewest edits away from `wrong`, when that is a likely slip: at most
/// a third of its letters, and never more than four.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).clamp(1, 4);
    known
        .map(|name| (edits(wrong, name), name))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, drop, replace or swap to make `a` of `b`, each costing one.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(128).collect();
    let b: Vec<char> = b.chars().take(128).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
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
        ] {
            assert_eq!(nearest(wrong, known.into_iter()), right, "{wrong}");
        }
    }
}
