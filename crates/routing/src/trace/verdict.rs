//! Whether a call went where a test expects it.

use pbx_manifest::{Expect, Name};
use serde::Serialize;

use super::{End, Trace};
use crate::Field;

/// Something that went otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Miss {
    /// The test's field that expected it, as `spec.expect.path[2]`.
    pub path: String,
    /// What was expected.
    pub expected: String,
    /// What happened.
    pub traced: String,
    /// Why it did.
    pub why: String,
    /// The field that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided: Option<Field>,
}

/// Whether a step may be left out of what a test expects: what goes on inside of a menu or a tree, and gates that are passed.
pub(super) fn may_be_left_out(label: &str) -> bool {
    let inside = (label.starts_with("ivr/") || label.starts_with("tree/")) && label.contains('.');
    let passed = label.starts_with("filter/") && label.ends_with("=passed");
    let open = label.starts_with("schedule/") && label.ends_with("=open");
    inside || passed || open
}

/// Everything that went otherwise than expected, the first step that differs before the rest.
pub fn judge(expect: &Expect, trace: &Trace<'_>) -> Vec<Miss> {
    let mut misses = Vec::new();
    if let Some(schedule) = &trace.timeless {
        misses.push(Miss {
            path: "spec.call".into(),
            expected: "`call.at`, the time of the call".into(),
            traced: format!("{schedule} is asked, which says another thing at another time"),
            why: "without it, the test would end otherwise by day than by night".into(),
            decided: None,
        });
        return misses;
    }
    misses.extend(path(expect, trace));
    let end = trace.end.to_string();
    let last = || (trace.end.words(), trace.steps.last().and_then(|step| step.decided.clone()));
    let mut differs = |field: &str, expected: String, traced: String| {
        let (why, decided) = last();
        misses.push(Miss { path: format!("spec.expect.{field}"), expected, traced, why, decided });
    };
    if let Some(expected) = expect.end.as_ref().filter(|expected| expected.as_str() != end) {
        differs("end", expected.to_string(), end.clone());
    }
    if let Some(expected) = &expect.answered_by
        && !answers(expected.as_str(), &trace.end)
    {
        differs("answeredBy", expected.to_string(), trace.end.answered_by().unwrap_or_else(|| format!("nobody: {end}")));
    }
    let mut heard = trace.heard.iter();
    for (at, expected) in expect.heard.iter().enumerate() {
        let expected = expected.to_string();
        if !heard.any(|heard| *heard == expected) {
            let all = if trace.heard.is_empty() { "nothing".to_owned() } else { trace.heard.join(", ") };
            differs(&format!("heard[{at}]"), expected, all);
            break;
        }
    }
    if let Some(expected) = expect.music.as_ref().filter(|expected| !trace.music.contains(expected)) {
        let all = trace.music.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        differs("music", expected.to_string(), if all.is_empty() { "none".into() } else { all });
    }
    if let Some(expected) = &expect.carrier
        && trace.carrier() != Some(expected)
    {
        differs("carrier", expected.to_string(), trace.carrier().map_or_else(|| "none".to_owned(), ToString::to_string));
    }
    misses
}

/// The first step that differs.
fn path(expect: &Expect, trace: &Trace<'_>) -> Option<Miss> {
    if expect.path.is_empty() {
        return None;
    }
    let mut expected = expect.path.iter().enumerate().peekable();
    for step in &trace.steps {
        match expected.peek() {
            Some((_, label)) if label.as_str() == step.label => {
                expected.next();
            }
            _ if may_be_left_out(&step.label) => {}
            next => {
                let last = expect.path.len().saturating_sub(1);
                return Some(Miss {
                    path: format!("spec.expect.path[{}]", next.map_or(last, |(at, _)| *at)),
                    expected: next.map_or_else(|| "no step behind it".to_owned(), |(_, label)| label.to_string()),
                    traced: step.label.clone(),
                    why: step.why.clone(),
                    decided: step.decided.clone(),
                });
            }
        }
    }
    expected.next().map(|(at, label)| Miss {
        path: format!("spec.expect.path[{at}]"),
        expected: label.to_string(),
        traced: format!("the end: {}", trace.end),
        why: trace.end.words(),
        decided: trace.steps.last().and_then(|step| step.decided.clone()),
    })
}

/// Whether whom a test names may be the one who answers.
fn answers(expected: &str, end: &End) -> bool {
    match end {
        End::Answered(all) => {
            let number = expected.strip_prefix("extension/").unwrap_or(expected);
            all.iter().any(|name| name.as_str() == number)
        }
        End::Outside(number) => expected.strip_prefix("external/").unwrap_or(expected) == number,
        _ => false,
    }
}
