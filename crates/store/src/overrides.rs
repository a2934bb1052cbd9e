//! Schedules that somebody has turned over. What is kept is a journal: the last word on a schedule holds.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use crate::{
    Store,
    db::{reading, writing},
    error::{Result, StoreError},
    revision::{lock, name, printable},
    time::{Stored, Time},
};

/// What a schedule is turned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turned {
    /// Open, whatever its hours say.
    Open,
    /// Closed, whatever its hours say.
    Closed,
    /// As its hours say.
    Auto,
}

impl Turned {
    /// As it is written everywhere: `open`, `closed`, `auto`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Turned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Open, Self::Closed, Self::Auto];
        all.into_iter().find(|own| own.as_str() == text).ok_or_else(|| format!("{text:?} is nothing to turn it to"))
    }
}

/// A schedule that was turned over, or back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Which schedule, by name.
    pub schedule: String,
    /// To what.
    pub state: Turned,
    /// The first instant at which it no longer holds; `None`: until somebody says otherwise.
    pub until: Option<Timestamp>,
    /// Who did it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Why, in the words of who did it; may be empty.
    pub note: String,
}

type Row = (i64, String, String, Option<Stored>, String, Stored, String);

impl TryFrom<Row> for Override {
    type Error = StoreError;

    fn try_from((id, schedule, state, until, actor, at, note): Row) -> Result<Self> {
        const TABLE: &str = "schedule_overrides";
        Ok(Self {
            schedule,
            state: state.parse().map_err(|what: String| StoreError::inconsistent(TABLE, id, what))?,
            until: until.map(|until| until.read(TABLE, id)).transpose()?,
            actor,
            at: at.read(TABLE, id)?,
            note,
        })
    }
}

macro_rules! columns {
    () => {
        "SELECT id, schedule, state, until, actor, at, note FROM schedule_overrides "
    };
}

impl Store {
    /// Keeps that schedules were turned over or back, all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] when a name has a control character.
    pub async fn turn_schedules(&self, all: &[Override]) -> Result<()> {
        for one in all {
            name(&[&one.schedule])?;
        }
        writing!(&self.db, tx => {
            lock!(tx);
            for one in all {
                sqlx::query(
                    "INSERT INTO schedule_overrides (schedule, state, until, actor, at, note) \
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(&one.schedule)
                .bind(one.state.as_str())
                .bind(one.until.map(Time))
                .bind(printable(&one.actor))
                .bind(Time(one.at))
                .bind(printable(&one.note))
                .execute(&mut *tx)
                .await?;
            }
        });
        for one in all {
            tracing::info!(schedule = one.schedule, to = %one.state, until = ?one.until, by = one.actor, "schedule turned");
        }
        Ok(())
    }

    /// The last word on each schedule that anything was ever said of, by name: also what no longer holds.
    pub async fn schedules_turned(&self) -> Result<Vec<Override>> {
        let rows: Vec<Row> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(
                columns!(),
                "WHERE id IN (SELECT MAX(id) FROM schedule_overrides GROUP BY schedule) ORDER BY schedule"
            ))
            .fetch_all(pool)
            .await?
        });
        rows.into_iter().map(Override::try_from).collect()
    }

    /// The latest `limit` words on a schedule, newest first.
    pub async fn turns_of(&self, schedule: &str, limit: u32) -> Result<Vec<Override>> {
        let rows: Vec<Row> = reading!(&self.db, pool => {
            sqlx::query_as(concat!(columns!(), "WHERE schedule = $1 ORDER BY id DESC LIMIT $2"))
                .bind(schedule)
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await?
        });
        rows.into_iter().map(Override::try_from).collect()
    }
}
