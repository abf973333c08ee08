//! Flows.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{flag, list, object, of, page, text, text_of, whole, word},
};
use crate::flow::{CATEGORIES, Status};

pub(super) fn operations() -> Vec<Operation> {
    let document = json!({"version": "7.1", "screens": [{
        "id": "ASK", "title": "Ask", "terminal": true,
        "layout": {"type": "SingleColumnLayout", "children": [
            {"type": "Footer", "label": "Done", "on-click-action": {"name": "complete", "payload": {}}},
        ]},
    }]});
    let draft = json!({"name": "feedback", "categories": ["SURVEY"], "flow_json": document.to_string()});
    let kept = json!({
        "id": "594425479261596", "name": "feedback", "status": "DRAFT", "categories": ["SURVEY"], "validation_errors": [],
    });
    let asset = json!({
        "name": "flow.json", "asset_type": "FLOW_JSON",
        "download_url": "https://graph.facebook.com/flow_assets/594425479261596?phone_number_id=1&expires=1&signature=AbC",
    });
    let uploaded = json!({"success": true, "validation_errors": []});
    let fields = |operation: Operation| {
        operation
            .query("fields", text(), "The members to answer with.")
            .query("limit", whole(1, 1000), "How many at a time.")
            .query("after", text(), "From where to go on.")
            .query("before", text(), "Up to where.")
    };
    vec![
        fields(Operation::get("/{account_id}/flows", "listFlows", "List the flows"))
            .answers(page(&of("Flow")), [("flows", json!({"data": [kept.clone()]}))]),
        Operation::post("/{account_id}/flows", "createFlow", "Create a flow")
            .text("A draft, unless it is published at once, which takes a document without validation errors.")
            .json(of("FlowCreate"), [("draft", draft)])
            .answers(
                of("FlowMade"),
                [(
                    "created",
                    json!({"id": "594425479261596", "success": true, "validation_errors": []}),
                )],
            ),
        Operation::get("/{flow_id}", "getFlow", "Read a flow")
            .query("fields", text(), "The members to answer with.")
            .answers(of("Flow"), [("flow", kept)]),
        Operation::post("/{flow_id}", "updateFlow", "Change a flow")
            .text("A draft; of what is published only `endpoint_uri`, `application_id` and, to see what a program makes of it, `status`.")
            .json(of("FlowUpdate"), [("name", json!({"name": "feedback 2"}))])
            .answers(of("FlowUploaded"), [("done", json!({"success": true}))]),
        Operation::delete("/{flow_id}", "deleteFlow", "Delete a draft").succeeds(),
        fields(Operation::get("/{flow_id}/assets", "listFlowAssets", "Where a flow's document is"))
            .answers(page(&of("FlowAsset")), [("assets", json!({"data": [asset]}))]),
        Operation::post("/{flow_id}/assets", "uploadFlowAsset", "Upload a draft's document")
            .text("What is wrong with it is told, and it is kept all the same: it can be published when nothing is.")
            .multipart(of("FlowAssetUpload"))
            .answers(of("FlowUploaded"), [("uploaded", uploaded)]),
        Operation::post("/{flow_id}/publish", "publishFlow", "Publish a draft")
            .text("From then on it can be sent, and does not change.")
            .succeeds(),
        Operation::post("/{flow_id}/deprecate", "deprecateFlow", "Take a published flow out of use").succeeds(),
        Operation::get("/flow_assets/{ticket}", "downloadFlowAsset", "Fetch a flow's document")
            .text("The address that the list of assets or a preview gave. 404 when its time is over.")
            .open()
            .answers(json!({"type": "object"}), [("document", document)]),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let categories = || list(&word(&CATEGORIES));
    let statuses = [
        Status::Draft,
        Status::Published,
        Status::Deprecated,
        Status::Blocked,
        Status::Throttled,
    ]
    .map(Status::as_str);
    let number = || whole(1, 1 << 31);
    let finding = object(
        7,
        [
            ("error", text()),
            ("error_type", text()),
            ("message", text()),
            ("line_start", number()),
            ("line_end", number()),
            ("column_start", number()),
            ("column_end", number()),
            ("pointers", list(&json!({"type": "object"}))),
        ],
    );
    let create = object(
        2,
        [
            ("name", text_of(200)),
            ("categories", categories()),
            ("flow_json", text()),
            ("publish", flag()),
            ("clone_flow_id", text()),
            ("endpoint_uri", text_of(2048)),
        ],
    );
    let update = object(
        0,
        [
            ("name", text_of(200)),
            ("categories", categories()),
            ("endpoint_uri", text_of(2048)),
            ("application_id", text_of(32)),
            ("flow_json", text()),
            ("status", word(&["PUBLISHED", "THROTTLED", "BLOCKED"])),
        ],
    );
    let flow = object(
        1,
        [
            ("id", text()),
            ("name", text()),
            ("status", word(&statuses)),
            ("categories", categories()),
            ("validation_errors", list(&of("FlowFinding"))),
            ("json_version", text()),
            ("data_api_version", text()),
            ("endpoint_uri", text()),
            ("updated_at", text()),
            ("preview", object(2, [("preview_url", text()), ("expires_at", text())])),
            ("health_status", json!({"type": "object"})),
            ("whatsapp_business_account", json!({"type": "object"})),
            ("application", json!({"type": "object"})),
        ],
    );
    let upload = object(
        1,
        [
            ("file", json!({"type": "string", "format": "binary"})),
            ("name", json!({"const": "flow.json"})),
            ("asset_type", json!({"const": "FLOW_JSON"})),
            ("messaging_product", json!({"const": "whatsapp"})),
        ],
    );
    vec![
        ("FlowFinding", finding),
        ("FlowCreate", create),
        ("FlowUpdate", update),
        ("Flow", flow),
        (
            "FlowMade",
            object(
                2,
                [("id", text()), ("success", flag()), ("validation_errors", list(&of("FlowFinding")))],
            ),
        ),
        (
            "FlowUploaded",
            object(1, [("success", flag()), ("validation_errors", list(&of("FlowFinding")))]),
        ),
        ("FlowAssetUpload", upload),
        (
            "FlowAsset",
            object(0, [("name", text()), ("asset_type", text()), ("download_url", text())]),
        ),
    ]
}
