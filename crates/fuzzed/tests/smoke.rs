//! The corpus of every fuzz target, run as an ordinary test; and each of its files with bytes changed, at places that are the
//! same every time.

use std::path::Path;

/// How many changes of each file are tried.
const CHANGES: u64 = 200;

#[test]
fn no_target_fails_on_its_corpus_or_on_what_is_like_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, run, samples) in quorate_fuzzed::TARGETS {
        let mut files = 0;
        for entry in std::fs::read_dir(corpus.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            run(&bytes);
            (0..CHANGES).for_each(|number| run(&changed(&bytes, number)));
            files += 1;
        }
        assert!(files >= samples().len(), "{target} has {files} files");
    }
}

#[test]
fn the_samples_are_in_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, _, samples) in quorate_fuzzed::TARGETS {
        for (name, bytes) in samples() {
            let kept = std::fs::read(corpus.join(target).join(name)).unwrap();
            assert_eq!(kept, bytes, "{target}/{name}: write the corpus anew");
        }
    }
}

/// Some bytes changed, dropped or doubled, as the number says (SplitMix64).
fn changed(bytes: &[u8], number: u64) -> Vec<u8> {
    let mut state = number;
    let mut next = |end: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=next(4) {
        let place = next(bytes.len());
        match next(4) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place.min(bytes.len()), next(256) as u8),
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = next(256) as u8;
                }
            }
        }
    }
    bytes
}
