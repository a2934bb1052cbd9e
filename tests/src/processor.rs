//! What programs cost.

use std::time::Duration;

use anyhow::{Context, Result};

/// How long a process was on a processor so far, to a hundredth of a second (proc_pid_stat(5): `utime` and `stime`).
pub fn processor_time(id: u32) -> Result<Duration> {
    let stat = fs_err::read_to_string(format!("/proc/{id}/stat"))?;
    let behind = stat.rsplit_once(')').context("a stat without a name")?.1;
    let ticks: Result<u64> = behind.split_whitespace().skip(11).take(2).map(|ticks| Ok(ticks.parse::<u64>()?)).sum();
    Ok(Duration::from_millis(ticks? * 10))
}
