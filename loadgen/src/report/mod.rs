//! Pure: what was measured, told: tables, JSON, pages, logs, and what runs differ by.
//! May use: `load`, `options`, `measure`. Never: measures, decides what to run.

pub mod compare;
#[cfg(test)]
mod golden;
pub mod hlog;
pub mod html;
pub mod measured;
pub mod omb;
pub mod output;
pub mod perf_test;
pub mod quantile;
pub mod run_report;
pub mod summary;
pub mod sweep;
pub mod tags;
pub mod text;
