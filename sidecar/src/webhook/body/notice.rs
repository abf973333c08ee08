//! Bodies of events that are about the number or its account, not about a conversation.

use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Account, ascii};

impl Account {
    /// The body for something that happened at `time_s` (seconds since 1970), told under `field`. Unlike the bodies of conversations it names
    /// its time beside the entry's id, as the Cloud API does it.
    ///
    /// # Errors
    /// None in practice: see [`ascii::to_vec`].
    pub fn notice(&self, field: &str, value: &Value, time_s: u64) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        ascii::to_vec(&Envelope {
            object: "whatsapp_business_account",
            entry: [Entry {
                id: &self.waba_id,
                time: time_s,
                changes: [Change { value, field }],
            }],
        })
    }

    /// The body that says that a message of a consumer was dropped, because it could not be delivered to the business in time and nothing may be
    /// kept of it. It names no consumer: nothing of the consumer is kept either.
    ///
    /// # Errors
    /// None in practice: see [`ascii::to_vec`].
    pub(crate) fn undelivered(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        ascii::to_vec(&json!({
            "object": "whatsapp_business_account",
            "entry": [{
                "id": self.waba_id,
                "changes": [{
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {
                            "display_phone_number": self.display_phone_number,
                            "phone_number_id": self.phone_number_id,
                        },
                        "errors": [{
                            "code": 131_035,
                            "title": "Webhook could not be delivered within data retention limit",
                            "message": "Webhook could not be delivered within data retention limit",
                            "error_data": {
                                "details": "A message of a consumer was dropped: the webhook did not take it within the hour for which this number keeps messages.",
                            },
                            "href": super::error::HREF,
                        }],
                    },
                    "field": "messages",
                }],
            }],
        }))
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    object: &'static str,
    entry: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    time: u64,
    changes: [Change<'a>; 1],
}

#[derive(Serialize)]
struct Change<'a> {
    value: &'a Value,
    field: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::NumberFacts;

    #[test]
    fn a_notice_names_its_time_and_stays_ascii() {
        let account = Account::new(&NumberFacts {
            phone_number: "+15550100".to_owned(),
            phone_number_id: "106540352242922".to_owned(),
            waba_id: "102290129340398".to_owned(),
            app_id: "670843887433847".to_owned(),
            display_name: "Shop".to_owned(),
            connected: true,
            pin_enabled: true,
            webhook_url: None,
        });
        let value = serde_json::json!({"event": "PIN_CHANGED", "requester": "Grüße"});
        let body = account.notice("security", &value, 1_739_321_024).unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            concat!(
                r#"{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","time":1739321024,"changes":[{"value":"#,
                r#"{"event":"PIN_CHANGED","requester":"Gr\u00fc\u00dfe"},"field":"security"}]}]}"#
            )
        );
    }
}
