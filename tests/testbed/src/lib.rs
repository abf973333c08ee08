//! What the developer command, which sets the test cluster up, and the test harness, which starts it, both have to know.
//!
//! * [`tools`]: the programs of a Kubernetes cluster and the folder where they are.
//! * [`image`]: container images as archives, written without a registry or a builder.
//!
//! Starts no process.

pub mod host_image;
pub mod image;
pub mod tools;
