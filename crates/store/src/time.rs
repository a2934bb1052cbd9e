//! Points in time as the two engines keep them.
//!
//! PostgreSQL has TIMESTAMPTZ. SQLite has text, whose order must be the order in time, hence one fixed width: a
//! variable number of decimals would put `…:00.5Z` before `…:00Z`. Both keep microseconds.

use jiff::{SignedDuration, Timestamp};
use sqlx::{
    Database, Decode, Encode, Postgres, Sqlite, Type, encode::IsNull, error::BoxDynError, postgres::types::Oid,
};

use crate::error::{Result, StoreError};

/// Seconds from 1970 to 2000, where PostgreSQL begins to count.
const POSTGRES_EPOCH: SignedDuration = SignedDuration::from_secs(946_684_800);

/// The type's number in PostgreSQL's catalog, which is fixed.
const TIMESTAMPTZ: Oid = Oid(1184);

/// A point in time on its way into the database.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Type<Sqlite> for Time {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for Time {
    fn encode_by_ref(&self, buffer: &mut <Sqlite as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(), buffer)
    }
}

impl Type<Postgres> for Time {
    fn type_info() -> <Postgres as Database>::TypeInfo {
        <Postgres as Database>::TypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut <Postgres as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let since = self.0.checked_sub(POSTGRES_EPOCH)?;
        Encode::<Postgres>::encode(since.as_microsecond(), buffer)
    }
}

/// A point in time on its way out. Text that is none is kept as it is, for an error that can name the row.
pub(crate) struct Stored(Result<Timestamp, String>);

impl Stored {
    pub(crate) fn read(self, table: &'static str, row: impl ToString) -> Result<Timestamp> {
        self.0.map_err(|text| StoreError::inconsistent(table, row, format!("{text:?} is not a time")))
    }
}

impl Type<Sqlite> for Stored {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <Time as Type<Sqlite>>::type_info()
    }
}

impl<'r> Decode<'r, Sqlite> for Stored {
    fn decode(value: <Sqlite as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        let text = <&str as Decode<Sqlite>>::decode(value)?;
        Ok(Self(text.parse().map_err(|_| text.to_owned())))
    }
}

impl Type<Postgres> for Stored {
    fn type_info() -> <Postgres as Database>::TypeInfo {
        <Time as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Stored {
    fn decode(value: <Postgres as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        let since_1970 = Timestamp::from_microsecond(micros).and_then(|since| since.checked_add(POSTGRES_EPOCH));
        Ok(Self(since_1970.map_err(|_| format!("{micros} µs after 2000"))))
    }
}
