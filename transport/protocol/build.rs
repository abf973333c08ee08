//! Compiles the protos in pure Rust (protox), so that no protoc is needed.
use std::error::Error;

/// What holds a number, a key, a PIN or a body gets no `Debug`: it cannot be logged by accident.
const WITHOUT_DEBUG: [&str; 19] = [
    "RegisterRequest",
    "DeregisterRequest",
    "SignedKey",
    "OneTimeKey",
    "PublishKeysRequest",
    "FetchBundleRequest",
    "Bundle",
    "Envelope",
    "Submit",
    "Deliver",
    "Delivery",
    "ToRelay",
    "FromRelay",
    "ChangePinRequest",
    "PutBlob",
    "BlobHeader",
    "GetBlob",
    "BlobPart",
    "ReportSpamRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["waxseal/transport/v1/transport.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // Would generate a `connect` beside the one of the service.
        .build_transport(false)
        .bytes(".waxseal.transport.v1")
        .skip_debug(WITHOUT_DEBUG.map(|name| format!(".waxseal.transport.v1.{name}")))
        .compile_fds(files)?;
    Ok(())
}
