//! For development only: real Asterisk instances, SIP phones, PostgreSQL and mail on loopback.
