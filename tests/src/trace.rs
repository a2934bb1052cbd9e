//! What pbxd asks of the kernel, watched or made to fail by `strace`: faults of disks at exactly one call, without a word in the product.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use fs_err as fs;
use pbx_lab::{Place, Process, ensure_packages, until};

use crate::SOON;

/// A call that shall not go well. Calls are counted for each thread.
#[derive(Debug, Clone)]
pub struct Injection {
    /// The calls, as `strace` names sets of them: `fsync`, `?rename,renameat`.
    pub calls: &'static str,
    /// The file or folder that they are about.
    pub path: PathBuf,
    /// Which of them, from 1.
    pub nth: u32,
    /// What happens: `error=ENOSPC`, `signal=SIGKILL`, `delay_enter=1000000`.
    pub what: String,
}

/// A process under watch, until dropped.
#[derive(Debug)]
pub struct Trace {
    process: Process,
    output: PathBuf,
}

impl Trace {
    /// Lets one call of a process go wrong.
    ///
    /// # Errors
    /// When `strace` cannot be had, or may not watch the process.
    pub fn inject(place: &Place, pid: u32, injection: &Injection) -> Result<Self> {
        let Injection { calls, path, nth, what } = injection;
        let mut args = vec![format!("--trace={calls}"), format!("--inject={calls}:{what}:when={nth}")];
        args.push(format!("--trace-path={}", path.display()));
        Self::start(place, pid, &args)
    }

    /// Writes down the calls of a process, with the paths of what they are about.
    ///
    /// # Errors
    /// As [`Trace::inject`].
    pub fn record(place: &Place, pid: u32, calls: &str) -> Result<Self> {
        Self::start(
            place,
            pid,
            &["--decode-fds=path".to_owned(), "--string-limit=0".to_owned(), format!("--trace={calls}")],
        )
    }

    fn start(place: &Place, pid: u32, args: &[String]) -> Result<Self> {
        ensure_packages(&["strace"])?;
        let (output, said) = (place.dir().join("strace.log"), place.dir().join("strace.out"));
        for path in [&output, &said] {
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        let mut command = Command::new("strace");
        command.arg("--follow-forks").arg("--output").arg(&output).args(args).arg(format!("--attach={pid}"));
        let mut process = place.spawn("strace", command)?;
        until("strace", SOON, || {
            let said = fs::read_to_string(&said)?;
            if !process.is_running() {
                bail!("strace ended: {said}");
            }
            Ok(said.contains("attached").then_some(()))
        })?;
        Ok(Self { process, output })
    }

    /// Whether a call went wrong as it should.
    ///
    /// # Errors
    /// When what was written down cannot be read.
    pub fn has_injected(&self) -> Result<bool> {
        let text = fs::read_to_string(&self.output)?;
        Ok(text.contains("(INJECTED)") || text.contains("(DELAYED)") || text.contains("killed by SIGKILL"))
    }

    /// Ends it; the process goes on. What was written down is returned, a line for each call.
    ///
    /// # Errors
    /// When it does not end, or what it wrote cannot be read.
    pub fn end(mut self) -> Result<String> {
        self.process.stop()?;
        Ok(fs::read_to_string(&self.output)?)
    }

    /// Where calls are written down.
    pub fn output(&self) -> &Path {
        &self.output
    }
}
