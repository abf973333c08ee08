//! A business: calls the HTTP port of one number.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{numbers::wa_id, up::Endpoints};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of the HTTP port, and the number it acts for.
#[derive(Clone)]
pub struct Business {
    client: reqwest::Client,
    api: String,
    number: crate::up::Number,
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// The body; `null` when it is no JSON.
    pub json: Value,
}

impl Answer {
    /// The id of the accepted message.
    ///
    /// # Errors
    /// When it was not accepted.
    pub fn wamid(&self) -> Result<String> {
        match (self.status, self.json["messages"][0]["id"].as_str()) {
            (StatusCode::OK, Some(id)) => Ok(id.to_owned()),
            _ => bail!("not accepted: {} {}", self.status, self.json),
        }
    }

    /// The Graph error code, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<u64> {
        self.json["error"]["code"].as_u64()
    }
}

/// An HTTP client without TLS secrets of its own, proxies or redirects.
///
/// # Errors
/// When it cannot be built.
pub fn http_client() -> Result<reqwest::Client> {
    client().build().context("no HTTP client")
}

fn client() -> reqwest::ClientBuilder {
    // Fails only if there is one already, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}

impl Business {
    /// The first number of a running `waxseal up`.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(endpoints: &Endpoints) -> Result<Self> {
        let number = endpoints.numbers.first().context("no number is served")?.clone();
        Ok(Self {
            client: http_client()?,
            api: endpoints.api.clone(),
            number,
        })
    }

    /// The same as a program sees it that has `graph.facebook.com` built in and was given a proxy and an authority to trust.
    ///
    /// # Errors
    /// When there is no proxy.
    pub fn behind_the_proxy(endpoints: &Endpoints) -> Result<Self> {
        let proxy = endpoints.proxy.as_ref().context("there is no proxy")?;
        let authority = reqwest::Certificate::from_pem(&std::fs::read(&proxy.authority)?)?;
        let client = client()
            .proxy(reqwest::Proxy::https(&proxy.url)?)
            .tls_certs_only([authority])
            .build()
            .context("no HTTP client")?;
        Ok(Self {
            client,
            api: "https://graph.facebook.com".to_owned(),
            ..Self::new(endpoints)?
        })
    }

    /// The client of this business, for what the methods below do not ask.
    #[must_use]
    pub const fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The number it acts for.
    #[must_use]
    pub fn number(&self) -> &crate::up::Number {
        &self.number
    }

    /// Host and port of the HTTP port.
    ///
    /// # Errors
    /// When the URL is not `http://address:port`.
    pub fn address(&self) -> Result<SocketAddr> {
        self.api
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .context("the API URL has no plain address")
    }

    /// `POST /v23.0/{id}/messages`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, body: &Value) -> Result<Answer> {
        self.request(body, None).await
    }

    /// The same with an `Idempotency-Key`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post_once(&self, body: &Value, idempotency_key: &str) -> Result<Answer> {
        self.request(body, Some(idempotency_key)).await
    }

    async fn request(&self, body: &Value, idempotency_key: Option<&str>) -> Result<Answer> {
        let url = format!("{}/v23.0/{}/messages", self.api, self.number.phone_number_id);
        let mut request = self.client.post(url).bearer_auth(&self.number.token).json(body);
        if let Some(key) = idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let response = request.send().await?;
        let status = response.status();
        Ok(Answer {
            status,
            json: response.json().await.unwrap_or(Value::Null),
        })
    }

    /// Sends a text and returns its id.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn send_text(&self, to: &str, text: &str) -> Result<String> {
        self.post(&text_to(to, text)).await?.wamid()
    }

    /// Reacts to a message and returns the reaction's id.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn react(&self, to: &str, message: &str, emoji: &str) -> Result<String> {
        let reaction = json!({"message_id": message, "emoji": emoji});
        self.post(&json!({"messaging_product": "whatsapp", "to": wa_id(to), "type": "reaction", "reaction": reaction}))
            .await?
            .wamid()
    }

    /// Marks a consumer's message read; with `typing`, shows that an answer is being written.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn mark_read(&self, message: &str, typing: bool) -> Result<()> {
        let mut body = json!({"messaging_product": "whatsapp", "status": "read", "message_id": message});
        if typing {
            body["typing_indicator"] = json!({"type": "text"});
        }
        let answer = self.post(&body).await?;
        if answer.json["success"] != true {
            bail!("not marked read: {} {}", answer.status, answer.json);
        }
        Ok(())
    }
}

/// The body that sends a text.
#[must_use]
pub fn text_to(to: &str, text: &str) -> Value {
    json!({"messaging_product": "whatsapp", "to": wa_id(to), "type": "text", "text": {"body": text}})
}
