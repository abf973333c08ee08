//! The HTTP port of the number that is meant.
//!
//! May touch: `endpoints.json`, the files that were named, the port. Must not: repeat a token.

use std::{fs, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use reqwest::{Certificate, Client, Method, Url, redirect};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Common;
use crate::{
    endpoints::{Endpoints, Number},
    terminal::harmless,
};

/// Longer than the port takes to put events back.
const TIMEOUT: Duration = Duration::from_secs(75);
/// The version of the Cloud API that is asked for.
const VERSION: &str = "v23.0";
/// Entries asked for at a time: more are not given.
const PAGE: usize = 100;

/// Where a number is asked.
pub(super) struct Api {
    client: Client,
    base: String,
    token: Zeroizing<String>,
}

impl Api {
    /// As the command line says. `None` when no `waxseal up` runs there.
    pub(super) fn find(common: &Common) -> anyhow::Result<Option<Self>> {
        let mut builder = Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .user_agent(concat!("waxseal/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &common.ca {
            let pem = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let certificates = Certificate::from_pem_bundle(&pem).with_context(|| format!("{} has no certificates", path.display()))?;
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build()?;
        if let (Some(url), Some(token_file), Some(number)) = (&common.url, &common.token_file, &common.number) {
            let url: Url = url.parse().context("--url is no URL")?;
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                bail!("--url must begin with https:// or http://");
            }
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                bail!("with --url, --number must be the id of the number: digits only");
            }
            let token = fs::read_to_string(token_file).map(Zeroizing::new);
            let token = token.with_context(|| format!("{} cannot be read", token_file.display()))?;
            return Ok(Some(Self {
                client,
                base: format!("{}/{VERSION}/{number}", url.as_str().trim_end_matches('/')),
                token: Zeroizing::new(token.trim().to_owned()),
            }));
        }
        let Some(endpoints) = Endpoints::read(&common.state_dir)? else {
            return Ok(None);
        };
        let number = choose(&endpoints.numbers, common.number.as_deref())?;
        Ok(Some(Self {
            client,
            base: format!("{}/{VERSION}/{}", endpoints.api, number.phone_number_id),
            token: Zeroizing::new(number.token.clone()),
        }))
    }

    /// At most `limit` entries of a list, page by page.
    pub(super) async fn list(&self, edge: &str, query: &[(&str, &str)], limit: usize) -> anyhow::Result<Vec<Value>> {
        let (mut entries, mut after) = (Vec::new(), String::new());
        while entries.len() < limit {
            let size = PAGE.min(limit - entries.len());
            let mut url: Url = format!("{}/{edge}", self.base).parse()?;
            url.query_pairs_mut()
                .extend_pairs(query)
                .append_pair("limit", &size.to_string())
                .append_pair("after", &after);
            let mut answer = self.ask(self.client.get(url)).await?;
            let Value::Array(page) = answer["data"].take() else {
                bail!("the port gave an answer that this version does not understand");
            };
            let next = answer["paging"]["cursors"]["after"].as_str();
            let is_last = page.is_empty() || next.is_none_or(|next| next == after);
            entries.extend(page);
            if is_last {
                break;
            }
            after = next.unwrap_or_default().to_owned();
        }
        entries.truncate(limit);
        Ok(entries)
    }

    /// A change.
    pub(super) async fn change(&self, method: Method, edge: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(self.client.request(method, format!("{}/{edge}", self.base)).json(body))
            .await
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        // The token is marked as a secret there.
        let answer = match request.bearer_auth(self.token.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                let error = error.without_url();
                return Err(anyhow::Error::new(error).context("nobody can be connected to there; does it run?"));
            }
            Err(error) => return Err(anyhow::Error::new(error.without_url()).context("no answer")),
        };
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let details = body["error"]["error_data"]["details"]
            .as_str()
            .or(body["error"]["message"].as_str());
        Err(match details {
            Some(details) => anyhow!("refused with HTTP status {}: {}", status.as_u16(), harmless(details)),
            None => anyhow!("refused with HTTP status {}", status.as_u16()),
        })
    }
}

/// The number that is meant: by its id or as it is dialled, or the only one.
fn choose<'a>(numbers: &'a [Number], wanted: Option<&str>) -> anyhow::Result<&'a Number> {
    let served = || {
        let each: Vec<String> = numbers
            .iter()
            .map(|number| format!("{} ({})", number.phone_number, number.phone_number_id))
            .collect();
        each.join(", ")
    };
    match (wanted, numbers) {
        (Some(wanted), _) => numbers
            .iter()
            .find(|number| {
                number.phone_number_id == wanted || number.phone_number.trim_start_matches('+') == wanted.trim_start_matches('+')
            })
            .ok_or_else(|| anyhow!("that number is not served here; these are: {}", served())),
        (None, [number]) => Ok(number),
        (None, _) => bail!("there are several numbers; say which with --number: {}", served()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(phone_number: &str, id: &str) -> Number {
        Number {
            phone_number: phone_number.to_owned(),
            phone_number_id: id.to_owned(),
            business_account_id: "2".to_owned(),
            app_id: "3".to_owned(),
            token: "t".to_owned(),
            app_secret: "a".to_owned(),
            verify_token: "v".to_owned(),
            webhook: "http://127.0.0.1:4/webhook/1".to_owned(),
        }
    }

    #[test]
    fn a_number_goes_by_its_id_and_as_it_is_dialled() {
        let two = [number("+15550100", "7"), number("+15550111", "8")];
        let id = |wanted: Option<&str>| choose(&two, wanted).ok().map(|number| number.phone_number_id.as_str());
        assert_eq!(id(Some("8")), Some("8"));
        assert_eq!(id(Some("15550100")), Some("7"));
        assert_eq!(id(Some("+15550111")), Some("8"));
        assert_eq!(id(Some("9")), None);
        assert_eq!(id(None), None);
        assert_eq!(choose(&two[..1], None).unwrap().phone_number_id, "7");
        assert!(choose(&two, None).err().unwrap().to_string().contains("+15550111 (8)"));
    }
}
