//! What a fresh machine needs before anything of the lab runs there.

use crate::packages::{ensure_packages, installation};
use crate::root::AsteriskRoot;
use anyhow::{Result, anyhow};
use rustix::process::geteuid;

/// Makes sure that packages of the distribution and the root folder with Asterisk are there.
///
/// # Errors
/// When something is missing and the user is not root, with every command that root has to run, not only the first;
/// otherwise as [`ensure_packages`] and [`AsteriskRoot::ensure`].
pub fn prepare(packages: &[&str]) -> Result<()> {
    if !geteuid().is_root() {
        let commands: Vec<String> = installation(packages).into_iter().chain(AsteriskRoot::construction()).collect();
        return if commands.is_empty() { Ok(()) } else { Err(for_root(&commands)) };
    }
    ensure_packages(packages)?;
    AsteriskRoot::ensure().map(drop)
}

/// Says what root has to run.
pub(crate) fn for_root(commands: &[String]) -> anyhow::Error {
    let list = commands.join("\n    ");
    anyhow!(
        "the lab needs what only root can install. Run this as root (after `sudo -i` or `su -`), then try again:\n    {list}"
    )
}
