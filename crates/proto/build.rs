//! Compiles `proto/` without a system `protoc`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("../../proto");
    let files = [
        "feed", "journal", "lease", "links", "observed", "operator", "roster", "snapshot", "tokens",
    ];
    let paths: Vec<_> = files
        .iter()
        .map(|file| root.join(format!("rollcall/v1/{file}.proto")))
        .collect();
    println!("cargo:rerun-if-changed=../../proto");
    let descriptors = protox::compile(&paths, [root])?;
    let mut config = prost_build::Config::new();
    config
        .btree_map(["."])
        .enable_type_names()
        .compile_fds(descriptors)?;
    Ok(())
}
