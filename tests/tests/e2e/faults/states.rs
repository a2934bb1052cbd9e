//! Two states that a system goes back and forth between, and all that must be true of one that is wholly in one of them.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use pbx_lab::until;
use pbx_tests::{CommandOutput, SOON, System, extension, settings};
use serde_json::Value as Json;

/// The files that Asterisk reads, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// What a manifest file, an extension's name and an extension that is only there tell of each state.
const STATES: [(&str, &str, &str); 2] = [("ana.yaml", "Ana Alfa", "1002"), ("bia.yaml", "Bia Beta", "1003")];

/// Whom the filter of a state denies.
fn denied(own: &str) -> String {
    format!("+35191000{own}")
}

/// A system's two states, known by their files.
pub(super) struct States {
    files: [Files; 2],
    /// The one it is in.
    now: usize,
}

/// `pbxctl apply`, under way.
pub(super) struct Change {
    to: usize,
    child: Child,
}

impl Change {
    /// Waits for its end.
    pub(super) fn end(self) -> Result<(usize, CommandOutput)> {
        Ok((self.to, self.child.wait_with_output()?.into()))
    }
}

/// The files under `current`.
fn live_files(system: &System) -> Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(system.asterisk().etc().join("pbx.d/current/"))? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(files)
}

impl States {
    /// Brings a system from one into the other, to know both.
    pub(super) fn learn(system: &System) -> Result<Self> {
        let mut states = Self { files: Default::default(), now: 0 };
        for (state, (file, name, own)) in STATES.into_iter().enumerate() {
            let ana = format!(", displayName: {name}, voicemail: {{ enabled: true }}");
            let filter = format!(
                "---\nkind: BlockFilter\nmetadata: {{ name: spam }}\nspec: {{ deny: [{{ caller: \"{}\" }}] }}\n",
                denied(own)
            );
            system.write(file, &[settings(""), extension("1001", &ana), extension(own, ""), filter].concat())?;
            begin(system, state, &[])?.end()?.1.expect(0)?;
            states.files[state] = live_files(system)?;
            states.now = state;
        }
        ensure!(states.files[0] != states.files[1], "the states do not differ");
        Ok(states)
    }

    /// Begins to change a system into the state that it is not in.
    pub(super) fn change(&self, system: &System) -> Result<Change> {
        self.change_with(system, &[])
    }

    /// The same, with more arguments.
    pub(super) fn change_with(&self, system: &System, more: &[&str]) -> Result<Change> {
        begin(system, 1 - self.now, more)
    }

    /// Whether a system is wholly in one of the states, whatever was done to it, and what `pbxctl` told of a change is true.
    /// `told` is what it told, if it could.
    pub(super) fn check(&mut self, system: &System, told: Option<&(usize, CommandOutput)>) -> Result<()> {
        self.look(system, told).with_context(|| {
            let words = told.map(|(to, output)| format!("towards {}:\n{output}", STATES[*to].1)).unwrap_or_default();
            format!("from {} {words}\npbxd said:\n{}", STATES[self.now].1, system.pbxd_log())
        })
    }

    fn look(&mut self, system: &System, told: Option<&(usize, CommandOutput)>) -> Result<()> {
        // Store, link and Asterisk name the same revision.
        let health = until("an agreement of store, files and Asterisk", SOON, || {
            let health = system.health()?;
            let (head, asterisk) = (health.revision, &health.asterisk);
            let agree = head.is_some() && asterisk.files_revision == head && asterisk.proven_revision == head;
            Ok(agree.then_some(health))
        })?;

        // The files are one state's, and so is what the store says.
        let files = live_files(system)?;
        let state = self.files.iter().position(|known| *known == files).context("the files are of no state")?;
        let (manifests, name, own) = STATES[state];
        system.pbxctl(&["diff", "-f", manifests, "--prune"])?.expect(0).context("the store differs from the files")?;

        // Asterisk itself has it.
        let endpoints = system.asterisk().cli("pjsip show endpoints")?;
        let ana = system.asterisk().cli("pjsip show endpoint 1001")?;
        let boxes = system.asterisk().cli("voicemail show users")?;
        ensure!(ana.contains(name) && boxes.contains(name), "Asterisk does not have {name}:\n{ana}\n{boxes}");
        for (_, _, number) in STATES {
            ensure!(endpoints.contains(&format!(" {number}")) == (number == own), "{number}:\n{endpoints}");
        }

        // And so does its database.
        until(&format!("the entries of {name}"), SOON, || {
            let held = system.asterisk().cli("database show pbx-filter")?;
            let right = |number: &str| held.contains(&denied(number)[1..]) == (number == own);
            Ok(STATES.iter().all(|(_, _, number)| right(number)).then_some(()))
        })?;

        // What was told is true.
        if let Some((to, output)) = told {
            match output.code {
                0 => ensure!(state == *to, "told as done, and is not"),
                1 | 4 | 5 => ensure!(state == self.now, "told as not done, and is"),
                6 => {}
                other => bail!("an exit code of {other}"),
            }
        }
        self.now = state;
        history(system, health.revision)
    }

    /// A change was told as done, and is not to be looked at.
    pub(super) fn took(&mut self) {
        self.now = 1 - self.now;
    }

    /// The next change works.
    pub(super) fn go_on(&mut self, system: &System) -> Result<()> {
        let told = self.change(system)?.end()?;
        ensure!(told.1.code == 0, "the next change failed: {}\npbxd said:\n{}", told.1, system.pbxd_log());
        self.check(system, Some(&told))
    }
}

/// Begins to apply a state.
fn begin(system: &System, to: usize, more: &[&str]) -> Result<Change> {
    let mut command = system.command(&["apply", "-f", STATES[to].0, "--yes", "--prune"])?;
    command.args(more);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    Ok(Change { to, child })
}

/// The history is a line that ends in the live revision, nothing is under way, and what did not become live says why.
pub(super) fn history(system: &System, live: Option<u64>) -> Result<()> {
    let mut head = None;
    for revision in revisions(system)?.iter().rev() {
        match revision["state"].as_str() {
            Some("committed") => {
                ensure!(revision["base"].as_u64() == head, "{revision} was not made from {head:?}");
                head = revision["id"].as_u64();
            }
            Some("rolledBack" | "failed") => {
                ensure!(
                    revision["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
                    "it says nothing: {revision}"
                );
            }
            _ => bail!("it has not ended: {revision}"),
        }
    }
    ensure!(head == live, "the history ends in {head:?}, and {live:?} is live");
    Ok(())
}

/// All revisions, the newest first.
pub(super) fn revisions(system: &System) -> Result<Vec<Json>> {
    let mut list = system.pbxctl(&["history", "--limit", "10000", "-o", "json"])?.expect(0)?.json()?;
    serde_json::from_value(list["revisions"].take()).context("no list of revisions")
}
