//! What is kept: revisions, objects and secrets, in SQLite or PostgreSQL.
