//! Every operator's selected kernel gives the reference's bits, and writes nothing else.

use cortex_m_semihosting::hprintln;

use crate::memory::Memory;
use crate::operators::{
    Add, Case, ChannelScale, ChannelScaleAdd, Convolution, Depthwise, FullyConnected, GlobalAveragePool, Kernels,
    MARGIN, MaxPool, Pointwise, PointwiseAdd, Search,
};
use crate::random::Random;

/// Less than so many bytes behind a boundary results and weights begin.
const LATER: usize = 4;

/// Checks `cases` random cases of each operator.
///
/// # Panics
/// At the first difference, with the case.
pub fn check(memory: &mut Memory, seed: u32, cases: u32) {
    operator::<Pointwise>(memory, seed, cases);
    operator::<PointwiseAdd>(memory, seed, cases);
    operator::<FullyConnected>(memory, seed, cases);
    operator::<Convolution>(memory, seed, cases);
    operator::<Depthwise>(memory, seed, cases);
    operator::<MaxPool>(memory, seed, cases);
    operator::<GlobalAveragePool>(memory, seed, cases);
    operator::<Add>(memory, seed, cases);
    operator::<ChannelScale>(memory, seed, cases);
    operator::<ChannelScaleAdd>(memory, seed, cases);
    operator::<Search>(memory, seed, cases);
}

fn operator<C: Case>(memory: &mut Memory, seed: u32, cases: u32) {
    for number in 0..cases {
        let mut random = Random::new(seed.wrapping_add(number));
        let case = C::draw(&mut random);
        // Fast kernels may ask for whole words; where weights lie elsewhere they must find another way, and never fault.
        memory.first_weight = if random.one_in(2) { 0 } else { random.count(1, LATER - 1) };
        case.fill(memory, &mut random);
        let bytes = case.result_bytes() + 2 * MARGIN + LATER;
        // Operators in place read what lies there.
        let [selected, reference] = &mut memory.outputs;
        random.fill(&mut selected[..bytes], -128);
        reference[..bytes].copy_from_slice(&selected[..bytes]);
        case.run(memory, Kernels::Reference);
        case.run(memory, Kernels::Selected);
        let [selected, reference] = &memory.outputs;
        if let Some(at) = (0..bytes).find(|&at| selected[at] != reference[at]) {
            panic!(
                "{}: byte {} of {} is {} and not {}: seed {}, case {number}, weights from {}: {case:?}",
                C::NAME,
                at as i32 - MARGIN as i32,
                case.result_bytes(),
                selected[at],
                reference[at],
                seed,
                memory.first_weight
            );
        }
    }
    hprintln!("{},{}", C::NAME, cases);
}
