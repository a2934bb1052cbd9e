//! Configuration files as Asterisk's own parser reads them.

use std::time::Duration;

use crate::ami::error::AmiError;

use super::{Action, Reply, Request};

/// A configuration file, included files and templates resolved, read from disk now. Needs `config` or `system`.
///
/// The name is relative to the configuration directory. What Asterisk refuses to parse is answered with `Config file has
/// invalid format`, without a line number.
#[derive(Debug, Clone)]
pub struct GetConfig {
    filename: String,
    category: Option<String>,
}

impl GetConfig {
    /// The whole file.
    pub fn new(filename: impl Into<String>) -> Self {
        Self { filename: filename.into(), category: None }
    }

    /// Only the sections with this name.
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.category = Some(category.into());
        self
    }
}

/// The answer to [`GetConfig`]: sections in order, names repeated as they are in the file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// The sections.
    pub categories: Vec<Category>,
}

/// One section.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Category {
    /// What stands in the brackets.
    pub name: String,
    /// True for `[name](!)`.
    pub template: bool,
    /// The templates it was made from.
    pub templates: Vec<String>,
    /// Options and values in order; `=>` reads as `=`.
    pub lines: Vec<(String, String)>,
}

/// Without values: a configuration holds secrets in places that only its own module knows.
impl std::fmt::Debug for Category {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let options: Vec<&str> = self.lines.iter().map(|(option, _)| option.as_str()).collect();
        f.debug_struct("Category").field("name", &self.name).field("options", &options).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.categories).finish()
    }
}

impl Action for GetConfig {
    type Answer = ConfigFile;

    fn request(&self) -> Request {
        Request::new("GetConfig")
            .header("Filename", &self.filename)
            .maybe("Category", self.category.as_ref())
            .within(Duration::from_secs(30))
    }

    fn read(&self, reply: Reply) -> Result<ConfigFile, AmiError> {
        let mut file = ConfigFile::default();
        for (key, value) in reply.single()?.iter() {
            if key.starts_with("Category-") {
                file.categories.push(Category { name: value.into_owned(), ..Category::default() });
                continue;
            }
            let Some(category) = file.categories.last_mut() else { continue };
            if key.starts_with("Line-") {
                let (option, value) = value.split_once('=').unwrap_or((&value, ""));
                category.lines.push((option.to_owned(), value.to_owned()));
            } else if key.starts_with("IsTemplate-") {
                category.template = true;
            } else if key.starts_with("Templates-") {
                category.templates = value.trim_matches('"').split(',').map(str::to_owned).collect();
            }
        }
        Ok(file)
    }
}
