//! A key and a certificate signed by itself.

use anyhow::{Context, Result};
use fs_err as fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::place::give;

/// Writes `lab.crt` and `lab.key` (PEM) for an address into a folder, readable to the unprivileged user of the lab.
///
/// It is valid from 1975 to 4096, so that an instance with another clock accepts it too.
pub(crate) fn write(dir: &Path, ip: Ipv4Addr) -> Result<()> {
    let pair = rcgen::generate_simple_self_signed(vec![ip.to_string(), "localhost".to_owned()])
        .context("cannot make a certificate")?;
    for (name, text, mode) in
        [("lab.crt", pair.cert.pem(), 0o644), ("lab.key", pair.signing_key.serialize_pem(), 0o640)]
    {
        let path = dir.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
        give(&path)?;
    }
    Ok(())
}
