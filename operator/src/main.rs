//! The operator: reconciles the custom resources of `waxseal.dev` into sidecars.

fn main() {}
