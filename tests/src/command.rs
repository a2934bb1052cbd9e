//! What a command said, and how it ended.

use std::fmt;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

/// What a command wrote, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// The result.
    pub stdout: String,
    /// The talk.
    pub stderr: String,
    /// The exit code; -1 for a process that was killed.
    pub code: i32,
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

impl fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}------- stderr -------\n{}[exit status: {}]", self.stdout, self.stderr, self.code)
    }
}

impl CommandOutput {
    /// An error unless it ended with this code.
    pub fn expect(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "expected exit status {code}, got:\n{self}");
        Ok(self)
    }

    /// The result as JSON.
    pub fn json(&self) -> Result<Json> {
        serde_json::from_str(&self.stdout).with_context(|| format!("not JSON:\n{self}"))
    }
}
