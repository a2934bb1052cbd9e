//! Secrets are read where the command runs: from the environment, from files beside the manifests, or from the manifest itself.
//!
//! A value goes to pbxd and nowhere else; no message repeats one.

use std::collections::BTreeMap;
use std::path::Path;

use pbx_api::Declared;
use pbx_manifest::{Declaration, Diagnostic, Document, Locator, Secret, Source, secret_error_at};

use crate::failure::Failure;
use crate::input;

/// Turns documents into what is sent: declarations, with the values of the secrets that are read here.
pub fn read(sources: &[Source], documents: &[Document]) -> Result<Vec<Declared>, Failure> {
    let mut found = Vec::new();
    let mut locator = Locator::new(sources);
    let mut declared = Vec::with_capacity(documents.len());
    for document in documents {
        let mut secrets = BTreeMap::new();
        for (path, secret) in document.spec.secrets() {
            let value = match secret {
                Secret::Generate | Secret::Stored => continue,
                Secret::Literal(value) => Ok(value.clone()),
                Secret::Env(name) => from_environment(name),
                Secret::File(name) => from_file(&input::folder(&sources[document.origin.source]).join(name)),
            };
            let value = value.and_then(|value| match secret_error_at(&path, &value) {
                Some(why) => Err(why),
                None => Ok(value),
            });
            match value {
                Ok(value) => {
                    secrets.insert(path, value);
                }
                Err(why) => {
                    // The words to mend are the variable's or the file's name.
                    let form = match secret {
                        Secret::Env(_) => ".env",
                        Secret::File(_) => ".file",
                        _ => "",
                    };
                    let path = format!("spec.{path}{form}");
                    let mut lines = why.lines();
                    let mut diagnostic = Diagnostic::error("secret", lines.next().unwrap_or_default())
                        .at(document.object.clone(), &path);
                    diagnostic.help.extend(lines.map(str::to_owned));
                    locator.place(document.origin, &mut diagnostic);
                    found.push(diagnostic);
                }
            }
        }
        let declaration = Declaration {
            object: document.object.clone(),
            meta: document.meta.clone(),
            renamed_from: document.renamed_from.clone(),
            spec: document.fields.clone(),
            scope: document.scope.as_ref().map(|scope| scope.to_vec()),
        };
        declared.push(Declared { declaration, secrets });
    }
    if found.is_empty() {
        return Ok(declared);
    }
    let message = crate::show::plural(found.len(), "secret cannot be used", "secrets cannot be used");
    Err(Failure::failed("secret", message).help("nothing was sent to pbxd").with(found))
}

fn from_environment(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotPresent) => Err(format!(
            "the environment variable `{name}` is not set\nset it for this command; in a pipeline, among its secrets"
        )),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the environment variable `{name}` is not text")),
    }
}

fn from_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let text = fs_err::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no file `{shown}`\na secret's path starts from the folder of its manifest")
        }
        std::io::ErrorKind::PermissionDenied => format!("`{shown}` may not be read by you"),
        std::io::ErrorKind::InvalidData => format!("`{shown}` is not text"),
        _ => format!("`{shown}` cannot be read: {error}"),
    })?;
    Ok(text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(&text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: &str, text: &str) -> Result<Vec<Declared>, Failure> {
        let sources = [Source::new(name, text)];
        let parsed = pbx_manifest::parse(&sources);
        assert!(parsed.diagnostics.iter().all(|found| !found.is_error()), "{:?}", parsed.diagnostics);
        read(&sources, &parsed.documents)
    }

    fn manifest(password: &str) -> String {
        format!("apiVersion: pbx/v1\nkind: Extension\nmetadata: {{ name: \"1001\" }}\nspec:\n  password: {password}\n")
    }

    #[test]
    fn values_come_from_files_and_literals_and_never_show() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("secret"), "hunter22\n").unwrap();
        let name = folder.path().join("a.yaml").display().to_string();
        let all = declared(&name, &manifest("{ file: secret }")).unwrap();
        assert_eq!(all[0].secrets["password"], "hunter22");
        assert!(!format!("{all:?}").contains("hunter22"));
        let all = declared(&name, &manifest("in the open")).unwrap();
        assert_eq!(all[0].secrets["password"], "in the open");
        assert!(!all[0].declaration.spec.to_string().contains("open"));
        assert!(declared(&name, &manifest("{ generate: true }")).unwrap()[0].secrets.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_place() {
        let failure = declared("a.yaml", &manifest("{ env: PBXCTL_TEST_IS_NOT_SET }")).unwrap_err();
        let at = failure.diagnostics[0].position.as_ref().unwrap();
        assert_eq!((at.line, at.file.as_str()), (5, "a.yaml"));
        assert_eq!(failure.diagnostics[0].message, "the environment variable `PBXCTL_TEST_IS_NOT_SET` is not set");
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("long"), "é\n").unwrap();
        let name = folder.path().join("a.yaml").display().to_string();
        let failure = declared(&name, &manifest("{ file: long }")).unwrap_err();
        assert!(!format!("{failure:?}").contains('é'));
    }
}
