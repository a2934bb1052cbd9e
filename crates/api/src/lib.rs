//! The wire types between pbxctl and pbxd, the table of routes, and the client.
//!
//! The table [`ROUTES`] is the API's one description: pbxd serves exactly its rows, checks the permission each names, and the
//! OpenAPI document is made from it.

mod client;
mod list;
mod openapi;
mod route;
mod types;
mod words;

pub use client::{Client, ClientError, Events};
pub use openapi::openapi;
pub use route::{Method, Permission, ROUTES, Route, RouteId};
pub use types::{
    ApplyRequest, AsteriskHealth, AudioHashes, AudioList, AudioMissing, AudioView, Blast, ConfirmRequest, Confirmed,
    Declared, Drift, DriftedFile, ErrorBody, ErrorCode, Event, Failure, FileAction, FileChange, GONE_BACK, Health,
    ManualField, NewSecrets, NextState, ObjectHistory, ObjectList, ObjectVersion, ObjectView, Outcome, OutcomeResult,
    PLAN_FORMAT, Plan, PlanRequest, Reload, Renamed, RevisionChanges, RevisionList, RevisionView, SavedPlan,
    ScheduleList, ScheduleStatus, ScheduleTurns, SourceInfo, Step, Turn, TurnRequest, TurnTo, Turned, Unconfirmed,
    Verified, giver,
};
pub use words::thousands;
