//! Compiles the protos in pure Rust (protox), so that no protoc is needed.
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["waxseal/content/v1/content.proto"], ["proto"])?;
    let mut config = prost_build::Config::new();
    config.skip_debug(["."]);
    config.compile_fds(files)?;
    Ok(())
}
