//! The JSON Schema of a spec, for editors.

use serde_json::{Map, Value, json};

use crate::verbs::VERBS;

/// A JSON Schema (2020-12) that editors take for completion and checks as one types.
///
/// The grammars of the verbs are not in it: `verify lint` checks them.
#[must_use]
pub fn schema() -> Value {
    let verbs = VERBS.iter().map(|about| {
        let line = json!({
            "type": ["string", "null", "number"],
            "description": format!("{}\n\n{}", about.summary, about.usage),
        });
        (about.name.to_owned(), line)
    });
    let siblings = [
        (
            "inside",
            json!({"$ref": "#/$defs/steps", "description": "Steps that are performed where this one leads to"}),
        ),
        (
            "fails",
            json!({"type": ["string", "integer"], "description": "It must fail, with this errno, signal or exit status"}),
        ),
        ("timeout", json!({"$ref": "#/$defs/timeout"})),
    ];
    let siblings = siblings.map(|(name, value)| (name.to_owned(), value));
    let properties: Map<String, Value> = verbs.chain(siblings).collect();
    let one_verb: Vec<_> = VERBS
        .iter()
        .map(|about| json!({"required": [about.name]}))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "verify experiment",
        "type": "object",
        "additionalProperties": false,
        "required": ["experiment", "title", "steps"],
        "properties": {
            "experiment": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$", "description": "Its name, also that of its file"},
            "title": {"type": "string", "description": "The property that it shows"},
            "needs": {"type": "array", "items": {"type": "string"}, "description": "What it needs from the host: namespace pid, filesystem overlay, cgroup-v1 cpu, program /bin/sh, …"},
            "timeout": {"$ref": "#/$defs/timeout"},
            "steps": {"$ref": "#/$defs/steps"},
        },
        "$defs": {
            "timeout": {"type": "string", "pattern": "^[0-9]+(ms|s)$", "description": "How long it may take: 500ms, 5s"},
            "steps": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}},
            "step": {"type": "object", "additionalProperties": false, "properties": properties, "oneOf": one_verb},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_in_it() {
        let schema = schema();
        for about in VERBS {
            assert!(
                schema["$defs"]["step"]["properties"][about.name].is_object(),
                "{}",
                about.name
            );
        }
    }
}
