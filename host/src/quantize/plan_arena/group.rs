//! What it takes to run some layers: one by itself, or several as a chain.

use std::ops::Range;

use deja_shared::model::{Chain, Span, Tensor, is_safe};

use super::blocks::padded;
use super::network::Network;

/// What it costs to begin one more run of a layer on some rows, in multiply-accumulates that take as long: measured on
/// Cortex-M4 and M55, whichever is more.
const RUN: u64 = 900;
/// The same for each channel that a layer with weights writes, whose filters are made ready for every run.
const RUN_A_CHANNEL: u64 = 250;

/// Consecutive layers, and what they need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Which; a band of 0 for one by itself.
    pub span: Span,
    /// The rows that activations keep which only the chain reads.
    pub slabs: Vec<(usize, u16)>,
    /// Results that lie where an input does that nobody needs afterwards: the result, the input.
    pub homes: Vec<(usize, usize)>,
    /// Bytes of everything that is needed meanwhile.
    pub bytes: usize,
    /// What it costs beyond whole layers, in multiply-accumulates that take as long, about.
    pub overhead: u64,
}

impl Group {
    /// Whether its layers run together.
    pub fn is_chain(&self) -> bool {
        self.span.band > 0
    }

    /// The numbers of its layers.
    pub fn layers(&self) -> Range<usize> {
        usize::from(self.span.first)..usize::from(self.span.first + self.span.layers)
    }

    /// One layer by itself.
    pub fn alone(network: &Network, index: usize) -> Self {
        let takes_place = index + 1 < network.layers.len() && network.takes_place(index);
        let homes = takes_place.then(|| (index + 1, usize::from(network.layers[index].input)));
        Self {
            span: Span { first: index as u16, layers: 1, band: 0 },
            slabs: vec![],
            homes: homes.into_iter().collect(),
            bytes: network.bytes_alone(index),
            overhead: 0,
        }
    }

    /// A chain; `None` where these layers cannot be one.
    pub fn chain(network: &Network, span: Span) -> Option<Self> {
        let (first, end) = (usize::from(span.first), usize::from(span.first + span.layers));
        let is_inner = |number: usize| network.last_reader[number] < end && (number > first || number == 0);
        let outputs = (if first == 0 { 0 } else { first + 1 })..end + 1;
        let picture_is_outside = first > 0 || !is_inner(0);
        let outside: usize =
            network.live(first).filter(|&number| number > 0 || picture_is_outside).map(|n| network.bytes(n)).sum();
        let mut inner: Vec<usize> = outputs.clone().filter(|&number| is_inner(number)).collect();
        let mut walk = Walk::new(network, span, &inner)?;
        // What must be whole after all is no slab, which may change what others keep.
        while let Some(at) =
            walk.slabs.iter().position(|&(number, rows)| rows >= network.activations[number].shape.height)
        {
            if inner.remove(at) == 0 {
                return None;
            }
            walk = Walk::new(network, span, &inner)?;
        }
        let Walk { slabs, overhead } = walk;
        let homes = homes(network, span, &slabs);
        let bytes = |number: usize| match slabs.iter().find(|slab| slab.0 == number) {
            Some(&(_, rows)) => padded(Tensor { rows_kept: rows, ..network.activations[number] }.bytes() as usize),
            None if homes.iter().any(|home| home.0 == number) => 0,
            None => network.bytes(number),
        };
        let outputs = outputs.filter(|&number| number > 0 || !picture_is_outside);
        let bytes = outside + outputs.map(bytes).sum::<usize>();
        Some(Self { span, slabs, homes, bytes, overhead })
    }
}

/// What a chain does from its start to its end.
struct Walk {
    /// The rows that activations must keep.
    slabs: Vec<(usize, u16)>,
    overhead: u64,
}

impl Walk {
    fn new(network: &Network, span: Span, inner: &[usize]) -> Option<Self> {
        let activation = |number: u16| (network.activations[usize::from(number)].shape, inner.contains(&number.into()));
        let mut chain = Chain::new(span, |index| network.layers[usize::from(index)], activation)?;
        let mut slabs: Vec<(usize, u16)> = inner.iter().map(|&number| (number, 0)).collect();
        let mut overhead = 0;
        while let Some(run) = chain.next() {
            let number = usize::from(run.activation);
            let tensor = &network.activations[number];
            let slots = chain.slots(run.activation, run.rows.clone());
            if let Some(slab) = slabs.iter_mut().find(|slab| slab.0 == number) {
                slab.1 = slab.1.max(slots.end);
            }
            // Four bytes move in as long as two take; a kernel in place copies its input first where that lies elsewhere.
            let copied = number > 0 && network.layers[number - 1].kind.is_in_place() && inner.contains(&number);
            let rows = run.moved.len() + if copied { run.rows.len() } else { 0 };
            let begins = if run.rows.start == 0 { 0 } else { begin(network, number) };
            overhead += begins + tensor.part(0..rows as u16).len() as u64 / 2;
        }
        Some(Self { slabs, overhead })
    }
}

/// What it costs to begin one more run of the layer that writes an activation.
fn begin(network: &Network, number: usize) -> u64 {
    let has_weights = number > 0 && network.layers[number - 1].kind.has_weights();
    let channels = if has_weights { network.activations[number].shape.channels } else { 0 };
    RUN + RUN_A_CHANNEL * u64::from(channels)
}

/// Whole results that may lie where something lies that the chain reads and nobody needs afterwards, because each of their
/// rows comes after the rows there have been read.
fn homes(network: &Network, span: Span, slabs: &[(usize, u16)]) -> Vec<(usize, usize)> {
    let (first, end) = (usize::from(span.first), usize::from(span.first + span.layers));
    let is_slab = |number: usize| slabs.iter().any(|slab| slab.0 == number);
    let dies = |number: &usize| network.last_reader[*number] < end && !is_slab(*number);
    let mut inputs: Vec<usize> = network.live(first).filter(dies).collect();
    let mut homes = vec![];
    for output in (first + 1..=end).filter(|&number| !is_slab(number)) {
        let layer = &network.layers[output - 1];
        // Where a kernel that works in place finds its input, nothing is copied.
        inputs.sort_by_key(|&input| layer.kind.is_in_place() && usize::from(layer.input) != input);
        let fits = |&input: &usize| {
            network.bytes(input) == network.bytes(output) && is_home(network, span, slabs, &homes, (output, input))
        };
        if let Some(at) = inputs.iter().position(fits) {
            homes.push((output, inputs.remove(at)));
        }
    }
    homes
}

/// Whether a chain is safe with everything at a place of its own, but each of `homes` and `home` where it says.
fn is_home(
    network: &Network,
    span: Span,
    slabs: &[(usize, u16)],
    homes: &[(usize, usize)],
    home: (usize, usize),
) -> bool {
    let mut placed = network.clone();
    slabs.iter().for_each(|&(number, rows)| placed.activations[number].rows_kept = rows);
    let mut place = 0;
    for activation in &mut placed.activations {
        activation.arena_offset = place;
        place += padded(activation.bytes() as usize) as u32;
    }
    for &(output, input) in homes.iter().chain([&home]) {
        placed.activations[output].arena_offset = placed.activations[input].arena_offset;
    }
    let activation = |number: u16| {
        let tensor = placed.activations[usize::from(number)];
        (tensor.shape, tensor.rows_kept > 0)
    };
    Chain::new(span, |index| placed.layers[usize::from(index)], activation).is_some_and(|chain| is_safe(chain, &placed))
}
