//! What a kernel reads and writes, borrowed from the arena.

use core::ops::Range;

use deja_shared::model::Model;
use deja_shared::tensor::{Shape, View, ViewMut};

use crate::kernels::Operands;

/// An activation, or some rows of it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub shape: Shape,
    /// Where it lies in the arena.
    pub bytes: Range<usize>,
}

impl Part {
    /// All of an activation.
    pub fn whole(model: &Model<'_>, number: u16) -> Self {
        let tensor = model.tensor(number);
        Self { shape: tensor.shape, bytes: tensor.range() }
    }
}

/// What an activation holds.
pub(super) fn view<'a>(arena: &'a [i8], part: &Part) -> View<'a> {
    // `Model::parse` admits only places within the arena.
    View { shape: part.shape, data: arena.get(part.bytes.clone()).unwrap_or_default() }
}

/// Borrows the output for writing, and the inputs from before and behind it; an input that lies in the output's place has
/// no data. `Model::parse` excludes that any other reaches into it.
pub(super) fn borrow(arena: &mut [i8], inputs: [Option<Part>; 3], output: Part) -> Operands<'_> {
    let Part { shape, bytes: range } = output;
    let (before, rest) = arena.split_at_mut_checked(range.start).unwrap_or_default();
    let (data, behind) = rest.split_at_mut_checked(range.len()).unwrap_or_default();
    let (before, behind) = (&*before, &*behind);
    let [input, second_input, third_input] = inputs.map(|input| {
        let Some(Part { shape, bytes }) = input.filter(|input| input.bytes != range) else {
            return View { shape, data: &[] };
        };
        let data = match bytes.start.checked_sub(range.end) {
            Some(start) => behind.get(start..start + bytes.len()),
            None => before.get(bytes),
        };
        View { shape, data: data.unwrap_or_default() }
    });
    Operands { input, second_input, third_input, output: ViewMut { shape, data } }
}
