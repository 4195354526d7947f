//! Layers that run together, a few rows at a time.

use core::ops::Range;

use deja_shared::model::{Chain, Layer, Model, Run};
use deja_shared::tensor::{Shape, View};

use super::operands::{Part, borrow, view};
use super::{Meter, preprocess};
use crate::kernels;

/// Runs a chain from its start to its end. What its layers read from outside is whole in the arena; `meter` is told of
/// every kernel's run, `visit` shown the rows that it has written.
pub(super) fn run(
    model: &Model<'_>,
    mut chain: Chain,
    picture: &[u8],
    arena: &mut [i8],
    (meter, visit): (&mut impl Meter, &mut impl FnMut(u16, View<'_>)),
) {
    while let Some(run) = chain.next() {
        make_room(model, &run, arena);
        let output = part(model, &chain, run.activation, run.rows.clone());
        if let Some(number) = run.activation.checked_sub(1) {
            let layer = model.layer(number);
            let layer = Layer { padding_top: chain.padding_top(&run), ..layer };
            let inputs = inputs(model, &chain, &layer, &run);
            meter.start();
            kernels::run(model, &layer, borrow(arena, inputs, output.clone()));
            meter.stop(number);
        } else {
            let pixels = rows(&run.rows, picture, model.header().input_width);
            preprocess(model.preprocessing(), pixels, arena.get_mut(output.bytes.clone()).unwrap_or_default());
        }
        visit(run.activation, view(arena, &output));
    }
}

/// Moves the rows of a slab that are still to be read to its start.
fn make_room(model: &Model<'_>, run: &Run, arena: &mut [i8]) {
    if !run.moved.is_empty() {
        let tensor = model.tensor(run.activation);
        let from = tensor.part(run.moved.clone());
        // `Model::parse` admits only slabs within the arena.
        let Some(slab) = arena.get_mut(tensor.range().start..from.end) else { return };
        if let Some(gap) = slab.len().checked_sub(from.len()) {
            move_to_start(slab, gap);
        }
    }
}

/// Moves what lies behind the first `gap` values to the start, in pieces that do not overlap: a routine for what overlaps
/// takes 1.5 KB of a microcontroller's program.
fn move_to_start(slab: &mut [i8], gap: usize) {
    if gap == 0 {
        return;
    }
    let mut rest = slab;
    while let Some((to, from)) = rest.split_at_mut_checked(gap) {
        let count = to.len().min(from.len());
        if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        rest = from;
    }
}

/// What a run reads: some rows, but a gate whole.
fn inputs(model: &Model<'_>, chain: &Chain, layer: &Layer, run: &Run) -> [Option<Part>; 3] {
    let rows = chain.input_rows(run);
    let mut inputs = layer.inputs().enumerate().map(|(index, number)| match layer.kind.gate() == Some(index) {
        true => Part::whole(model, number),
        false => part(model, chain, number, rows.clone()),
    });
    [(); 3].map(|()| inputs.next())
}

fn part(model: &Model<'_>, chain: &Chain, number: u16, rows: Range<u16>) -> Part {
    let tensor = model.tensor(number);
    // At most the height.
    let shape = Shape { height: rows.len() as u16, ..tensor.shape };
    Part { shape, bytes: tensor.part(chain.slots(number, rows)) }
}

/// These rows of a picture.
fn rows<'a>(rows: &Range<u16>, picture: &'a [u8], width: u16) -> &'a [u8] {
    let at = |row: u16| usize::from(row) * usize::from(width) * 3;
    picture.get(at(rows.start)..at(rows.end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::move_to_start;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn moving_is_copying_within(mut slab in proptest::collection::vec(any::<i8>(), 0..200), gap in 0..200usize) {
            let gap = gap.min(slab.len());
            let mut plain = slab.clone();
            plain.copy_within(gap.., 0);
            move_to_start(&mut slab, gap);
            prop_assert_eq!(slab, plain);
        }
    }
}
