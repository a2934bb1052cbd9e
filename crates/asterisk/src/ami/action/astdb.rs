//! Asterisk's own small database. These need `system` (reading also `reporting`).

use std::{collections::BTreeMap, time::Duration};

use crate::ami::error::AmiError;

use super::{Action, Reply, Request};

/// One value; `None` if there is none. The answer is a list of one item in 22.
#[derive(Debug, Clone)]
pub struct DbGet {
    /// `family`, which may contain slashes.
    pub family: String,
    /// The key in it.
    pub key: String,
}

impl Action for DbGet {
    type Answer = Option<String>;

    fn request(&self) -> Request {
        Request::new("DBGet").header("Family", &self.family).header("Key", &self.key)
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        Ok(reply.list(&["Database entry not found"])?.first().map(|m| m.text("Val")))
    }
}

/// Writes one value. Leading blanks of the value are lost on the way (manager.c:1612).
#[derive(Debug, Clone)]
pub struct DbPut {
    /// `family`, which may contain slashes.
    pub family: String,
    /// The key in it.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Action for DbPut {
    type Answer = ();

    fn request(&self) -> Request {
        Request::new("DBPut").header("Family", &self.family).header("Key", &self.key).header("Val", &self.value)
    }

    fn read(&self, reply: Reply) -> Result<(), AmiError> {
        reply.single().map(drop)
    }
}

/// Deletes one value. The answer is whether there was one; Asterisk does not tell that apart from a failure to delete.
#[derive(Debug, Clone)]
pub struct DbDel {
    /// `family`, which may contain slashes.
    pub family: String,
    /// The key in it.
    pub key: String,
}

impl Action for DbDel {
    type Answer = bool;

    fn request(&self) -> Request {
        Request::new("DBDel").header("Family", &self.family).header("Key", &self.key)
    }

    fn read(&self, reply: Reply) -> Result<bool, AmiError> {
        match reply.message().as_str() {
            "Database entry could not be deleted" | "Database entry not found" => Ok(false),
            _ => reply.single().map(|_| true),
        }
    }
}

/// Every value below a family, by its key there; needs 18.14, 20 or later.
#[derive(Debug, Clone)]
pub struct DbGetTree {
    /// `family`, which may contain slashes.
    pub family: String,
}

impl Action for DbGetTree {
    type Answer = BTreeMap<String, String>;

    fn request(&self) -> Request {
        // A hundred thousand take a second or two.
        Request::new("DBGetTree").header("Family", &self.family).within(Duration::from_mins(1))
    }

    fn read(&self, reply: Reply) -> Result<Self::Answer, AmiError> {
        let above = format!("/{}/", self.family);
        let items = reply.list_of("DBGetTreeResponse")?;
        let below = |key: String| key.strip_prefix(&above).map(str::to_owned);
        Ok(items.iter().filter_map(|item| Some((below(item.text("Key"))?, item.text("Val")))).collect())
    }
}

/// Deletes every value below a family. None there is as well.
#[derive(Debug, Clone)]
pub struct DbDelTree {
    /// `family`, which may contain slashes.
    pub family: String,
}

impl Action for DbDelTree {
    type Answer = ();

    fn request(&self) -> Request {
        Request::new("DBDelTree").header("Family", &self.family)
    }

    fn read(&self, reply: Reply) -> Result<(), AmiError> {
        match reply.message().as_str() {
            "Database entry not found" => Ok(()),
            _ => reply.single().map(drop),
        }
    }
}
