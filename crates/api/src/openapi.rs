//! The OpenAPI document, made from the table of routes and the types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use crate::route::ROUTES;
use crate::types::ErrorBody;

/// The API as OpenAPI 3.1.
pub fn openapi(version: &str) -> Json {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let error = generator.subschema_for::<ErrorBody>();
    let mut paths: Map<String, Json> = Map::new();
    for route in ROUTES {
        let in_path = route
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
        let in_query = route.query.iter().map(
            |(name, about)| json!({ "name": name, "in": "query", "description": about, "schema": { "type": "string" } }),
        );
        let mut operation = json!({
            "summary": route.summary,
            "x-permission": route.permission.word(),
            "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
            "responses": {
                "200": { "description": "Done.", "content": { route.media: { "schema": (route.response)(&mut generator) } } },
                "default": { "description": "Refused.", "content": { "application/json": { "schema": error } } },
            },
        });
        if let Some(request) = route.request {
            operation["requestBody"] = json!({ "required": true, "content": { route.method.brings(): { "schema": request(&mut generator) } } });
        }
        paths.entry(route.path).or_insert_with(|| json!({}))[route.method.word().to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "pbxd", "version": version, "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) },
    })
}
