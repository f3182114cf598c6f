//! A run as a page: a lane for each host, time downwards, messages as arrows, faults and starts as
//! marks, with the violations on top. Everything is in the one file.

use anyhow::Result;
use serde_json::Value;

use crate::run::{Plan, Report};

const PAGE: &str = include_str!("trace.html");

/// The page.
pub(crate) fn page(plan: &Plan, report: &Report, lines: &Value) -> Result<String> {
    let data = serde_json::json!({ "plan": plan, "report": report, "lines": lines });
    // `<` would end the script element inside a string.
    let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
    Ok(PAGE.replace("/*DATA*/null", &data))
}
