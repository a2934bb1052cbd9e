//! Proof that Asterisk lets pbxd in and reads the files.

use std::path::PathBuf;
use std::time::Duration;

use pbx_asterisk::ami::action::{Command, CoreSettings, GetConfig, ModuleCheck};
use pbx_asterisk::ami::{AmiError, Client, Options};
use pbx_asterisk::config::FILES;
use serde::Serialize;

use super::site::Site;

/// What was proven.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Asterisk's version.
    pub version: String,
    /// Where the manager interface answered.
    pub address: String,
    /// Modules that pbxd's files are for and that are not loaded.
    pub not_loaded: Vec<String>,
}

/// What is not as it must be.
#[derive(Debug)]
pub enum Doubt {
    /// The manager interface does not answer, or not as it must.
    Ami(AmiError),
    /// Asterisk's parser refuses a main file.
    File {
        /// Its name.
        name: &'static str,
        /// Asterisk's words.
        words: String,
    },
    /// It answers, and is another Asterisk than the one of these files.
    Elsewhere {
        /// The configuration folder that it reads.
        other: PathBuf,
        /// The one that `asterisk.conf` names.
        described: PathBuf,
    },
}

impl Doubt {
    /// What to do about an Asterisk that is another one.
    pub fn cure(&self) -> String {
        match self {
            Self::Elsewhere { other, .. } => {
                format!(
                    "name the `asterisk.conf` that it runs with: `--asterisk-conf {}`",
                    other.join("asterisk.conf").display()
                )
            }
            Self::Ami(_) | Self::File { .. } => "`pbxctl doctor` looks for the reason".to_owned(),
        }
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ami(error) => error.fmt(f),
            Self::File { name, words } => write!(f, "Asterisk does not read {name}: {words}"),
            Self::Elsewhere { other, described } => write!(
                f,
                "the Asterisk that answers reads its configuration in {}, and not in {}",
                other.display(),
                described.display()
            ),
        }
    }
}

impl From<AmiError> for Doubt {
    fn from(error: AmiError) -> Self {
        Self::Ami(error)
    }
}

/// Whether Asterisk's parser reads a file: its words when it does not.
pub async fn parses(client: &Client, name: &str) -> Result<Option<String>, AmiError> {
    // A section that is not there: the whole file is parsed, and none of its secrets are sent.
    match client.call(&GetConfig::new(name).category("pbx-no-such-section")).await {
        Ok(_) => Ok(None),
        Err(AmiError::Refused { message, .. }) if message.contains("ategor") => Ok(None),
        Err(AmiError::Refused { message, .. }) => Ok(Some(message)),
        Err(error) => Err(error),
    }
}

/// Logs in, and has every main file read, by the Asterisk that these are the files of.
pub async fn prove(options: &Options, site: &Site) -> Result<Proof, Doubt> {
    let (client, _) = Client::connect(options).await?;
    client.wait_fully_booted(Duration::from_mins(1)).await?;
    let mut proof = Proof { address: options.addr.clone(), ..Proof::default() };
    proof.version = client.call(&CoreSettings).await?.asterisk_version;
    let settings = client.call(&Command("core show settings".into())).await?.lines.join("\n");
    if let Some(other) = site.elsewhere(&settings) {
        return Err(Doubt::Elsewhere { other, described: site.described.clone().unwrap_or_default() });
    }
    for (name, module) in FILES {
        if let Some(words) = parses(&client, name).await? {
            return Err(Doubt::File { name, words });
        }
        if !client.call(&ModuleCheck(module.to_owned())).await?.0 {
            proof.not_loaded.push(module.to_owned());
        }
    }
    Ok(proof)
}
