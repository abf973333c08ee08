//! Documents that are kept as they are said: compliance information, the request for the mark, the public key of flows.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder},
};

use super::{
    super::{
        super::{
            GraphError,
            answer::{Response, ok, success},
            shape::{Anything, Success},
        },
        arguments::Arguments,
        paging::Page,
    },
    read,
};
use crate::number::Number;

/// The largest document kept as it was said.
const MAX_KEPT_BYTES: usize = 16 << 10;

const COMPLIANCE: &str = "compliance-info";
const OFFICIAL: &str = "official-account";
const ENCRYPTION: &str = "encryption";

/// Of a pair that nobody has the other half of.
const EXAMPLE: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyJ/6sIpur4P3+tkR9nIX\nIEELgN4ekpoZbZ3U045WaqglnXDuUIVBfAk3IFYyl/x9PmMnc10YsadtCC7c94yX\n9WLHoDmncIhyLE1CvKAIpImfQ5gsqqxtvUa3G/yX9H8+ixo7Lck4Uy0D+tlcHud4\n4uHrb6IwQ3h6+uYap8aboqvm3y6L3aWUXqF3dpq06pTqbi7XMk73BEmOYMQ+Dqqo\nszNG2TVWoQY+ApwbN9sy6s0GjDWzjgOFByYdApfB6Vh0e1y6ZOVAuMRgFZxozEK7\nfQBuQ97qfkotiLtl2RK5GqsD4QV/dfNrzte9NjslHEvvR/Lu+7CnvL9Rn6Bo7zVR\nzwIDAQAB\n-----END PUBLIC KEY-----";

/// Whatever there is to be kept.
struct Something;

impl utoipa::PartialSchema for Something {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        something().into()
    }
}

impl ToSchema for Something {}

fn something() -> Object {
    ObjectBuilder::new().min_properties(Some(1)).build()
}

/// Read the compliance information.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/business_compliance_info",
    operation_id = "getCompliance",
    responses((status = 200, body = Page<Anything>, examples(("information" = (value = json!({"data": [{"entity_name": "Sample"}]}))))))
)]
pub(super) fn compliance(number: &Number) -> Response {
    ok(&Page::all(kept(number, COMPLIANCE)))
}

/// Keep compliance information.
///
/// Up to 16 KiB of anything; it is given back as it was said.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/business_compliance_info",
    operation_id = "setCompliance",
    request_body(content = inline(Something), examples(("information" = (value = json!({"entity_name": "Sample"}))))),
    responses(Success)
)]
pub(super) async fn set_compliance(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    keep(number, COMPLIANCE, said).await
}

/// Whether the mark was asked for.
#[derive(Serialize, ToSchema)]
struct Official {
    /// The number's.
    id: String,
    oba_status: OfficialStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum OfficialStatus {
    NotStarted,
    Pending,
}

/// Whether the mark was asked for.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/official_business_account",
    operation_id = "getOfficial",
    responses((status = 200, body = Official, examples(("not yet" = (value = json!({"id": "106540352242922", "oba_status": "NOT_STARTED"}))))))
)]
pub(super) fn official(number: &Number) -> Response {
    let oba_status = match kept(number, OFFICIAL).is_empty() {
        true => OfficialStatus::NotStarted,
        false => OfficialStatus::Pending,
    };
    ok(&Official {
        id: number.id().to_owned(),
        oba_status,
    })
}

/// Keep a request for the mark.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/official_business_account",
    operation_id = "askOfficial",
    request_body(content = inline(Something), examples(("request" = (value = json!({"business_website_url": "https://example.com"}))))),
    responses(Success)
)]
pub(super) async fn ask_official(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    keep(number, OFFICIAL, said).await
}

/// What was said under a name: one object, or none.
fn kept(number: &Number, document: &str) -> Vec<Map<String, Value>> {
    let kept: Map<String, Value> = read(number, document);
    Some(kept).filter(|kept| !kept.is_empty()).into_iter().collect()
}

async fn keep(number: &Number, document: &str, said: &Arguments) -> Result<Response, GraphError> {
    said.whatsapp()?;
    if said.is_empty() {
        return Err(GraphError::missing("The request says nothing."));
    }
    let members = said.members().clone();
    if serde_json::to_vec(&members).map_or(true, |bytes| bytes.len() > MAX_KEPT_BYTES) {
        return Err(GraphError::invalid("The request says more than 16 KiB."));
    }
    let change = number.book().change(document, |kept: &mut Map<String, Value>| {
        kept.extend(members);
        kept.remove("messaging_product");
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(success())
}

/// The public key of the business's flows.
#[derive(Serialize, ToSchema)]
struct FlowKey {
    /// A 2048-bit RSA public key in PEM.
    business_public_key: String,
    /// `VALID`, where the key is read.
    business_public_key_signature_status: Option<&'static str>,
}

/// Read the public key of flows.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/whatsapp_business_encryption",
    operation_id = "getFlowKey",
    responses((status = 200, body = Page<FlowKey>, examples(("none" = (value = json!({"data": []}))))))
)]
pub(super) fn encryption(number: &Number) -> Response {
    let key = number.book().read::<String>(ENCRYPTION).map(|key| FlowKey {
        business_public_key: key,
        business_public_key_signature_status: Some("VALID"),
    });
    ok(&Page::all(key.into_iter().collect()))
}

/// Keep the public key of flows.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/whatsapp_business_encryption",
    operation_id = "setFlowKey",
    request_body(content = FlowKey, examples(("a key" = (value = json!({"business_public_key": EXAMPLE}))))),
    responses(Success)
)]
pub(super) async fn set_encryption(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let key = said.required("business_public_key")?;
    if !is_rsa_2048(&key) {
        return Err(GraphError::invalid(
            "business_public_key must be a 2048-bit RSA public key in PEM (BEGIN PUBLIC KEY).",
        ));
    }
    let change = number.book().change(ENCRYPTION, |kept: &mut String| {
        *kept = key;
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(success())
}

/// Whether this is `SubjectPublicKeyInfo` of a 2048-bit RSA key: DER leaves no choice in how its head is written.
fn is_rsa_2048(pem: &str) -> bool {
    const HEAD: [u8; 33] = [
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01,
        0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
    ];
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"));
    let Some(body) = body else { return false };
    let base64: String = body.chars().filter(|char| !char.is_ascii_whitespace()).collect();
    BASE64_STANDARD
        .decode(base64)
        .is_ok_and(|der| der.len() == 294 && der.starts_with(&HEAD) && der[33] & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rsa_keys_of_2048_bits_are_taken() {
        let mut der = vec![
            0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82,
            0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
        ];
        der.resize(294, 0xff);
        let pem = |der: &[u8]| {
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                BASE64_STANDARD.encode(der)
            )
        };
        assert!(is_rsa_2048(&pem(&der)) && is_rsa_2048(EXAMPLE));
        let mut other = der.clone();
        other[10] ^= 1;
        for wrong in [
            pem(&other),
            pem(&der[..293]),
            pem(&[]),
            "x".to_owned(),
            String::new(),
            pem(&der).replace("PUBLIC", "PRIVATE"),
        ] {
            assert!(!is_rsa_2048(&wrong));
        }
    }
}
