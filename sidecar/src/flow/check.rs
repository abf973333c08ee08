//! What is wrong with a flow's document, by the rules of Flow JSON that do not change from version to version. What a newer version adds to
//! components is passed over. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    finding::{Checked, Finding, Pointer},
    place::{self, Place, Step},
};

/// More is not told.
const MAX_FINDINGS: usize = 20;
/// So much of a name in a document is repeated.
const SHOWN_CHARS: usize = 64;
/// Screens of a flow, and components of one.
const MAX_SCREENS: usize = 100;
const MAX_COMPONENTS: usize = 50;

const ROOT: [&str; 5] = ["version", "screens", "routing_model", "data_api_version", "data_channel_uri"];
const SCREEN: [&str; 8] = [
    "id",
    "layout",
    "title",
    "terminal",
    "success",
    "data",
    "refresh_on_back",
    "sensitive",
];
/// Those of them that a consumer fills in have a name.
const INPUTS: [&str; 12] = [
    "TextInput",
    "TextArea",
    "CheckboxGroup",
    "RadioButtonsGroup",
    "OptIn",
    "Dropdown",
    "DatePicker",
    "CalendarPicker",
    "PhotoPicker",
    "DocumentPicker",
    "ChipsSelector",
    "NavigationList",
];
const OTHERS: [&str; 12] = [
    "Form",
    "TextHeading",
    "TextSubheading",
    "TextBody",
    "TextCaption",
    "RichText",
    "Footer",
    "EmbeddedLink",
    "Image",
    "ImageCarousel",
    "If",
    "Switch",
];
const ACTIONS: [&str; 5] = ["navigate", "complete", "data_exchange", "update_data", "open_url"];

/// Looks at a document.
#[must_use]
pub fn check(json: &str) -> Checked {
    let mut checker = Checker {
        json,
        findings: Vec::new(),
        way: Vec::new(),
        components: 0,
        has_footer: false,
    };
    let root = match serde_json::from_str(json) {
        Ok(Value::Object(root)) => root,
        Ok(_) => {
            checker.find("INVALID_FLOW_JSON", "FLOW_JSON_ERROR", "The document must be a JSON object.", false);
            return checker.done(&Map::new());
        }
        Err(error) => {
            checker.unreadable(&error);
            return checker.done(&Map::new());
        }
    };
    checker.root(&root);
    checker.done(&root)
}

struct Checker<'a> {
    json: &'a str,
    findings: Vec<Finding>,
    way: Vec<Step>,
    /// Of the screen that is looked at.
    components: usize,
    has_footer: bool,
}

impl Checker<'_> {
    fn done(self, root: &Map<String, Value>) -> Checked {
        let text = |name: &str| root.get(name).and_then(Value::as_str).map(|text| shown(text).to_owned());
        Checked {
            json_version: text("version"),
            data_api_version: text("data_api_version"),
            data_channel_uri: text("data_channel_uri"),
            findings: self.findings,
        }
    }

    fn unreadable(&mut self, error: &serde_json::Error) {
        let (line, column) = (error.line().max(1), error.column().max(1));
        let place = Place {
            line_start: line,
            line_end: line,
            column_start: column,
            column_end: column,
        };
        let why = match error.classify() {
            serde_json::error::Category::Eof => "The document ends before its end.",
            _ => "The document is not well-formed JSON.",
        };
        self.at(place, "INVALID_FLOW_JSON", "FLOW_JSON_ERROR", why);
    }

    fn find(&mut self, error: &str, kind: &str, message: &str, at_key: bool) {
        if self.findings.len() < MAX_FINDINGS {
            let place = place::of(self.json, &self.way, at_key);
            self.at(place, error, kind, message);
        }
    }

    fn at(&mut self, place: Place, error: &str, kind: &str, message: &str) {
        let Place {
            line_start,
            line_end,
            column_start,
            column_end,
        } = place;
        self.findings.push(Finding {
            error: error.to_owned(),
            error_type: kind.to_owned(),
            message: message.to_owned(),
            line_start,
            line_end,
            column_start,
            column_end,
            pointers: vec![Pointer {
                line_start,
                line_end,
                column_start,
                column_end,
                path: written(&self.way, "", "."),
            }],
        });
    }

    fn schema(&mut self, error: &str, message: &str) {
        self.find(error, "JSON_SCHEMA_ERROR", message, false);
    }

    fn flow(&mut self, error: &str, message: &str) {
        self.find(error, "FLOW_JSON_ERROR", message, false);
    }

    /// `$root/screens/0`, as messages say where.
    fn here(&self) -> String {
        written(&self.way, "$root", "/")
    }

    fn within<T>(&mut self, step: Step, look: impl FnOnce(&mut Self) -> T) -> T {
        self.way.push(step);
        let seen = look(self);
        self.way.pop();
        seen
    }

    fn missing(&mut self, name: &str) {
        let message = format!("The property \"{name}\" is required at \"{}\".", self.here());
        self.schema("REQUIRED_PROPERTY_MISSING", &message);
    }

    fn wrong_type(&mut self, name: &str, wanted: &str) {
        let message = format!("Expected property \"{name}\" to be of type {wanted}.");
        self.schema("INVALID_PROPERTY_TYPE", &message);
    }

    fn wrong_value(&mut self, name: &str) {
        self.flow("INVALID_PROPERTY_VALUE", &format!("Invalid value found for property '{name}'."));
    }

    fn unknown(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let message = format!("The property \"{}\" cannot be specified at \"{}\".", shown(name), self.here());
            self.within(Step::Key(name.clone()), |this| {
                this.find("INVALID_PROPERTY", "JSON_SCHEMA_ERROR", &message, true);
            });
        }
    }

    /// A member that has to be there, and to be of this kind.
    fn required<'v, T: ?Sized>(
        &mut self,
        object: &'v Map<String, Value>,
        name: &str,
        wanted: &str,
        read: impl Fn(&'v Value) -> Option<&'v T>,
    ) -> Option<&'v T> {
        let Some(value) = object.get(name) else {
            self.missing(name);
            return None;
        };
        let read = read(value);
        if read.is_none() {
            self.within(key(name), |this| this.wrong_type(name, wanted));
        }
        read
    }
}

impl Checker<'_> {
    fn root(&mut self, root: &Map<String, Value>) {
        self.unknown(root, &ROOT);
        if let Some(version) = self.required(root, "version", "string", Value::as_str)
            && !is_version(version)
        {
            self.within(key("version"), |this| this.wrong_value("version"));
        }
        match root.get("data_api_version").map(Value::as_str) {
            None => {}
            Some(Some(version)) if is_version(version) => {}
            Some(_) => self.within(key("data_api_version"), |this| this.wrong_value("data_api_version")),
        }
        if root.get("data_channel_uri").is_some_and(|uri| !uri.is_string()) {
            self.within(key("data_channel_uri"), |this| this.wrong_type("data_channel_uri", "string"));
        }
        let screens = self.required(root, "screens", "array", |value| value.as_array().map(Vec::as_slice));
        let ids: BTreeSet<String> = screens.unwrap_or_default().iter().filter_map(id_of).map(str::to_owned).collect();
        if let Some(screens) = screens {
            self.within(key("screens"), |this| this.all_screens(screens, &ids));
        }
        match root.get("routing_model") {
            Some(model) => self.within(key("routing_model"), |this| this.routing(model, &ids)),
            None if root.contains_key("data_api_version") => self.missing("routing_model"),
            None => {}
        }
    }

    fn all_screens(&mut self, screens: &[Value], ids: &BTreeSet<String>) {
        if screens.is_empty() || screens.len() > MAX_SCREENS {
            return self.schema("INVALID_PROPERTY_VALUE", "A flow has 1 to 100 screens.");
        }
        let mut seen = BTreeSet::new();
        for (index, screen) in screens.iter().enumerate() {
            self.within(Step::Index(index), |this| {
                if id_of(screen).is_some_and(|id| !seen.insert(id)) {
                    this.within(key("id"), |this| {
                        this.flow("DUPLICATE_SCREEN_ID", "Another screen has this id.");
                    });
                }
                match screen.as_object() {
                    Some(screen) => this.screen(screen, ids),
                    None => this.wrong_type("screens", "object"),
                }
            });
        }
        if !screens.iter().any(|screen| screen["terminal"] == true) {
            self.flow("MISSING_TERMINAL_SCREEN", "At least one screen must be terminal.");
        }
    }

    fn screen(&mut self, screen: &Map<String, Value>, ids: &BTreeSet<String>) {
        self.unknown(screen, &SCREEN);
        if let Some(id) = self.required(screen, "id", "string", Value::as_str) {
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            if !is_id || id == "SUCCESS" {
                self.within(key("id"), |this| this.wrong_value("id"));
            }
        }
        for name in ["terminal", "success", "refresh_on_back"] {
            if screen.get(name).is_some_and(|flag| !flag.is_boolean()) {
                self.within(key(name), |this| this.wrong_type(name, "boolean"));
            }
        }
        let is_terminal = screen.get("terminal") == Some(&Value::Bool(true));
        if screen.contains_key("success") && !is_terminal {
            self.within(key("success"), |this| {
                this.schema(
                    "NOT_KEYWORD_SCHEMA_VALIDATION_FAILED",
                    "Property 'success' can only be specified on a terminal screen.",
                );
            });
        }
        let Some(layout) = self.required(screen, "layout", "object", Value::as_object) else {
            return;
        };
        (self.components, self.has_footer) = (0, false);
        self.within(key("layout"), |this| {
            if layout.get("type").and_then(Value::as_str) != Some("SingleColumnLayout") {
                match layout.contains_key("type") {
                    true => this.within(key("type"), |this| this.wrong_value("type")),
                    false => this.missing("type"),
                }
            }
            if let Some(children) = this.required(layout, "children", "array", |value| value.as_array().map(Vec::as_slice)) {
                this.within(key("children"), |this| this.children(children, ids));
            }
        });
        if self.components > MAX_COMPONENTS {
            self.schema("INVALID_PROPERTY_VALUE", "A screen has at most 50 components.");
        }
        if is_terminal && !self.has_footer {
            self.flow("MISSING_FOOTER", "A terminal screen must have a Footer.");
        }
    }

    fn children(&mut self, children: &[Value], ids: &BTreeSet<String>) {
        for (index, child) in children.iter().enumerate() {
            self.within(Step::Index(index), |this| match child.as_object() {
                Some(component) => this.component(component, ids),
                None => this.wrong_type("children", "object"),
            });
        }
    }

    fn component(&mut self, component: &Map<String, Value>, ids: &BTreeSet<String>) {
        self.components += 1;
        let Some(kind) = self.required(component, "type", "string", Value::as_str) else {
            return;
        };
        let takes_input = INPUTS.contains(&kind);
        if !takes_input && !OTHERS.contains(&kind) {
            return self.within(key("type"), |this| this.wrong_value("type"));
        }
        self.has_footer |= kind == "Footer";
        if takes_input {
            self.required(component, "name", "string", Value::as_str);
        }
        if kind == "Footer" {
            self.required(component, "label", "string", Value::as_str);
            self.required(component, "on-click-action", "object", Value::as_object);
        }
        for name in ["on-click-action", "on-select-action", "on-unselect-action"] {
            if let Some(action) = component.get(name).and_then(Value::as_object) {
                self.within(key(name), |this| this.action(action, ids));
            }
        }
        for name in ["children", "then", "else"] {
            if let Some(children) = component.get(name).and_then(Value::as_array) {
                self.within(key(name), |this| this.children(children, ids));
            }
        }
        if let Some(cases) = component.get("cases").and_then(Value::as_object) {
            self.within(key("cases"), |this| {
                for (name, children) in cases {
                    this.within(key(name), |this| this.children(children.as_array().map_or(&[], Vec::as_slice), ids));
                }
            });
        }
    }

    fn action(&mut self, action: &Map<String, Value>, ids: &BTreeSet<String>) {
        let Some(name) = self.required(action, "name", "string", Value::as_str) else {
            return;
        };
        if !ACTIONS.contains(&name) {
            return self.within(key("name"), |this| this.wrong_value("name"));
        }
        let next = action.get("next").and_then(|next| next.get("name")).and_then(Value::as_str);
        match (name, next) {
            ("navigate", None) => self.missing("next"),
            ("navigate", Some(next)) if !ids.contains(next) && !next.starts_with("${") => {
                self.within(key("next"), |this| {
                    this.within(key("name"), |this| {
                        this.flow("INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME", "There is no screen of this name.");
                    });
                });
            }
            _ => {}
        }
    }

    fn routing(&mut self, model: &Value, ids: &BTreeSet<String>) {
        let Some(model) = model.as_object() else {
            return self.wrong_type("routing_model", "object");
        };
        let rule = "routing_model must map ids of screens to lists of ids of other screens.";
        for (from, to) in model {
            let leads_somewhere = |to: &Value| to.as_str().is_some_and(|to| ids.contains(to) && to != from);
            let is_list = to.as_array().is_some_and(|to| to.iter().all(leads_somewhere));
            if !ids.contains(from) || !is_list {
                self.within(key(from), |this| this.flow("INVALID_ROUTING_MODEL", rule));
            }
        }
    }
}

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

fn id_of(screen: &Value) -> Option<&str> {
    screen.get("id").and_then(Value::as_str)
}

/// `7.1` and the like.
fn is_version(version: &str) -> bool {
    let is_number = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    version
        .split_once('.')
        .is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

fn shown(text: &str) -> &str {
    let end = text.char_indices().nth(SHOWN_CHARS).map_or(text.len(), |(end, _)| end);
    &text[..end]
}

fn written(way: &[Step], root: &str, between: &str) -> String {
    let mut text = root.to_owned();
    for step in way {
        match step {
            Step::Index(index) if between == "." => text.push_str(&format!("[{index}]")),
            Step::Index(index) => text.push_str(&format!("{between}{index}")),
            Step::Key(name) => {
                if !text.is_empty() {
                    text.push_str(between);
                }
                text.push_str(shown(name));
            }
        }
    }
    text
}
