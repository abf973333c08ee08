//! Compiles the protos in pure Rust (protox), so that no protoc is needed.
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["waxseal/transport/v1/transport.proto"], ["proto"])?;
    tonic_prost_build::configure().bytes(".waxseal.transport.v1").compile_fds(files)?;
    Ok(())
}
