//! The wire types between pbxctl and pbxd, and the client.
