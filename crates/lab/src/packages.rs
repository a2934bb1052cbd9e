//! The programs of the lab come from the distribution's packages.

use crate::prepare::for_root;
use crate::root::cache;
use anyhow::{Context, Result, bail};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Makes sure that packages of the distribution are there: as root they are installed, without their recommendations.
///
/// A package counts as present when the program that the lab uses of it is found, so that a program installed
/// otherwise serves as well.
///
/// # Errors
/// When the user is not root, with the command to run; or when `apt-get` fails, with its last words.
pub fn ensure_packages(packages: &[&str]) -> Result<()> {
    let Some(command) = installation(packages) else { return Ok(()) };
    if !geteuid().is_root() {
        return Err(for_root(&[command]));
    }
    let lock = fs::File::create(cache()?.join("packages.lock"))?;
    flock(&lock, FlockOperation::LockExclusive).context("cannot lock the installation of packages")?;
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    tracing::info!("installing {} with apt-get", missing.join(", "));
    apt(&["update"])?;
    if missing.contains(&"postgresql") {
        without_a_system_cluster()?;
    }
    apt(&[&["install", "-y", "--no-install-recommends"], missing.as_slice()].concat())
}

/// The command that installs those of the packages that are missing.
pub(crate) fn installation(packages: &[&str]) -> Option<String> {
    let missing = missing(packages);
    let command = "apt-get update && apt-get install -y --no-install-recommends";
    (!missing.is_empty()).then(|| format!("{command} {}", missing.join(" ")))
}

/// Installing `postgresql` creates and starts a database for the whole machine, unless its settings say otherwise.
fn without_a_system_cluster() -> Result<()> {
    apt(&["install", "-y", "--no-install-recommends", "postgresql-common"])?;
    let path = Path::new("/etc/postgresql-common/createcluster.conf");
    let text = fs::read_to_string(path)?;
    let setting = "create_main_cluster = false";
    if !text.lines().any(|line| line.trim() == setting) {
        fs::write(path, format!("{text}\n# The lab starts databases of its own.\n{setting}\n"))?;
    }
    Ok(())
}

fn apt(args: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("cannot run apt-get: the lab needs Debian or one of its children")?;
    if !output.status.success() {
        bail!("apt-get {} failed:\n{}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn missing<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    packages.iter().copied().filter(|package| !is_present(package)).collect()
}

/// Whether the part of a package that the lab uses is there.
fn is_present(package: &str) -> bool {
    match package {
        "postgresql" => postgres_programs().is_some(),
        "python3-aiosmtpd" => Path::new("/usr/lib/python3/dist-packages/aiosmtpd").exists(),
        "sip-tester" => in_path("sipp"),
        "util-linux" => in_path("setpriv"),
        other => in_path(other),
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// The folder of `initdb` and `postgres` of the newest installed version.
pub(crate) fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .max()
        .map(|(_, bin)| bin)
}
