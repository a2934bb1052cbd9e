//! The table of routes.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::types;

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or starts something.
    Post,
    /// Brings a file as it is, under the name that its content has.
    Put,
    /// Takes away.
    Delete,
}

impl Method {
    /// As HTTP names it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// The media type of what it brings.
    pub fn brings(self) -> &'static str {
        if self == Self::Put { "application/octet-stream" } else { JSON }
    }
}

/// What a caller must be allowed in order to use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// To see how pbxd and Asterisk are.
    HealthView,
    /// To see objects.
    ObjectView,
    /// To see the history.
    RevisionView,
    /// To make plans: shows what would change, changes nothing.
    PlanCreate,
    /// To change the telephone system.
    PlanApply,
    /// To turn schedules over for a time.
    ScheduleTurn,
}

impl Permission {
    /// As roles name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::HealthView => "health:view",
            Self::ObjectView => "object:view",
            Self::RevisionView => "revision:view",
            Self::PlanCreate => "plan:create",
            Self::PlanApply => "plan:apply",
            Self::ScheduleTurn => "schedule:turn",
        }
    }
}

/// Which route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteId {
    /// How pbxd and Asterisk are.
    Health,
    /// The objects, by kind.
    Objects,
    /// One object.
    Object,
    /// What became of an object.
    ObjectHistory,
    /// Makes a plan.
    Plan,
    /// A plan as a file.
    PlanFile,
    /// Takes a plan from a file.
    PlanAgain,
    /// Carries a plan out.
    Apply,
    /// Keeps a revision that waits for it, or goes back.
    Confirm,
    /// How what is differs from what should be.
    Drift,
    /// The revisions.
    Revisions,
    /// One revision.
    Revision,
    /// What a revision changed, or what differs between two.
    Changes,
    /// What schedules say now.
    Schedules,
    /// What became of a schedule by hand.
    ScheduleTurns,
    /// Turns a schedule over.
    TurnSchedule,
    /// The recordings.
    Audio,
    /// Which recordings are not there.
    AudioMissing,
    /// Brings a recording.
    AudioUpload,
    /// A recording as it is played.
    AudioDownload,
    /// Takes a recording away.
    AudioDelete,
}

/// A row of the table.
pub struct Route {
    /// Which route.
    pub id: RouteId,
    /// Its method.
    pub method: Method,
    /// Its path, with `{names}`.
    pub path: &'static str,
    /// What it needs.
    pub permission: Permission,
    /// What it does.
    pub summary: &'static str,
    /// Its query's names, with what each is for.
    pub query: &'static [(&'static str, &'static str)],
    /// The schema of its request's body, where it takes one.
    pub request: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// The schema of its answer's body.
    pub response: fn(&mut SchemaGenerator) -> Schema,
    /// The answer's media type: one JSON document, or one a line as things happen.
    pub media: &'static str,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A file.
fn bytes(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "string", "format": "binary" })
}

const JSON: &str = "application/json";

/// Every route that pbxd serves.
pub const ROUTES: &[Route] = &[
    Route {
        id: RouteId::Health,
        method: Method::Get,
        path: "/v1/health",
        permission: Permission::HealthView,
        summary: "How pbxd and Asterisk are.",
        query: &[],
        request: None,
        response: of::<types::Health>,
        media: JSON,
    },
    Route {
        id: RouteId::Objects,
        method: Method::Get,
        path: "/v1/objects",
        permission: Permission::ObjectView,
        summary: "The objects, by kind and name.",
        query: &[
            ("kind", "only of this kind"),
            ("label", "only with these labels: `key=value`, several by commas"),
            (
                "fields",
                "paths below the spec, as in `displayName,callerId.number`: `effective` holds these alone, where the object \
                 has them, and `spec`, `owners`, `inherited`, `protected` and, unless `metadata.labels` is among the \
                 paths, `labels` are left out; nothing after the `=` for no field at all",
            ),
        ],
        request: None,
        response: of::<types::ObjectList>,
        media: JSON,
    },
    Route {
        id: RouteId::Object,
        method: Method::Get,
        path: "/v1/objects/{kind}/{name}",
        permission: Permission::ObjectView,
        summary: "One object.",
        query: &[],
        request: None,
        response: of::<types::ObjectView>,
        media: JSON,
    },
    Route {
        id: RouteId::ObjectHistory,
        method: Method::Get,
        path: "/v1/objects/{kind}/{name}/history",
        permission: Permission::RevisionView,
        summary: "What became of an object, by whom and when, newest first.",
        query: &[],
        request: None,
        response: of::<types::ObjectHistory>,
        media: JSON,
    },
    Route {
        id: RouteId::Plan,
        method: Method::Post,
        path: "/v1/plans",
        permission: Permission::PlanCreate,
        summary: "Makes the plan that leads from what is to what should be. Changes nothing.",
        query: &[],
        request: Some(of::<types::PlanRequest>),
        response: of::<types::Plan>,
        media: JSON,
    },
    Route {
        id: RouteId::PlanFile,
        method: Method::Get,
        path: "/v1/plans/{id}/file",
        permission: Permission::PlanCreate,
        summary: "A plan as a file, to be looked at and carried out later. Its secrets are sealed.",
        query: &[],
        request: None,
        response: of::<types::SavedPlan>,
        media: JSON,
    },
    Route {
        id: RouteId::PlanAgain,
        method: Method::Post,
        path: "/v1/plans/saved",
        permission: Permission::PlanCreate,
        summary: "Takes a plan from a file, unless it is stale, used or altered. Changes nothing.",
        query: &[],
        request: Some(of::<types::SavedPlan>),
        response: of::<types::Plan>,
        media: JSON,
    },
    Route {
        id: RouteId::Apply,
        method: Method::Post,
        path: "/v1/plans/{id}/apply",
        permission: Permission::PlanApply,
        summary: "Carries a plan out, and tells each step as it happens: a line of JSON each, the last one the outcome.",
        query: &[],
        request: Some(of::<types::ApplyRequest>),
        response: of::<types::Event>,
        media: "application/x-ndjson",
    },
    Route {
        id: RouteId::Confirm,
        method: Method::Post,
        path: "/v1/confirm",
        permission: Permission::PlanApply,
        summary: "Keeps the revision that waits for its confirmation, or goes back from it at once.",
        query: &[],
        request: Some(of::<types::ConfirmRequest>),
        response: of::<types::Confirmed>,
        media: JSON,
    },
    Route {
        id: RouteId::Drift,
        method: Method::Get,
        path: "/v1/drift",
        permission: Permission::ObjectView,
        summary: "How the files, Asterisk and what was set by hand differ from what should be. Asks Asterisk for all it has.",
        query: &[],
        request: None,
        response: of::<types::Drift>,
        media: JSON,
    },
    Route {
        id: RouteId::Revisions,
        method: Method::Get,
        path: "/v1/revisions",
        permission: Permission::RevisionView,
        summary: "The revisions, newest first.",
        query: &[("limit", "at most so many; 50 where nothing is said"), ("before", "only older ones than this")],
        request: None,
        response: of::<types::RevisionList>,
        media: JSON,
    },
    Route {
        id: RouteId::Revision,
        method: Method::Get,
        path: "/v1/revisions/{id}",
        permission: Permission::RevisionView,
        summary: "One revision.",
        query: &[],
        request: None,
        response: of::<types::RevisionView>,
        media: JSON,
    },
    Route {
        id: RouteId::Changes,
        method: Method::Get,
        path: "/v1/revisions/{id}/changes",
        permission: Permission::RevisionView,
        summary: "What a revision changed; with `from`, what differs from that one to this.",
        query: &[("from", "compare with this revision instead of the one before")],
        request: None,
        response: of::<types::RevisionChanges>,
        media: JSON,
    },
    Route {
        id: RouteId::Schedules,
        method: Method::Get,
        path: "/v1/schedules",
        permission: Permission::ObjectView,
        summary: "What each schedule says now, why, and when that changes.",
        query: &[],
        request: None,
        response: of::<types::ScheduleList>,
        media: JSON,
    },
    Route {
        id: RouteId::ScheduleTurns,
        method: Method::Get,
        path: "/v1/schedules/{name}/turns",
        permission: Permission::RevisionView,
        summary: "Who turned a schedule over, to what and until when, newest first.",
        query: &[],
        request: None,
        response: of::<types::ScheduleTurns>,
        media: JSON,
    },
    Route {
        id: RouteId::TurnSchedule,
        method: Method::Post,
        path: "/v1/schedules/{name}/turn",
        permission: Permission::ScheduleTurn,
        summary: "Turns a schedule over, whatever its hours say, or back to them. Acts on the next call; nothing is reloaded.",
        query: &[],
        request: Some(of::<types::TurnRequest>),
        response: of::<types::Turned>,
        media: JSON,
    },
    Route {
        id: RouteId::Audio,
        method: Method::Get,
        path: "/v1/audio",
        permission: Permission::ObjectView,
        summary: "The recordings that Asterisk can play, by name, and what uses them.",
        query: &[],
        request: None,
        response: of::<types::AudioList>,
        media: JSON,
    },
    Route {
        id: RouteId::AudioMissing,
        method: Method::Post,
        path: "/v1/audio/missing",
        permission: Permission::PlanCreate,
        summary: "Which of these recordings are not there.",
        query: &[],
        request: Some(of::<types::AudioHashes>),
        response: of::<types::AudioMissing>,
        media: JSON,
    },
    Route {
        id: RouteId::AudioUpload,
        method: Method::Put,
        path: "/v1/audio/{hash}",
        permission: Permission::PlanApply,
        summary: "Brings a recording, a file of MP3, WAV, FLAC, Ogg Vorbis, M4A or AAC as it is. It is converted once; a broken one is \
                  refused with what is wrong. `hash`: the first 32 hex digits of the file's SHA-256.",
        query: &[("name", "what the file is called, as in `welcome.mp3`")],
        request: Some(bytes),
        response: of::<types::AudioView>,
        media: JSON,
    },
    Route {
        id: RouteId::AudioDownload,
        method: Method::Get,
        path: "/v1/audio/{hash}",
        permission: Permission::ObjectView,
        summary: "A recording as wideband telephones hear it.",
        query: &[],
        request: None,
        response: bytes,
        media: "audio/wav",
    },
    Route {
        id: RouteId::AudioDelete,
        method: Method::Delete,
        path: "/v1/audio/{hash}",
        permission: Permission::PlanApply,
        summary: "Takes a recording away that neither the live revision nor one that can be gone back to plays.",
        query: &[],
        request: None,
        response: of::<types::AudioView>,
        media: JSON,
    },
];

impl RouteId {
    /// Its row.
    pub fn route(self) -> &'static Route {
        ROUTES.iter().find(|route| route.id == self).unwrap_or(&ROUTES[0])
    }
}
