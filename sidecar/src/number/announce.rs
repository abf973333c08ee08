//! Telling the business what concerns the number itself: its security, its quality, its templates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::Number;
use crate::{
    conversation::{input::Announced, lane::Event},
    id,
    message::Refusal,
};

/// The lane answers within a commit unless the store is away.
const PATIENCE: Duration = Duration::from_secs(10);

impl Number {
    /// Tells the business that something happened, as a webhook event of this field (`security`, `account_update`,
    /// `message_template_status_update` ...): `Ok` once it is durable. It is then delivered like any event, one after the other with those
    /// that were announced before.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] when it could not be made durable in time; it may still become so.
    pub async fn announce(&self, field: &str, value: serde_json::Value) -> Result<(), Refusal> {
        let time_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let body = self.shared.bodies.notice(field, &value, time_s).map_err(|_| Refusal::Internal)?;
        let announced = Announced {
            field: field.to_owned(),
            body: body.to_vec().into(),
        };
        let lane = self.lanes.get(usize::from(id::lane_of(&id::NOBODY))).ok_or(Refusal::Internal)?;
        let (done, durable) = oneshot::channel();
        let told = async {
            lane.events.send(Event::Announce(announced, done)).await.ok()?;
            durable.await.ok()
        };
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Some(())) => Ok(()),
            Ok(None) | Err(_) => Err(Refusal::Unavailable),
        }
    }
}
