//! What travels.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pbx_manifest::kinds::{ScheduleState, Until};
use pbx_manifest::{Declaration, Diagnostic, Meta, Name, ObjectChange, ObjectRef, Patch, Text, TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A declaration with the values of the secrets that were read where it was applied.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Declared {
    /// What the manifest says.
    pub declaration: Declaration,
    /// Secrets that came from an environment variable, a file or the manifest itself, by path below `spec`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
}

impl std::fmt::Debug for Declared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declared")
            .field("declaration", &self.declaration)
            .field("secrets", &self.secrets.keys())
            .finish()
    }
}

/// New values of an object's secrets. Where its manifest says that they come from, and who owns these fields, stays.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSecrets {
    /// Which object.
    pub object: ObjectRef,
    /// The values, by path below `spec`.
    pub secrets: BTreeMap<String, String>,
}

impl std::fmt::Debug for NewSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSecrets").field("object", &self.object).field("secrets", &self.secrets.keys()).finish()
    }
}

/// From where a change comes, for those who read the history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SourceInfo {
    /// The files that were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// The git commit that the first file's folder was at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether that folder had changes that were not committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// The command that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Who gave it before becoming another user, and from which address, where the machine knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// What should be: asks for the plan that gets there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlanRequest {
    /// The set that the declarations belong to, and that owns the fields they name.
    pub set: String,
    /// The objects that the set declares.
    pub declarations: Vec<Declared>,
    /// Single fields to change, owned by the set afterwards.
    pub patches: Vec<Patch>,
    /// Secrets that get new values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_secrets: Vec<NewSecrets>,
    /// Objects to delete.
    pub deletes: Vec<ObjectRef>,
    /// Also delete what the set made earlier and no longer declares.
    pub prune: bool,
    /// Take over fields that other sets own.
    pub force_conflicts: bool,
    /// How many objects may be deleted although it is a large part of their kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_deletes: Option<u32>,
    /// Instead of all the above: go back to what a revision held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<u64>,
    /// From where it comes.
    pub source: SourceInfo,
}

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileAction {
    /// It is new.
    Create,
    /// Some of its lines change.
    Change,
    /// It goes.
    Delete,
}

/// A configuration file that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    /// Its name in the revision's folder.
    pub name: String,
    /// What happens to it.
    pub action: FileAction,
    /// Lines that are added.
    pub added: usize,
    /// Lines that are removed.
    pub removed: usize,
    /// A unified diff, secrets masked; cut after some hundred lines.
    pub diff: String,
}

/// A module of Asterisk that is reloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reload {
    /// The module, as `res_pjsip.so`.
    pub module: String,
    /// Which files ask for it.
    pub files: Vec<String>,
}

/// Who notices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Blast {
    /// What happens to calls, registrations and carriers, a sentence each.
    pub effects: Vec<String>,
    /// Calls in progress when the plan was made; nothing when Asterisk could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_calls: Option<u64>,
    /// Registered telephones among the extensions that change or go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_phones: Option<u64>,
}

/// How to get from what is to what should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its name, for applying it.
    pub id: String,
    /// The revision it starts from; nothing when there is none yet.
    pub base: Option<u64>,
    /// Objects that change, by kind and name.
    pub changes: Vec<ObjectChange>,
    /// How many objects stay as they are.
    pub unchanged: usize,
    /// Files that change.
    pub files: Vec<FileChange>,
    /// Modules that are reloaded, in order.
    pub reloads: Vec<Reload>,
    /// Who notices.
    pub blast: Blast,
    /// Warnings about the system as it would be.
    pub diagnostics: Vec<Diagnostic>,
    /// Files that somebody has changed by hand: an apply is refused, unless it is told to write over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<DriftedFile>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.files.is_empty() && self.reloads.is_empty() && self.drift.is_empty()
    }
}

/// How a file with a plan begins.
pub const PLAN_FORMAT: &str = "pbx/plan/v1";

/// A plan as a file: what it does, for whoever looks at it, and what was asked for, sealed by the pbxd that made it. It can be
/// carried out there once, as long as nothing else has changed the system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedPlan {
    /// [`PLAN_FORMAT`].
    pub format: String,
    /// When it was made.
    #[schemars(with = "String")]
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: String,
    /// The set whose manifests it is of.
    pub set: String,
    /// From where they came.
    pub source: SourceInfo,
    /// What it does.
    pub plan: Plan,
    /// What was asked for, with its secrets, in base64: only the pbxd that sealed it can read it, and only while all of the
    /// above is as it was.
    pub sealed: String,
}

/// Asks to carry a plan out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApplyRequest {
    /// A word for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Write the files and keep the revision without asking Asterisk: for building images.
    pub no_reload: bool,
    /// Write over files that somebody has changed by hand.
    pub overwrite_drift: bool,
    /// Go back unless somebody confirms the revision within so many seconds, and at once where telephony gets worse; 0 for neither.
    pub confirm_within_seconds: u64,
    /// For how many seconds to wait while somebody else is changing the system.
    pub wait_seconds: u64,
}

/// A step of an apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Writing the new revision's files.
    Stage,
    /// Having Asterisk's own parser read them.
    Preflight,
    /// Switching to the new revision.
    Activate,
    /// Bringing Asterisk's own database up to date.
    Database,
    /// Reloading the modules whose files changed.
    Reload,
    /// Reading back what Asterisk now has.
    Verify,
    /// Keeping the revision.
    Commit,
    /// Going back to the revision before.
    Rollback,
}

/// One line of a running apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// A step begins or goes on.
    Progress {
        /// Which step.
        step: Step,
        /// What of it: a file, a module.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        what: String,
        /// How much is done.
        done: u64,
        /// Of how much; 0 when that is not known.
        total: u64,
    },
    /// The apply ended.
    Outcome(Outcome),
    /// The apply could not be carried out, and nothing changed.
    Error(ErrorBody),
}

/// How an apply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OutcomeResult {
    /// Asterisk has what was meant, and said so.
    Applied,
    /// The files are written and the revision kept; Asterisk was not asked.
    Written,
    /// Asterisk has what it had before, and said so.
    RolledBack,
    /// The new revision did not become live, and not all is known to be as it was before.
    Failed,
}

/// Something that Asterisk did not take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The object, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectRef>,
    /// The file in the revision's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is not as it was meant.
    pub message: String,
    /// What Asterisk said about it, word for word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asterisk: Vec<String>,
    /// What to do, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

/// How much was compared with what was meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// SIP objects that were read back.
    pub sip_objects: usize,
    /// Dialplan contexts that were read back.
    pub contexts: usize,
    /// Voicemail boxes that were read back.
    pub mailboxes: usize,
    /// Queues that were read back.
    #[serde(default)]
    pub queues: usize,
    /// Classes of music that were read back.
    #[serde(default)]
    pub music: usize,
    /// Parking lots that were read back.
    #[serde(default)]
    pub parking_lots: usize,
    /// Conferences that were read back.
    #[serde(default)]
    pub conferences: usize,
    /// Entries of Asterisk's own database that were read back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub entries: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How an apply ended, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The revision that was made.
    pub revision: u64,
    /// How it ended.
    pub result: OutcomeResult,
    /// The revision that is live now; nothing when there is none.
    pub live: Option<u64>,
    /// What Asterisk did not take.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// What was compared.
    pub verified: Verified,
    /// Objects that changed.
    pub changed: usize,
    /// By when it must be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub confirm_by: Option<Timestamp>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Answers the question whether a revision should stay.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfirmRequest {
    /// Which revision is meant; where nothing is said, whichever waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Go back, instead of keeping it.
    pub back: bool,
}

/// A revision that waits for its confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unconfirmed {
    /// The revision.
    pub revision: u64,
    /// The one that is gone back to otherwise.
    pub base: u64,
    /// Who applied it.
    pub by: String,
    /// Until when it waits.
    #[schemars(with = "String")]
    pub until: Timestamp,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Confirmed {
    /// The revision that waited.
    pub revision: u64,
    /// How going back ended, where that was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Outcome>,
}

/// An object as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// Which object.
    pub object: ObjectRef,
    /// Its labels, and whether it is protected.
    #[serde(flatten)]
    pub meta: Meta,
    /// The fields that were named; left out where only some fields were asked for.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub spec: Json,
    /// Every field, with the defaults and what a profile gives; of those that were asked for, where some were.
    pub effective: Json,
    /// The set that made it.
    pub owner: String,
    /// Fields of another owner, by path. One that `spec` has not was taken away by that owner.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owners: BTreeMap<String, String>,
    /// Fields whose value comes from another object, by path, with that object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inherited: BTreeMap<String, ObjectRef>,
    /// The revision that last changed it.
    pub revision: u64,
}

/// Objects, by kind and name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectList {
    /// The revision they are of.
    pub revision: Option<u64>,
    /// The objects.
    pub objects: Vec<ObjectView>,
}

/// A revision of the system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionView {
    /// Its number.
    pub id: u64,
    /// The revision it was made from.
    pub base: Option<u64>,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// The set that was applied.
    pub set: String,
    /// From where.
    pub source: SourceInfo,
    /// Why, in the words of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How it ended: `committed`, `rolledBack`, `failed`, `staged`, `activated`.
    pub state: String,
    /// What was said at the end, where it went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Objects made, changed and deleted.
    pub created: u64,
    /// Objects changed.
    pub updated: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Whether it is the one that is live.
    pub live: bool,
    /// Whether it was written without asking Asterisk.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub written: bool,
    /// Whether Asterisk has said that it has it, and nothing has spoken against that since. Known of the live one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<bool>,
    /// By when it must be confirmed, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub confirm_by: Option<Timestamp>,
}

/// How [`RevisionView::detail`] begins where the revision was applied and gone back from, for nobody confirmed it or telephony got
/// worse; the number of the revision that went back follows.
pub const GONE_BACK: &str = "gone back from in revision ";

impl RevisionView {
    /// Whether it was applied and gone back from.
    pub fn taken_back(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.starts_with(GONE_BACK))
    }
}

/// Revisions, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionList {
    /// The revisions.
    pub revisions: Vec<RevisionView>,
}

/// What a revision changed, or what differs between two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionChanges {
    /// From which revision; nothing for the empty system.
    pub from: Option<u64>,
    /// To which.
    pub to: u64,
    /// The objects that differ.
    pub changes: Vec<ObjectChange>,
}

/// A file that Asterisk reads and that somebody has changed since pbxd wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftedFile {
    /// Its name in the revision's folder.
    pub name: String,
    /// Whether it is gone, rather than changed.
    pub missing: bool,
    /// When it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// Whose the file is now: who replaced it, where that is not pbxd's own user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// A unified diff from what was written, secrets masked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
}

/// A field that was set by hand and not by manifests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManualField {
    /// Of which object.
    pub object: ObjectRef,
    /// Which field; nothing when the whole object was made by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// The revision that gave it its value, as `blame` says; of a whole object, the one that made it.
    pub revision: u64,
    /// Who made that.
    pub by: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

/// How what is differs from what should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The revision that is live.
    pub revision: Option<u64>,
    /// The revision whose files Asterisk reads, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_revision: Option<u64>,
    /// Files that were changed.
    pub files: Vec<DriftedFile>,
    /// What Asterisk has otherwise than it was meant.
    pub asterisk: Vec<Failure>,
    /// Why Asterisk could not be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_asked: Option<String>,
    /// How much of Asterisk was compared.
    pub verified: Verified,
    /// Fields that were set by hand.
    pub manual: Vec<ManualField>,
}

impl Drift {
    /// Whether nothing differs, as far as could be asked. Fields set by hand count where `manual` says so.
    pub fn is_empty(&self, manual: bool) -> bool {
        self.files_revision.is_none()
            && self.files.is_empty()
            && self.asterisk.is_empty()
            && (!manual || self.manual.is_empty())
    }
}

/// What one revision did to one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectVersion {
    /// The revision.
    pub revision: RevisionView,
    /// What it changed.
    pub change: ObjectChange,
}

/// What became of an object, newest first, under every name that it had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectHistory {
    /// The object as it is; nothing when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectView>,
    /// The name that it has now, where it was given another one than was asked for, with the revision that gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Renamed>,
    /// Its versions.
    pub versions: Vec<ObjectVersion>,
}

impl ObjectHistory {
    /// What gave a field the value that it has.
    pub fn giver(&self, path: &str) -> Option<&ObjectVersion> {
        giver(&self.versions, path)
    }
}

/// The newest of the versions that came true and changed a field: who gave it its value, and when.
pub fn giver<'v>(versions: &'v [ObjectVersion], path: &str) -> Option<&'v ObjectVersion> {
    let came_true = versions.iter().filter(|version| version.revision.state == "committed");
    { came_true }.find(|version| version.change.fields.iter().any(|field| field.path == path))
}

/// The name that an object was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Renamed {
    /// The object under that name.
    pub object: ObjectRef,
    /// The revision that gave it.
    pub revision: u64,
}

/// What a schedule is turned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TurnTo {
    /// Open, whatever its hours say.
    Open,
    /// Closed, whatever its hours say.
    Closed,
    /// As its hours say.
    Auto,
}

/// Asks to turn a schedule over, or back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TurnRequest {
    /// To what.
    pub to: TurnTo,
    /// Until when; until somebody says otherwise, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Why, for those who ask later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text>,
}

/// A schedule that was turned over, or back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// Which schedule.
    pub schedule: Name,
    /// To what.
    pub to: TurnTo,
    /// The first instant at which it no longer holds; nothing where it does until somebody says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// Who did it.
    pub by: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Who turned a schedule over, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleTurns {
    /// What was done.
    pub turns: Vec<Turn>,
}

/// What a schedule says now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// Its name.
    pub name: Name,
    /// Whether it is open or closed.
    pub state: ScheduleState,
    /// Why, in words.
    pub because: String,
    /// What its hours alone say.
    pub hours: ScheduleState,
    /// Who turned it over, while that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turned: Option<Turn>,
    /// When the state changes next, by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextState>,
    /// The zone of its hours.
    pub time_zone: TimeZone,
}

/// When a schedule changes, and to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextState {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// To what.
    pub state: ScheduleState,
}

/// What schedules say now, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleList {
    /// The schedules.
    pub schedules: Vec<ScheduleStatus>,
}

/// A schedule was turned over, or back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Turned {
    /// What it says now.
    pub schedule: ScheduleStatus,
    /// Why Asterisk does not know it yet; nothing where it has said that it does. It is told as soon as it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_told: Option<String>,
}

/// A recording that Asterisk can play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioView {
    /// The first 32 hex digits of the SHA-256 of the file that it was made from.
    pub hash: String,
    /// What that file was called when it came first.
    pub name: String,
    /// The file's format, as `MP3`.
    pub format: String,
    /// The file's samples a second.
    pub rate: u32,
    /// The file's channels.
    pub channels: u16,
    /// How long it plays, in seconds.
    pub seconds: f64,
    /// The file's bytes.
    pub size: u64,
    /// The file's integrated loudness (ITU-R BS.1770), in LUFS; nothing of silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<f64>,
    /// By how many dB it was made louder; quieter, below zero.
    pub gain: f64,
    /// When it came.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who brought it.
    pub by: String,
    /// The objects of the live revision that play it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_by: Vec<ObjectRef>,
    /// The newest revision that can be gone back to and plays it, where the live one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<u64>,
}

impl AudioView {
    /// Whether nothing plays it, and nothing that can be gone back to.
    pub fn is_unused(&self) -> bool {
        self.used_by.is_empty() && self.kept_for.is_none()
    }
}

/// Recordings, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioList {
    /// The recordings.
    pub audio: Vec<AudioView>,
}

/// Which recordings are asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AudioHashes {
    /// The first 32 hex digits of the SHA-256 of each file.
    pub hashes: Vec<String>,
}

/// Which of them are not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AudioMissing {
    /// Those that are not there, in the order asked for.
    pub hashes: Vec<String>,
    /// Whether who asks may bring them.
    pub may_upload: bool,
}

/// How the connection to Asterisk stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AsteriskHealth {
    /// Whether it answers.
    pub connected: bool,
    /// Its version, where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it is looked for.
    pub address: String,
    /// Why it is not connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The folder that the configuration is written under, as pbxd sees it.
    pub config_dir: String,
    /// The revision that the files on disk are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_revision: Option<u64>,
    /// The revision that Asterisk last said it has, read back in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_revision: Option<u64>,
}

/// How pbxd is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// pbxd's version.
    pub version: String,
    /// The revision that is live.
    pub revision: Option<u64>,
    /// How many objects there are.
    pub objects: usize,
    /// The kind of store: `sqlite` or `postgres`.
    pub store: String,
    /// How Asterisk is.
    pub asterisk: AsteriskHealth,
    /// The revision that waits for its confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Unconfirmed>,
    /// Schedules that somebody has turned over, while that holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turned: Vec<Turn>,
    /// Who is asking, as pbxd sees it.
    pub you: String,
}

/// Why a request was refused, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ErrorCode {
    /// The request itself is wrong.
    BadRequest,
    /// The caller may not do this.
    NotAllowed,
    /// There is no such thing.
    NotFound,
    /// The system as it would be has errors.
    Invalid,
    /// Another set owns a field and wants another value.
    Conflict,
    /// The plan's base is no longer the live revision.
    Stale,
    /// Files that would be written were changed by hand.
    Drift,
    /// Another apply is running.
    Busy,
    /// A safety limit stands in the way.
    Limit,
    /// Asterisk cannot be reached.
    AsteriskUnreachable,
    /// Asterisk's parser refused the staged files; nothing was changed.
    Preflight,
    /// Files could not be written.
    Files,
    /// Something in pbxd failed.
    Internal,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// For scripts.
    pub code: ErrorCode,
    /// For people: what is wrong.
    pub message: String,
    /// What to do, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// Findings, where the objects are at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
    /// What Asterisk did not take, where it is at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

impl ErrorBody {
    /// An error with a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: Vec::new(), diagnostics: Vec::new(), failures: Vec::new() }
    }

    /// With a line of help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}
