//! Pure: the form in which the rows are written down, so that a table reads like one.

/// Declares a table of broker settings. One row is
/// `"name" Kind = default, rule, importance, mode, effect; "doc"`, where the default is a text in
/// `Some(…)` or `None`.
macro_rules! broker_settings {
    ($(#[$meta:meta])* $vis:vis static $table:ident; $(
        $name:literal $kind:ident = $default:expr, $rule:expr, $importance:ident, $mode:ident,
        $effect:expr; $($doc:literal)+;
    )*) => {
        $(#[$meta])*
        $vis static $table: &[$crate::base::config::Setting] = {
            #[allow(unused_imports)] // Not every table needs every kind of rule and effect.
            use $crate::base::config::{Effect::*, Rule::*, Why::*};
            use $crate::base::config::{Importance, Kind, Mode, Setting};
            &[$(Setting {
                name: $name,
                kind: Kind::$kind,
                default: $default,
                rule: $rule,
                importance: Importance::$importance,
                mode: Mode::$mode,
                effect: $effect,
                synonyms: &[],
                doc: concat!($($doc),+),
            }),*]
        };
    };
}

/// Declares a table of settings that are changed while the broker runs, per topic or per group:
/// `"name" Kind = default, rule, effect, [broker synonyms]; "doc"`.
macro_rules! dynamic_settings {
    ($(#[$meta:meta])* $vis:vis static $table:ident; $(
        $name:literal $kind:ident = $default:literal, $rule:expr, $effect:expr,
        [$($synonym:literal),*]; $($doc:literal)+;
    )*) => {
        $(#[$meta])*
        $vis static $table: &[$crate::base::config::Setting] = {
            #[allow(unused_imports)] // A table need not have settings without effect.
            use $crate::base::config::{Effect::*, Rule::*, Why::*};
            use $crate::base::config::{Importance, Kind, Mode, Setting};
            &[$(Setting {
                name: $name,
                kind: Kind::$kind,
                default: Some($default),
                rule: $rule,
                importance: Importance::Medium,
                mode: Mode::ClusterWide,
                effect: $effect,
                synonyms: &[$($synonym),*],
                doc: concat!($($doc),+),
            }),*]
        };
    };
}

pub(super) use {broker_settings, dynamic_settings};
