//! Plans as files.

use std::io::Write as _;
use std::path::Path;

use pbx_api::{PLAN_FORMAT, SavedPlan};

use crate::failure::Failure;

/// Writes a plan, whole or not at all. Only whoever made it can read it: it names people and numbers.
pub fn write(path: &Path, saved: &SavedPlan) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed("output", format!("the plan cannot be kept in {}: {error}", path.display()))
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut text = serde_json::to_vec_pretty(saved).map_err(|error| failed(&error))?;
    text.push(b'\n');
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// How the names of files end that are manifests.
const MANIFESTS: [&str; 6] = ["yaml", "yml", "csv", "tsv", "xlsx", "xlsm"];

/// Whether a text is a plan that was kept.
pub fn is_plan(text: &str) -> bool {
    let start = text.strip_prefix('{').map(str::trim_start).and_then(|text| text.strip_prefix("\"format\":"));
    start.is_some_and(|text| text.trim_start().starts_with(&format!("\"{PLAN_FORMAT}\"")))
}

/// Reads a plan.
pub fn read(path: &Path) -> Result<SavedPlan, Failure> {
    let shown = path.display();
    let manifests = path.is_dir() || path.extension().is_some_and(|ending| MANIFESTS.iter().any(|one| ending == *one));
    if manifests {
        return Err(Failure::usage(format!("{shown} is not a plan"))
            .help(format!("manifests are named with -f: `pbxctl apply -f {shown}`")));
    }
    let text = fs_err::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::failed("input", format!("there is no plan `{shown}`"))
            .help("`pbxctl plan -f … --out FILE` makes one"),
        _ => Failure::failed("input", error.to_string()),
    })?;
    let not_one = || {
        Failure::failed("input", format!("{shown} is not a plan")).help(format!(
            "a plan is written by `pbxctl plan --out FILE`, and begins with \"format\": \"{PLAN_FORMAT}\""
        ))
    };
    let saved: SavedPlan =
        serde_json::from_slice(&text).map_err(|error| not_one().help(format!("reading it as one fails: {error}")))?;
    if saved.format == PLAN_FORMAT { Ok(saved) } else { Err(not_one()) }
}
