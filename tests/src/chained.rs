//! Models of random layers, and the same models with some of their layers run in chains.

use deja_shared::model::{ALIGNMENT, Chain, Layer, LayerKind, Span, Tensor};
use deja_shared::tensor::{Shape, Width};

use crate::constants::Noise;
use crate::model::{Draft, small};

/// The chain of four layers of [`small`], a row at a time: the picture, and what leads to the sum, is never whole.
pub fn chained() -> Draft {
    let mut draft = small();
    draft.header.name[..7].copy_from_slice(b"chained");
    assert!(chain(&mut draft, &[Span { first: 0, layers: 4, band: 1 }]), "layers that can be chained");
    draft
}

/// Up to twelve layers behind a picture of 6 to 21 rows, some results of 16 bits, every activation at a place of its own; then a
/// global pool and a matrix.
pub fn random(seed: u32) -> Draft {
    let mut noise = Noise(seed);
    let mut pick = |least: u16, most: u16| least + ((noise.next() >> 8) % u32::from(most - least + 1)) as u16;
    let mut tensors = vec![tensor(Shape::new(pick(6, 21), pick(1, 5), 3), 0)];
    let mut layers = vec![];
    for _ in 0..pick(2, 12) {
        let choices = [pick(0, 11), pick(1, 5), pick(1, 3), pick(0, 4), pick(2, 9), pick(0, 100)];
        let (layer, shape) = next(&tensors, choices);
        let input = tensors[usize::from(layer.input)];
        let is_wide = match layer.kind {
            // As wide as what it takes the greatest of.
            LayerKind::MaxPool => input.width == Width::Sixteen,
            kind => pick(0, 3) == 0 && kind.writes_16_bits(),
        };
        if is_wide {
            tensors.push(Tensor { width: Width::Sixteen, scale: 1e-4, ..tensor(shape, 0) });
            layers.push((Layer { wide_low: -32_767, wide_high: 30_000, ..layer }, 0, 0));
            continue;
        }
        let zero_point = match layer.kind {
            LayerKind::MaxPool => input.zero_point,
            _ => pick(0, 40) as i8 - 20,
        };
        tensors.push(tensor(shape, zero_point));
        layers.push((layer, -128, 127));
    }
    let last = layers.len() as u16;
    let channels = tensors[usize::from(last)].shape.channels;
    tensors.extend([tensor(Shape::new(1, 1, channels), 3), tensor(Shape::new(1, 1, 7), 0)]);
    layers.push((Layer { input: last, ..Layer::new(LayerKind::GlobalAveragePool) }, -128, 127));
    layers.push((Layer { input: last + 1, ..Layer::new(LayerKind::FullyConnected) }, -128, 127));
    let picture = tensors[0].shape;
    let mut draft = Draft::without_golden("random", &tensors, &layers, 0);
    (draft.header.input_height, draft.header.input_width) = (picture.height, picture.width);
    place(&mut draft);
    draft
}

fn tensor(shape: Shape, zero_point: i8) -> Tensor {
    Tensor { shape, zero_point, arena_offset: 0, scale: 0.03, width: Width::Eight, rows_kept: 0 }
}

/// A layer that reads the last activation, and perhaps an earlier one of the same shape; and its result's shape.
fn next(tensors: &[Tensor], [kind, kernel, stride, padding, channels, which]: [u16; 6]) -> (Layer, Shape) {
    let input = tensors.len() as u16 - 1;
    let Tensor { shape, width, .. } = tensors[usize::from(input)];
    let alike = |number: &u16| tensors[usize::from(*number)].shape == shape;
    let others: Vec<u16> = (0..input).filter(alike).collect();
    let other = others.get(usize::from(which) % others.len().max(1)).copied();
    let simple = |kind| Layer { input, ..Layer::new(kind) };
    let of_two = |kind, other| match which % 2 {
        0 => Layer { input, second_input: other, ..Layer::new(kind) },
        _ => Layer { input: other, second_input: input, ..Layer::new(kind) },
    };
    let window = |kind| {
        let kernel = kernel.min(shape.height).min(shape.width) as u8;
        let padding = (padding as u8).min(kernel - 1);
        let extents = Layer { kernel_height: kernel, kernel_width: kernel, stride: stride as u8, ..simple(kind) };
        let layer = Layer { padding_top: padding, padding_left: padding, ..extents };
        // Padding below and on the right is as thick as above, or not there.
        let extent = |extent: u16| {
            let below = u16::from(padding) * (which % 2);
            (extent + u16::from(padding) + below - u16::from(kernel)) / stride + 1
        };
        (layer, [extent(shape.height), extent(shape.width)])
    };
    match (kind, other) {
        (0 | 1, _) => {
            let (layer, [height, width]) = window(LayerKind::Depthwise);
            (layer, Shape { height, width, ..shape })
        }
        (2, _) => {
            let (layer, [height, width]) = window(LayerKind::Convolution);
            (layer, Shape::new(height, width, channels))
        }
        (3, _) => {
            let (layer, [height, width]) = window(LayerKind::MaxPool);
            (layer, Shape { height, width, ..shape })
        }
        (4, _) if width == Width::Eight => (simple(LayerKind::Lookup), shape),
        (5, _) => (simple(LayerKind::PRelu), shape),
        (6 | 7, Some(other)) => (of_two(LayerKind::Add, other), shape),
        (8, Some(other)) => (of_two(LayerKind::PointwiseAdd, other), shape),
        (9, Some(other)) => (of_two(LayerKind::Concat, other), Shape { channels: 2 * shape.channels, ..shape }),
        _ => (simple(LayerKind::Pointwise), Shape { channels, ..shape }),
    }
}

/// Lets the layers of each span run as a chain, with slabs as small as can be, and gives every activation a place of its
/// own; whether all of them can be chained. The golden pairs stay.
pub fn chain(draft: &mut Draft, spans: &[Span]) -> bool {
    for span in spans {
        let mut slabs: Vec<u16> = (span.first + 1..=span.first + span.layers).collect();
        slabs.extend((span.first == 0).then_some(0));
        slabs.retain(|number| read_until(draft, *number) <= span.first + span.layers);
        let Some(rows) = rows_needed(draft, *span, &slabs) else { return false };
        for (number, rows) in slabs.into_iter().zip(rows) {
            let tensor = &mut draft.tensors[usize::from(number)];
            tensor.rows_kept = if rows < tensor.shape.height { rows } else { 0 };
        }
        let head = &mut draft.layers[usize::from(span.first)].layer;
        (head.chain, head.band) = (span.layers, span.band);
    }
    place(draft);
    true
}

/// Rows that each of `slabs` needs room for at once.
fn rows_needed(draft: &Draft, span: Span, slabs: &[u16]) -> Option<Vec<u16>> {
    let shape = |number: u16| (draft.tensors[usize::from(number)].shape, slabs.contains(&number));
    let mut chain = Chain::new(span, |index| draft.layers[usize::from(index)].layer, shape)?;
    let mut rows = vec![0; slabs.len()];
    while let Some(run) = chain.next() {
        if let Some(slab) = slabs.iter().position(|&slab| slab == run.activation) {
            rows[slab] = chain.slots(run.activation, run.rows).end.max(rows[slab]);
        }
    }
    Some(rows)
}

/// One more than the number of the last layer that reads an activation.
pub fn read_until(draft: &Draft, number: u16) -> u16 {
    let reads = |layer: &Layer| layer.inputs().any(|input| input == number);
    draft.layers.iter().rposition(|draft| reads(&draft.layer)).map_or(0, |last| last as u16 + 1)
}

/// Gives every activation a place of its own.
fn place(draft: &mut Draft) {
    let mut end = 0;
    let raw = draft.tensors.len() - 1;
    for tensor in &mut draft.tensors[..raw] {
        tensor.arena_offset = end;
        end += (tensor.bytes() as u32).next_multiple_of(ALIGNMENT as u32);
    }
    draft.header.arena_bytes = end;
}
