//! Parts of the schemas that cannot be said with attributes.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Node labels: keys and values as Kubernetes bounds them.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "maxLength": 63 } })
}

/// Annotations of pods.
pub(crate) fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "maxLength": 1024 } })
}
