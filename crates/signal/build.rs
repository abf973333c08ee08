//! Nothing to do: the build dependencies exist so that cargo unpacks a `protoc` for `tools/protoc`.
fn main() {}
