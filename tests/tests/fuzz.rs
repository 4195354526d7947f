//! The fuzz targets on the inputs kept in the tree, and on many mutations of them. Repeats exactly.

use std::fs;
use std::path::Path;

use deja_tests::fuzz;

/// Mutations of each input; coverage-guided runs (`tests/fuzz`) go further.
const MUTATIONS: u64 = 40_000;

#[test]
fn frame_decoder_survives_its_inputs() {
    on_inputs("frame_decoder", fuzz::frame_decoder);
}

#[test]
fn model_reader_survives_its_inputs() {
    on_inputs("model_reader", fuzz::model_reader);
}

fn on_inputs(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut inputs: Vec<_> = files.map(|file| file.expect("the folder can be read").path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 3, "{} holds {} inputs", folder.display(), inputs.len());
    for path in inputs {
        let input = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        run(&input);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for _ in 0..MUTATIONS {
            run(&mutate(&input, &mut random));
        }
    }
}

/// One to four changes: a bit, a byte, a small number, a stretch cut out or said twice, an end cut off.
fn mutate(input: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return bytes;
        }
        // Headers and tables decide most; they stand at the front.
        let reach = if random.below(2) == 0 { bytes.len().min(512) } else { bytes.len() };
        let place = random.below(reach);
        match random.below(6) {
            0 => bytes[place] ^= 1 << random.below(8),
            1 => bytes[place] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)],
            2 => bytes[place] = bytes[place].wrapping_add(random.below(9) as u8).wrapping_sub(4),
            3 => {
                bytes.drain(place..reach.min(place + 1 + random.below(16)));
            }
            4 => {
                let stretch = bytes[place..reach.min(place + 16)].to_vec();
                bytes.splice(place..place, stretch);
            }
            _ => bytes.truncate(place),
        }
    }
    bytes
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}
