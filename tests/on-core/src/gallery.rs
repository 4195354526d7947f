//! A probe identified among the templates of a gallery, as a camera does it.

use core::fmt::Write;

use deja_firmware::gallery::{Gallery, MAX_IDENTITIES, MAX_TEMPLATES};
use deja_firmware::matching::identify;
use deja_shared::embedding::{Embedding, MAX_DIMENSION};
use deja_shared::protocol::messages::Name;

use crate::counter::Counter;
use crate::random::Random;

/// Probes that are identified.
pub const PROBES: usize = 16;

/// Fills the gallery with random templates; gives the instructions of identifying some random probes.
pub fn count(gallery: &mut Gallery, counter: &Counter, dimension: usize) -> u32 {
    let mut random = Random::new(1);
    gallery.clear();
    for number in 0..MAX_TEMPLATES {
        let mut name = Name::new();
        write!(name, "{}", number % MAX_IDENTITIES).expect("a short name");
        gallery.add(&[0; 32], &name, &embedding(&mut random, dimension)).expect("room for it");
    }
    let one = |_| {
        let probe = embedding(&mut random, dimension);
        let mut compared = 0;
        let instructions = counter.instructions(|| compared = identify(gallery, &probe, 0).compared);
        assert_eq!(compared, MAX_TEMPLATES);
        instructions
    };
    (0..PROBES).map(one).sum()
}

fn embedding(random: &mut Random, dimension: usize) -> Embedding {
    let mut raw = [0; MAX_DIMENSION];
    raw[..dimension].iter_mut().for_each(|value| *value = random.between(-127, 127) as i16);
    Embedding::from_raw(&raw[..dimension]).expect("some are not zero")
}
