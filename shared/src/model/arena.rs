//! That no layer writes over what is still to be read: the check of the arena's plan.

use core::ops::Range;

use super::check::MAX_LAYERS;
use super::{Chain, Layer, Model, ModelError, Tensor};

/// Most rows that chains compute in all: bounds the time that the check takes.
pub const MAX_CHAIN_ROWS: u32 = 1 << 16;

/// Layers, and activations at places of the arena.
pub trait Layout {
    /// Layer of this number.
    fn layer(&self, index: u16) -> Layer;
    /// Activation of this number.
    fn activation(&self, number: u16) -> Tensor;
    /// One more than the number of the last layer that reads this activation.
    fn read_until(&self, number: u16) -> u16;
}

/// A model, and until when its activations are needed.
struct Lives<'a> {
    model: &'a Model<'a>,
    read_until: [u16; MAX_LAYERS],
}

impl Layout for Lives<'_> {
    fn layer(&self, index: u16) -> Layer {
        self.model.layer(index)
    }

    fn activation(&self, number: u16) -> Tensor {
        self.model.tensor(number)
    }

    fn read_until(&self, number: u16) -> u16 {
        self.read_until.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// No layer writes over an activation that it or a later layer reads; but an activation that it alone still needs, as
/// its first input and nothing else, may give its place to the result. In a chain, the same for each row.
pub(super) fn check(model: &Model<'_>) -> Result<(), ModelError> {
    let mut lives = Lives { model, read_until: [0; MAX_LAYERS] };
    for (index, layer) in (1..).zip(model.layers()) {
        layer.inputs().for_each(|input| lives.read_until[usize::from(input)] = index);
    }
    if model.tensor(0).rows_kept > 0 && model.layer(0).chain == 0 {
        return Err(ModelError::Tensor { index: 0 });
    }
    let (mut index, mut rows) = (0, 0);
    // The raw embedding, which the last layer writes, lies elsewhere.
    while index < model.header().layer_count - 1 {
        if model.layer(index).chain > 0 {
            let chain = chain(&lives, index)?;
            rows += chain.rows();
            if rows > MAX_CHAIN_ROWS {
                return Err(ModelError::Layer { index });
            }
            index = chain.layers().end;
        } else {
            alone(&lives, index)?;
            index += 1;
        }
    }
    Ok(())
}

/// A layer that runs by itself.
fn alone(lives: &Lives<'_>, index: u16) -> Result<(), ModelError> {
    let (layer, output) = (lives.layer(index), lives.activation(index + 1));
    if layer.band > 0 {
        return Err(ModelError::Layer { index });
    }
    if output.rows_kept > 0 {
        return Err(ModelError::Tensor { index: index + 1 });
    }
    let gives_its_place = |number: u16, tensor: &Tensor| {
        takes_place(&layer, number)
            && lives.read_until(number) == index + 1
            && tensor.arena_offset == output.arena_offset
            && tensor.width == output.width
    };
    let kept = (0..=index).filter(|&number| lives.read_until(number) > index);
    let mut kept = kept.map(|number| (number, lives.activation(number)));
    if kept.any(|(number, tensor)| overlap(&tensor.range(), &output.range()) && !gives_its_place(number, &tensor)) {
        return Err(ModelError::Arena { layer: index });
    }
    Ok(())
}

/// The chain that begins with layer `index`.
fn chain(lives: &Lives<'_>, index: u16) -> Result<Chain, ModelError> {
    let fault = ModelError::Layer { index };
    let span = lives.layer(index).span(index);
    let fits = u32::from(index) + u32::from(span.layers) < u32::from(lives.model.header().layer_count);
    let joins = |index: u16| lives.layer(index).chain == 0 && lives.layer(index).band == 0;
    if !fits || !(index + 1..index + span.layers).all(joins) {
        return Err(fault);
    }
    let chain = lives.model.chain(index).ok_or(fault)?;
    for number in chain.outputs() {
        let tensor = lives.activation(number);
        let is_slab = tensor.rows_kept < tensor.shape.height && lives.read_until(number) <= chain.layers().end;
        if tensor.rows_kept > 0 && !is_slab {
            return Err(ModelError::Tensor { index: number });
        }
    }
    let is_read = |number: u16| chain.layers().any(|layer| lives.layer(layer).inputs().any(|input| input == number));
    let stays =
        |number: &u16| lives.read_until(*number) > index && !chain.outputs().contains(number) && !is_read(*number);
    let covers = |number: u16| {
        let range = lives.activation(number).range();
        chain.outputs().any(|output| overlap(&lives.activation(output).range(), &range))
    };
    if (0..=index).filter(stays).any(covers) || !is_safe(chain.clone(), lives) {
        return Err(ModelError::Arena { layer: index });
    }
    Ok(chain)
}

/// Whether a chain at its start, run to its end, keeps within its slabs and writes over no row that it has still to read,
/// nor over an activation of its own that is read afterwards.
pub fn is_safe(mut chain: Chain, layout: &impl Layout) -> bool {
    while let Some(run) = chain.next() {
        let output = layout.activation(run.activation);
        let slots = chain.slots(run.activation, run.rows.clone());
        let kept = if output.rows_kept > 0 { output.rows_kept } else { output.shape.height };
        let writes = Writes { run: output.part(slots.clone()), moved: output.part(0..run.moved.len() as u16) };
        let layer = run.activation.checked_sub(1).map(|index| layout.layer(index));
        let inputs = chain.input_rows(&run);
        let spares = |(index, number): (usize, u16)| {
            let (tensor, layer) = (layout.activation(number), layer.as_ref());
            let is_gate = layer.is_some_and(|layer| layer.kind.gate() == Some(index));
            let rows = if is_gate { 0..tensor.shape.height } else { inputs.clone() };
            let read = tensor.part(chain.slots(number, rows));
            let in_place = read == writes.run && layer.is_some_and(|layer| takes_place(layer, number));
            !overlap(&read, &writes.moved) && (in_place || !overlap(&read, &writes.run))
        };
        let reads = layer.iter().flat_map(Layer::inputs).enumerate();
        if slots.end > kept
            || !reads.into_iter().all(spares)
            || !spares_the_rest(&chain, run.activation, &writes, layout)
        {
            return false;
        }
    }
    true
}

/// Where a run writes.
struct Writes {
    run: Range<usize>,
    moved: Range<usize>,
}

/// Whether what later runs read, and later layers, does not lie there.
fn spares_the_rest(chain: &Chain, written: u16, writes: &Writes, layout: &impl Layout) -> bool {
    let whole = layout.activation(written).range();
    let spared = |number: u16| {
        let tensor = layout.activation(number);
        if number == written || !overlap(&tensor.range(), &whole) {
            return true;
        }
        let mut rows = chain.unread(number, tensor.shape.height, |index| layout.layer(index));
        if layout.read_until(number) > chain.layers().end {
            rows.start = 0;
        }
        let held = tensor.part(chain.slots(number, rows));
        !overlap(&held, &writes.run) && !overlap(&held, &writes.moved)
    };
    let read = chain.layers().flat_map(|index| layout.layer(index).inputs());
    chain.outputs().all(spared) && read.into_iter().all(spared)
}

/// Whether a layer may write over its input `number`.
fn takes_place(layer: &Layer, number: u16) -> bool {
    layer.kind.is_in_place() && number == layer.input && layer.inputs().filter(|&input| input == number).count() == 1
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}
