//! Pure: who uses whom among files that stand side by side.
//!
//! Beside each other stand the files and folders of one folder. A module and what is declared in
//! it are one thing: between a `mod.rs` and its children no direction is asked for. A name that a
//! module only passes on (`pub use`) counts as the file's that it comes from.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, crates, is_word};

/// A module or a name in one, as the parts of its path below the crate.
type Name = Vec<String>;

/// The modules of a crate, and what they say in `use` and with full paths.
#[derive(Default)]
struct Uses {
    modules: BTreeSet<Name>,
    /// By module: what it passes on, by the name it has there.
    passed_on: BTreeMap<Name, BTreeMap<String, Name>>,
    /// By module: what it needs itself.
    needed: BTreeMap<Name, Vec<Name>>,
}

/// Who uses whom among the entries of one folder.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

impl Uses {
    /// Of sources by their paths below the crate's folder.
    fn of<'a>(sources: impl Iterator<Item = (&'a str, &'a Source)>) -> Uses {
        let mut uses = Uses::default();
        let named: Vec<(Name, &Source)> = sources
            .map(|(path, source)| {
                let mut name: Name = path
                    .trim_end_matches(".rs")
                    .split('/')
                    .map(str::to_owned)
                    .collect();
                name.pop_if(|last| ["mod", "lib"].contains(&last.as_str()));
                (name, source)
            })
            .collect();
        uses.modules
            .extend(named.iter().map(|(name, _)| name.clone()));
        for (module, source) in named {
            uses.read(&module, &source.bare);
        }
        uses
    }

    fn read(&mut self, module: &Name, code: &str) {
        let mut rest = String::new();
        let mut statement: Option<String> = None;
        for line in code.lines() {
            let is_use = statement.is_some() || after_use(line).is_some();
            if !is_use {
                rest.push_str(line);
                rest.push('\n');
                continue;
            }
            let mut text = statement.take().unwrap_or_default();
            text.push_str(line);
            text.push(' ');
            match text.contains(';') {
                true => self.read_use(module, &text),
                false => statement = Some(text),
            }
        }
        for root in ["crate", "super", "self"] {
            for (at, _) in rest.match_indices(&format!("{root}::")) {
                if rest[..at].ends_with(|symbol| is_word(symbol) || symbol == ':') {
                    continue;
                }
                let tail = &rest[at..];
                let end = tail.find(|symbol| !is_word(symbol) && symbol != ':');
                let parts: Name = tail[..end.unwrap_or(tail.len())]
                    .split("::")
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect();
                self.need(module, &parts);
            }
        }
    }

    fn read_use(&mut self, module: &Name, statement: &str) {
        let Some((is_public, tree)) = after_use(statement) else {
            return;
        };
        let tree = tree.split(';').next().unwrap_or_default();
        for (parts, alias) in leaves(&[], tree) {
            let Some(name) = self.absolute(module, &parts) else {
                continue;
            };
            if is_public {
                let known = alias.or(name.last().cloned()).unwrap_or_default();
                let passed = self.passed_on.entry(module.clone()).or_default();
                passed.insert(known, name);
            } else {
                self.needed.entry(module.clone()).or_default().push(name);
            }
        }
    }

    fn need(&mut self, module: &Name, parts: &[String]) {
        if let Some(name) = self.absolute(module, parts) {
            self.needed.entry(module.clone()).or_default().push(name);
        }
    }

    /// A path as `module` says it, from the crate on; nothing where it leads out of the crate.
    fn absolute(&self, module: &Name, parts: &[String]) -> Option<Name> {
        let mut base = module.clone();
        let mut parts = parts;
        match parts.first()?.as_str() {
            "crate" => {
                base.clear();
                parts = &parts[1..];
            }
            "self" => parts = &parts[1..],
            "super" => {
                while parts.first().is_some_and(|part| part == "super") {
                    base.pop();
                    parts = &parts[1..];
                }
            }
            child => {
                let mut name = module.clone();
                name.push(child.to_owned());
                if !self.modules.contains(&name) {
                    return None;
                }
            }
        }
        base.extend(parts.iter().cloned());
        Some(base)
    }

    /// The module that a name comes from.
    fn home(&self, name: &Name) -> Name {
        let mut name = name.clone();
        // A name may be passed on a few times, never in a ring: it would have no home.
        for _ in 0..10 {
            let mut module = name.clone();
            while !module.is_empty() && !self.modules.contains(&module) {
                module.pop();
            }
            let passed = self.passed_on.get(&module);
            let from = name.get(module.len()).and_then(|it| passed?.get(it));
            let Some(from) = from else {
                return module;
            };
            let rest = name.split_off(module.len() + 1);
            name = from.iter().cloned().chain(rest).collect();
        }
        name
    }

    /// Who uses whom, for each folder.
    fn graphs(&self) -> BTreeMap<String, Graph> {
        let mut graphs: BTreeMap<String, Graph> = BTreeMap::new();
        for (module, needed) in &self.needed {
            for name in needed {
                let home = self.home(name);
                let same = module.iter().zip(&home).take_while(|(a, b)| a == b).count();
                if let (Some(from), Some(to)) = (module.get(same), home.get(same)) {
                    let folder = graphs.entry(module[..same].join("/")).or_default();
                    folder.entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        graphs
    }
}

/// Whether a statement is public, and what follows its `use`.
fn after_use(line: &str) -> Option<(bool, &str)> {
    let line = line.trim_start();
    if let Some(tree) = line.strip_prefix("use ") {
        return Some((false, tree));
    }
    let rest = line.strip_prefix("pub")?;
    let rest = match rest.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?.1,
        None => rest,
    };
    let tree = rest.trim_start().strip_prefix("use ")?;
    Some((true, tree))
}

/// The paths of a `use`, each with the name that it gets by `as`.
fn leaves(head: &[String], tree: &str) -> Vec<(Name, Option<String>)> {
    let tree = tree.trim();
    let parts = |text: &str| -> Name {
        let parts = text.split("::").map(|part| part.trim().to_owned());
        let parts = parts.filter(|part| !part.is_empty());
        head.iter().cloned().chain(parts).collect()
    };
    let Some((before, inner)) = tree.split_once('{') else {
        let (path, alias) = match tree.split_once(" as ") {
            Some((path, alias)) => (path, Some(alias.trim().to_owned())),
            None => (tree, None),
        };
        let mut path = parts(path);
        path.pop_if(|last| last == "self" || last == "*");
        return match path.is_empty() {
            true => Vec::new(),
            false => vec![(path, alias)],
        };
    };
    let head = parts(before);
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut found, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, symbol) in inner.char_indices().chain([(inner.len(), ',')]) {
        match symbol {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(
                    leaves(&head, &inner[from..at])
                        .into_iter()
                        .filter(|(path, _)| {
                            path.len() > head.len() || inner[from..at].contains("self")
                        }),
                );
                from = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// Who uses whom in each folder of the product, by its path.
pub fn graphs() -> BTreeMap<String, Graph> {
    let mut all = BTreeMap::new();
    for (dir, sources) in crates() {
        let below = |source: &'static Source| (&source.path[dir.len() + 1..], source);
        for (folder, graph) in Uses::of(sources.iter().map(below)).graphs() {
            let path = format!("{dir}/{folder}");
            all.insert(path.trim_end_matches('/').to_owned(), graph);
        }
    }
    all
}

#[test]
fn uses_are_found_however_they_are_written() {
    let files = [
        ("lib.rs", "pub mod room;\n"),
        (
            "room/mod.rs",
            "mod a;\nmod b;\nmod c;\npub use b::{\n    B,\n    D as E,\n};\n",
        ),
        (
            "room/a.rs",
            "use super::{E, c};\nuse std::fs;\nfn f() -> crate::room::c::C {}\n",
        ),
        (
            "room/b.rs",
            "#[cfg(test)]\nuse super::c::C;\nfn f(a: super::a::A) {}\n",
        ),
        (
            "room/c.rs",
            "// use super::a::A;\nfn f(it: &super::Top) {}\n",
        ),
    ];
    let files = files.map(|(path, text)| (path, Source::new(path.to_owned(), text)));
    let uses = Uses::of(files.iter().map(|(path, source)| (*path, source)));
    let graphs = uses.graphs();
    let room = &graphs["room"];
    let of = |entry: &str| {
        room.get(entry)
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of("a"), of("b"), of("c")),
        (vec!["b".into(), "c".into()], vec!["a".into()], vec![])
    );
    assert_eq!(graphs.len(), 1);
}
