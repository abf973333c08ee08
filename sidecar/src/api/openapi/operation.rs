//! One operation of the port, and how it reads in OpenAPI.

use serde_json::{Map, Value, json};

/// How a request says what it wants.
enum Said {
    /// In a body of this kind.
    Body {
        kind: &'static str,
        schema: Value,
        examples: Vec<(&'static str, Value)>,
        required: bool,
    },
}

/// A good answer: status, type, schema, examples.
type Good = (&'static str, &'static str, Value, Vec<(&'static str, Value)>);

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    id: &'static str,
    summary: &'static str,
    text: &'static str,
    parameters: Vec<Value>,
    said: Vec<Said>,
    answers: Vec<Good>,
    open: bool,
}

/// Statuses of refusals.
const REFUSALS: [(&str, &str); 9] = [
    ("400", "Refused for what it says: `code` tells why."),
    ("401", "No token, or one of nobody (190)."),
    ("403", "A token of another number (10, 200)."),
    ("404", "There is no such template or file."),
    ("408", "The request took too long to arrive."),
    ("409", "Another request came with this `Idempotency-Key`."),
    ("413", "The body is too large."),
    ("500", "Something is wrong here."),
    ("503", "Nothing was done; try again after `Retry-After` seconds."),
];

impl Operation {
    fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        let named = path.split(['{', '}']).skip(1).step_by(2);
        Self {
            method,
            path,
            id,
            summary,
            text: "",
            parameters: named.map(in_path).collect(),
            said: Vec::new(),
            answers: Vec::new(),
            open: false,
        }
    }

    pub(super) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("get", path, id, summary)
    }

    pub(super) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("post", path, id, summary)
    }

    pub(super) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new("delete", path, id, summary)
    }

    /// What a reader has to know beyond the summary.
    pub(super) const fn text(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    /// Needs no bearer token.
    pub(super) const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// A parameter of the query.
    pub(super) fn query(self, name: &'static str, schema: Value, text: &'static str) -> Self {
        self.parameter("query", name, schema, text, false)
    }

    /// A parameter of the query that must be there.
    pub(super) fn needs(self, name: &'static str, schema: Value, text: &'static str) -> Self {
        self.parameter("query", name, schema, text, true)
    }

    /// A header.
    pub(super) fn header(self, name: &'static str, schema: Value, text: &'static str) -> Self {
        self.parameter("header", name, schema, text, false)
    }

    fn parameter(mut self, place: &'static str, name: &'static str, schema: Value, text: &'static str, required: bool) -> Self {
        let mut parameter = json!({"name": name, "in": place, "description": text, "required": required});
        parameter["schema"] = schema;
        self.parameters.push(parameter);
        self
    }

    /// A body of JSON.
    pub(super) fn json<const N: usize>(self, schema: Value, examples: [(&'static str, Value); N]) -> Self {
        self.body("application/json", schema, examples.into(), true)
    }

    /// A body of JSON that may be left out.
    pub(super) fn maybe_json<const N: usize>(self, schema: Value, examples: [(&'static str, Value); N]) -> Self {
        self.body("application/json", schema, examples.into(), false)
    }

    /// A form with a file.
    pub(super) fn multipart(self, schema: Value) -> Self {
        self.body("multipart/form-data", schema, Vec::new(), true)
    }

    fn body(mut self, kind: &'static str, schema: Value, examples: Vec<(&'static str, Value)>, required: bool) -> Self {
        self.said.push(Said::Body {
            kind,
            schema,
            examples,
            required,
        });
        self
    }

    /// What a good answer is.
    pub(super) fn answers<const N: usize>(mut self, schema: Value, examples: [(&'static str, Value); N]) -> Self {
        self.answers.push(("200", "application/json", schema, examples.into()));
        self
    }

    /// A good answer that is a file.
    pub(super) fn answers_file(mut self) -> Self {
        self.answers
            .push(("200", "*/*", json!({"type": "string", "format": "binary"}), Vec::new()));
        self.answers
            .push(("206", "*/*", json!({"type": "string", "format": "binary"}), Vec::new()));
        self
    }

    /// Answers with `{"success": true}`.
    pub(super) fn succeeds(self) -> Self {
        self.answers(super::schema::of("Success"), [("done", json!({"success": true}))])
    }

    /// The operation object.
    pub(super) fn describe(&self, tag: &str) -> Value {
        let mut responses = Map::new();
        for (status, kind, schema, examples) in &self.answers {
            let text = if *status == "206" {
                "The part that `Range` asks for."
            } else {
                "Done."
            };
            let mut response = json!({"description": text, "content": {*kind: {"schema": schema}}});
            add_examples(&mut response["content"][*kind], examples);
            responses.insert((*status).to_owned(), response);
        }
        for (status, text) in REFUSALS {
            let error = json!({"description": text, "content": {"application/json": {"schema": super::schema::of("Error")}}});
            responses.insert(status.to_owned(), error);
        }
        let mut operation = json!({
            "operationId": self.id,
            "summary": self.summary,
            "tags": [tag],
            "responses": responses,
        });
        if !self.text.is_empty() {
            operation["description"] = json!(self.text);
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        for Said::Body {
            kind,
            schema,
            examples,
            required,
        } in &self.said
        {
            operation["requestBody"]["required"] = json!(required);
            operation["requestBody"]["content"][*kind]["schema"] = schema.clone();
            add_examples(&mut operation["requestBody"]["content"][*kind], examples);
        }
        if self.open {
            operation["security"] = json!([]);
        }
        operation
    }
}

fn add_examples(content: &mut Value, examples: &[(&str, Value)]) {
    for (name, value) in examples {
        content["examples"][*name] = json!({"value": value});
    }
}

fn in_path(name: &str) -> Value {
    let (schema, text) = match name {
        "phone_number_id" => (digits("106540352242922"), "The id of the phone number."),
        "account_id" => (digits("102290129340398"), "The id of the WhatsApp Business Account."),
        "app_id" => (digits("670843887433847"), "The id of the app."),
        "media_id" => (digits("1013859600285441"), "The id of a file."),
        "template_id" => (digits("1407680676729941"), "The id of a template."),
        "flow_id" => (digits("594425479261596"), "The id of a flow."),
        "history_id" => (digits("1407680676729942"), "The id of an entry of the history."),
        "code" => (
            json!({"type": "string", "pattern": "^[A-Za-z0-9]{1,32}$", "examples": ["WAXSEAL1234567"]}),
            "The code.",
        ),
        _ => (json!({"type": "string", "minLength": 1}), ""),
    };
    json!({"name": name, "in": "path", "required": true, "schema": schema, "description": text})
}

fn digits(example: &str) -> Value {
    json!({"type": "string", "pattern": "^[0-9]{1,20}$", "examples": [example]})
}
