//! Writes the samples of all fuzz targets into `fuzz/corpus`, where the smoke test and cargo-fuzz find them.
//!
//! ```text
//! cargo run -p quorate-fuzzed --example corpus
//! ```

use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, _, samples) in quorate_fuzzed::TARGETS {
        let directory = corpus.join(target);
        std::fs::create_dir_all(&directory)?;
        for (name, bytes) in samples() {
            std::fs::write(directory.join(name), bytes)?;
        }
    }
    Ok(())
}
