//! Where webhooks go: overrides of a number and of an account, subscriptions of an app.

use super::{Answer, Call};
use crate::number::Number;

/// `POST /{number}` with `webhook_configuration`; `None` when the body says nothing of it.
pub(super) async fn phone(_number: &Number, _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// `/{account}/subscribed_apps`.
pub(super) async fn account(_numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}

/// `/{app}/subscriptions`.
pub(super) async fn app(_numbers: &[&Number], _call: &mut Call<'_>) -> Answer {
    Ok(None)
}
