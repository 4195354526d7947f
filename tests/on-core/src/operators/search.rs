//! A probe and the templates of a gallery.

use deja_firmware::kernels::quad::{Found, LANES, Quad};
use deja_firmware::kernels::{reference, selected};
use deja_shared::embedding::MAX_DIMENSION;

use super::{Case, Kernels, output, place};
use crate::memory::Memory;
use crate::random::Random;

#[derive(Debug)]
pub struct Search {
    dimension: usize,
    templates: usize,
    slope: i32,
}

impl Search {
    fn quads(&self) -> usize {
        self.templates.div_ceil(LANES)
    }
}

impl Case for Search {
    const NAME: &'static str = "search";

    fn draw(random: &mut Random) -> Self {
        let (dimension, bits) = (random.count(1, MAX_DIMENSION), random.count(8, 15));
        Self {
            dimension: if random.one_in(3) { dimension.next_multiple_of(32) } else { dimension },
            templates: random.count(0, 40),
            slope: random.between(-(1 << 15), 1 << bits),
        }
    }

    fn fill(&self, memory: &mut Memory, random: &mut Random) {
        let Memory { quads, inputs, .. } = memory;
        let components = &mut inputs[0][..self.dimension];
        for quad in &mut quads[..self.quads()] {
            *quad = Quad::EMPTY;
        }
        for number in 0..self.templates {
            random.fill(components, -127);
            let norm = components.iter().map(|&c| u32::from(c.unsigned_abs()).pow(2)).sum();
            quads[number / LANES].set(number % LANES, components, norm);
        }
        random.fill(components, -127);
    }

    fn result_bytes(&self) -> usize {
        self.quads() * size_of::<[i32; LANES]>()
    }

    fn macs(&self) -> usize {
        self.templates * self.dimension
    }

    fn run(&self, memory: &mut Memory, kernels: Kernels) {
        let (probe, quads) = (&memory.inputs[0][..self.dimension], &memory.quads[..self.quads()]);
        let result = &mut output(&mut memory.outputs, kernels)[place(0, self.result_bytes())];
        if kernels == Kernels::Selected {
            let mut prepared = selected::Probe::empty();
            prepared.set(probe);
            find_all(quads, |quads| prepared.find(quads, self.slope), result);
        } else {
            let mut prepared = reference::Probe::empty();
            prepared.set(probe);
            find_all(quads, |quads| prepared.find(quads, self.slope), result);
        }
    }
}

/// Writes the excess of every quad that is found to that quad's place.
fn find_all(quads: &[Quad], find: impl Fn(&[Quad]) -> Option<Found>, result: &mut [i8]) {
    let mut first = 0;
    while let Some(found) = find(&quads[first..]) {
        let bytes = size_of::<[i32; LANES]>();
        let excess = found.excess.iter().flat_map(|excess| excess.to_le_bytes());
        let place = &mut result[(first + found.index) * bytes..][..bytes];
        place.iter_mut().zip(excess).for_each(|(to, byte)| *to = byte as i8);
        first += found.index + 1;
    }
}
