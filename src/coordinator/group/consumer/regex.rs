//! Pure: regular expressions that stand for topics. They are resolved beside other work, topic by
//! topic, and all of a group together, so that its epoch rises once
//! (`GroupMetadataManager.maybeUpdateRegularExpressions` of Kafka).
//!
//! Kafka's are RE2's. Those of the crates used here have the same syntax but for few corners, and
//! the same bound: a match takes time in proportion to the name's length.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use regex_automata::meta;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Hir, Look};
use regex_syntax::{ast, hir};

use crate::base::{WallMs, limits};
use crate::coordinator::group::memory::{self, Memory};
use crate::coordinator::group::topics::Topics;
use crate::coordinator::record::{ConsumerChange, GroupEpoch};
use crate::coordinator::runtime::Now;
use crate::metadata::image::Topic;

use super::member::Member;
use super::replay::Resolved;
use super::request::ConsumerRefused;
use super::{ConsumerGroup, Plan, REFRESH_MS, Surroundings};

/// The least time between two resolutions of a group's expressions, in milliseconds
/// (`REGEX_BATCH_REFRESH_MIN_INTERVAL_MS` of Kafka).
const REFRESH_MIN_MS: i64 = 10_000;
/// After how long a group's expressions are resolved anew, in milliseconds (an internal setting
/// of Kafka, `group.consumer.regex.refresh.interval.ms`).
const REFRESH_MAX_MS: i64 = 600_000;
/// Names that are matched in one step.
const NAMES_AT_ONCE: usize = 500;
/// The largest automaton that an expression may become, in bytes.
const AUTOMATON_BYTES_MAX: usize = 1 << 20;

/// How a heartbeat changes what a member's expression stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RegexChange {
    /// Not at all.
    None,
    /// It has another, which is not resolved yet.
    Updated,
    /// It has another, which is resolved, or none any more.
    Resolved,
}

/// What a heartbeat means for the group's expressions.
pub(super) struct RegexOutcome {
    pub change: RegexChange,
    pub refresh: Option<Refresh>,
}

/// Expressions of a group that are to be resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::coordinator::group) struct Refresh {
    pub group: Rc<str>,
    regexes: Vec<Rc<str>>,
}

/// The expressions of all groups that are being resolved.
#[derive(Default, Debug)]
pub(in crate::coordinator::group) struct Regexes {
    /// The version of the newest metadata that has new topics.
    pub new_topics_version: i64,
    /// Those under way; the first one is worked on.
    under_way: std::collections::VecDeque<Resolving>,
}

/// A group whose expressions are being resolved.
#[derive(Debug)]
struct Resolving {
    refresh: Refresh,
    /// The cluster when it began.
    topics: Topics,
    /// All of its topics, listed when the first name is matched.
    all: Option<Vec<Arc<Topic>>>,
    started_ms: WallMs,
    /// The expression that is worked on, if it can be used, and the next name that it sees.
    current: Option<(Rc<str>, Option<meta::Regex>, usize)>,
    found: BTreeMap<Rc<str>, BTreeSet<Rc<str>>>,
    /// What that takes.
    bytes: usize,
    /// Whether there was no memory for all of it.
    is_cut: bool,
}

/// Expressions that are resolved.
pub(in crate::coordinator::group) struct Found {
    pub group: Rc<str>,
    /// Whether some are left out: there was no memory for what they stand for.
    pub is_cut: bool,
    resolved: BTreeMap<Rc<str>, Resolved>,
}

impl ConsumerGroup {
    /// What a heartbeat that makes `updated` of `member` means for the group's expressions.
    pub(super) fn change_regex(
        &self,
        cx: Surroundings<'_>,
        member: &Member,
        updated: &Member,
        changes: &mut Vec<ConsumerChange>,
    ) -> Result<RegexOutcome, ConsumerRefused> {
        let (old, new) = (member.regex(), updated.regex());
        let wants = &self.subscriptions;
        let mut change = RegexChange::None;
        let mut is_due = false;
        if member.about.regex != updated.about.regex {
            change = RegexChange::Updated;
            if let Some(old) = old.filter(|old| wants.members_with(old) == 1) {
                changes.push(ConsumerChange::Regex(old.clone(), None));
            }
            match new {
                Some(new) if wants.members_with(new) == 0 => {
                    compile(new).map_err(|why| ConsumerRefused::regex(new, &why))?;
                    is_due = true;
                }
                Some(new) if self.resolved.contains_key(new) => change = RegexChange::Resolved,
                None if old.is_some() => change = RegexChange::Resolved,
                _ => {}
            }
        }
        let refresh = self.refresh_of(cx, old, new, is_due);
        Ok(RegexOutcome { change, refresh })
    }

    /// The expressions to resolve anew, if that is due.
    fn refresh_of(
        &self,
        cx: Surroundings<'_>,
        old: Option<&Rc<str>>,
        new: Option<&Rc<str>>,
        is_due: bool,
    ) -> Option<Refresh> {
        let wants = &self.subscriptions;
        let some = self.resolved.values().next();
        let refreshed = some.map(|of| of.timestamp);
        let now = cx.now.wall_ms;
        if !is_due && wants.regexes().next().is_none()
            || cx.regexes.is_under_way(&self.id)
            || refreshed.is_some_and(|at| now <= at + REFRESH_MIN_MS)
        {
            return None;
        }
        let left = |regex: &&Rc<str>| {
            let leaves = Some(*regex) == old && Some(*regex) != new;
            !leaves || wants.members_with(regex) > 1
        };
        let mut regexes: BTreeSet<_> = wants.regexes().filter(left).cloned().collect();
        regexes.extend(new.cloned());
        let version = some.map_or(0, |of| of.version);
        let is_due = is_due
            || regexes.len() != self.resolved.len()
            || version < cx.regexes.new_topics_version
            || refreshed.is_none_or(|at| now > at + REFRESH_MAX_MS);
        (is_due && !regexes.is_empty()).then(|| Refresh {
            group: self.id.clone(),
            regexes: regexes.into_iter().collect(),
        })
    }

    /// Takes over what its expressions stand for now.
    pub fn resolved(&self, cx: Surroundings<'_>, found: Found) -> Plan<()> {
        let mut changes = Vec::new();
        let mut subscriptions = self.subscriptions.clone();
        let mut rises = false;
        for (regex, new) in found.resolved {
            if subscriptions.members_with(&regex) == 0 {
                continue;
            }
            let old = self.resolved.get(&regex).map(|old| &old.topics);
            let none = BTreeSet::new();
            let old = old.unwrap_or(&none);
            if *old != new.topics {
                rises = true;
                subscriptions.forget_resolved(old);
                subscriptions.add_resolved(&new.topics);
            }
            changes.push(ConsumerChange::Regex(regex, Some(new.value())));
        }
        let metadata_hash = subscriptions.hash(cx.topics);
        rises |= metadata_hash != self.metadata_hash;
        let mut refresh = None;
        if rises {
            let epoch = self.epoch + 1;
            changes.push(ConsumerChange::Epoch(Some(GroupEpoch {
                epoch,
                metadata_hash,
            })));
            refresh = Some((cx.now.wall_ms + REFRESH_MS, epoch));
        }
        Plan {
            changes,
            reply: (),
            timers: Vec::new(),
            refresh,
            regexes: None,
            rebalances: rises,
        }
    }
}

// === impl Regexes ===

impl Regexes {
    /// Begins to resolve expressions of a group.
    pub fn begin(&mut self, refresh: Refresh, topics: &Topics, now: Now) {
        self.under_way.push_back(Resolving {
            refresh,
            topics: topics.clone(),
            all: None,
            started_ms: now.wall_ms,
            current: None,
            found: BTreeMap::new(),
            bytes: 0,
            is_cut: false,
        });
    }

    /// Whether some are left.
    pub fn has_work(&self) -> bool {
        !self.under_way.is_empty()
    }

    fn is_under_way(&self, group: &str) -> bool {
        let mut groups = self.under_way.iter().map(|it| &*it.refresh.group);
        groups.any(|it| it == group)
    }

    /// Does a step; all expressions of a group, once they are resolved, or as many as there is
    /// memory for.
    pub fn work(&mut self, memory: &dyn Memory) -> Option<Found> {
        if !self.under_way.front_mut()?.step(memory) {
            return None;
        }
        let done = self.under_way.pop_front()?;
        let resolved = done.found.into_iter().map(|(regex, topics)| {
            let (version, timestamp) = (done.topics.version(), done.started_ms);
            let resolved = Resolved {
                topics,
                version,
                timestamp,
            };
            (regex, resolved)
        });
        Some(Found {
            group: done.refresh.group,
            is_cut: done.is_cut,
            resolved: resolved.collect(),
        })
    }
}

impl Resolving {
    /// Matches some names; whether that was all.
    fn step(&mut self, memory: &dyn Memory) -> bool {
        let (text, compiled, next) = match self.current.take() {
            Some(current) => current,
            None => match self.refresh.regexes.pop() {
                None => return true,
                // One from the log may be invalid here: it matches nothing.
                Some(text) => (text.clone(), compile(&text).ok(), 0),
            },
        };
        let found = self.found.entry(text.clone()).or_default();
        let all = self.all.get_or_insert_with(|| self.topics.all());
        let names = all.iter().skip(next).take(NAMES_AT_ONCE);
        for name in names.map(|topic| &*topic.name) {
            let input = Input::new(name).anchored(Anchored::Yes);
            if compiled.as_ref().is_some_and(|it| it.is_match(input)) {
                self.bytes += memory::of_name_in_list(name);
                found.insert(name.into());
            }
        }
        if !memory.can_take(self.bytes) {
            // It is tried again when its group's expressions are due next.
            self.found.remove(&text);
            self.is_cut = true;
            return true;
        }
        let next = next + NAMES_AT_ONCE;
        if next < all.len() {
            self.current = Some((text, compiled, next));
        }
        self.current.is_none() && self.refresh.regexes.is_empty()
    }
}

/// Compiles an expression to match whole names; `Err` is Kafka's text.
fn compile(text: &str) -> Result<meta::Regex, String> {
    if text.len() > limits::REGEX_BYTES_MAX {
        return Err(format!("longer than {} bytes", limits::REGEX_BYTES_MAX));
    }
    let parsed = regex_syntax::parse(text).map_err(|error| described(&error).to_owned())?;
    let whole = Hir::concat(vec![parsed, Hir::look(Look::End)]);
    let config = meta::Config::new().nfa_size_limit(Some(AUTOMATON_BYTES_MAX));
    let built = meta::Builder::new()
        .configure(config)
        .build_from_hir(&whole);
    built.map_err(|_| "invalid repeat count".to_owned())
}

/// The words of Kafka's library (`com.google.re2j.Parser`).
fn described(error: &regex_syntax::Error) -> &'static str {
    use ast::ErrorKind as Ast;
    match error {
        regex_syntax::Error::Parse(error) => match error.kind() {
            Ast::ClassUnclosed => "missing closing ]",
            Ast::ClassRangeInvalid | Ast::ClassRangeLiteral | Ast::ClassEscapeInvalid => {
                "invalid character class range"
            }
            Ast::EscapeUnexpectedEof => "trailing backslash at end of expression",
            Ast::EscapeUnrecognized
            | Ast::EscapeHexEmpty
            | Ast::EscapeHexInvalid
            | Ast::EscapeHexInvalidDigit
            | Ast::UnsupportedBackreference => "invalid escape sequence",
            Ast::GroupUnclosed | Ast::GroupUnopened => "missing closing )",
            Ast::GroupNameDuplicate { .. } => "duplicate capture group name",
            Ast::GroupNameEmpty | Ast::GroupNameInvalid | Ast::GroupNameUnexpectedEof => {
                "invalid named capture"
            }
            Ast::RepetitionMissing => "missing argument to repetition operator",
            Ast::RepetitionCountInvalid | Ast::NestLimitExceeded(_) => "invalid repeat count",
            _ => "invalid or unsupported Perl syntax",
        },
        regex_syntax::Error::Translate(error) => match error.kind() {
            hir::ErrorKind::UnicodePropertyNotFound
            | hir::ErrorKind::UnicodePropertyValueNotFound => "invalid character class range",
            _ => "invalid or unsupported Perl syntax",
        },
        _ => "regexp/syntax: internal error",
    }
}
