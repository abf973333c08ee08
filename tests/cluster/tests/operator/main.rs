//! The operator in a real control plane, with the credentials and under the policies that the chart gives it. No pod runs here: what a kubelet
//! would do is done by hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod convergence;
mod deletion;
mod refusals;
mod resilience;
mod rollout;
mod world;
