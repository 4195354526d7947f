//! Layers that run together, a few rows at a time, so that what passes between them never exists whole.
//!
//! A chain is a row of consecutive layers. For each band of rows of its last result, the layers run in turn, each on the
//! new rows alone: every row is computed once. An activation that only the chain reads keeps a *slab*, the few rows that
//! are still to be read; what is left of them moves to the slab's start before new rows come behind. If layer 0 heads a
//! chain, the picture itself may come through the pixel table in slabs.
//!
//! ```text
//! rows of the input of a window under rows a..b:  a·stride − padding .. (b − 1)·stride + kernel − padding
//! ```
//! `link` is what the chain knows of one activation, `steps` what it does next. Here is only the arithmetic of rows; the checker simulates with it what the camera then does with it, so that the two
//! cannot differ, and the host plans with it.

mod link;
mod steps;

use core::ops::Range;

use super::Layer;
use crate::tensor::Shape;
use link::Link;

/// Most layers of a chain.
pub const MAX_CHAIN: usize = 16;
/// The picture may stand before them.
const MAX_LINKS: usize = MAX_CHAIN + 1;

/// Which layers run together, and how many rows of the last one's result at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first layer.
    pub first: u16,
    /// How many.
    pub layers: u16,
    /// Rows of a band, not 0.
    pub band: u16,
}

/// A chain and how far it has come; as an iterator, what it does next.
#[derive(Debug, Clone)]
pub struct Chain {
    span: Span,
    /// The first activation that it writes; the others follow.
    base: u16,
    len: usize,
    /// The link whose turn is next.
    turn: usize,
    links: [Link; MAX_LINKS],
}

/// Some rows of one activation to compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The activation; its layer has the number before. Activation 0 is the picture, through the pixel table.
    pub activation: u16,
    /// Which rows of it.
    pub rows: Range<u16>,
    /// Rows of its slab, counted from the slab's start, that move to that start first; often none.
    pub moved: Range<u16>,
}

impl Chain {
    /// A chain at its start. `layer` gives a layer of this number; `activation` its shape, and whether it keeps a slab.
    /// The shapes must fit the layers.
    ///
    /// `None` where these layers cannot run by rows: too many or none of them, an operator that needs its input whole, a
    /// gate that the chain itself computes, a band without rows.
    pub fn new(span: Span, layer: impl Fn(u16) -> Layer, activation: impl Fn(u16) -> (Shape, bool)) -> Option<Self> {
        let with_picture = span.first == 0 && activation(0).1;
        let base = if with_picture { 0 } else { span.first + 1 };
        let len = usize::from(span.layers) + usize::from(with_picture);
        if !(1..=MAX_CHAIN).contains(&span.layers.into()) || span.band == 0 {
            return None;
        }
        let mut chain = Self { span, base, len, turn: len, links: [Link::default(); MAX_LINKS] };
        for (number, link) in (base..).zip(&mut chain.links).take(len) {
            let (shape, is_slab) = activation(number);
            *link = match number.checked_sub(1) {
                None => Link::new(shape.height),
                Some(index) => Link::of(&layer(index), base, shape.height, activation(layer(index).input).0.height)?,
            };
            link.is_slab = is_slab;
        }
        chain.set_pace();
        Some(chain)
    }

    /// Which layers run together.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The numbers of its layers.
    pub fn layers(&self) -> Range<u16> {
        self.span.first..self.span.first + self.span.layers
    }

    /// The numbers of the activations that it writes.
    pub fn outputs(&self) -> Range<u16> {
        // At most MAX_LINKS.
        self.base..self.base + self.len as u16
    }

    /// Rows of all of them together: more steps than so many it cannot take.
    pub fn rows(&self) -> u32 {
        self.links().iter().map(|link| u32::from(link.height)).sum()
    }

    /// Which rows of its inputs a run reads, except of a gate, which it reads whole.
    pub fn input_rows(&self, run: &Run) -> Range<u16> {
        self.link(run.activation).map_or(0..0, |link| link.input_rows(run.rows.clone()))
    }

    /// Rows of padding above the first of these.
    pub fn padding_top(&self, run: &Run) -> u8 {
        let Some(link) = self.link(run.activation) else { return 0 };
        let above = u32::from(run.rows.start) * u32::from(link.stride);
        // At most the padding, which has 8 bits.
        u32::from(link.padding).saturating_sub(above) as u8
    }

    /// Where these rows of an activation stand in the rows that it keeps.
    pub fn slots(&self, activation: u16, rows: Range<u16>) -> Range<u16> {
        let first = self.link(activation).map_or(0, |link| link.first);
        rows.start.saturating_sub(first)..rows.end.saturating_sub(first)
    }

    /// The rows of an activation that the chain's layers, as `layer` gives them, have still to read, of those there are;
    /// `height` is its own.
    pub fn unread(&self, activation: u16, height: u16, layer: impl Fn(u16) -> Layer) -> Range<u16> {
        let end = self.link(activation).map_or(height, |link| link.end);
        let readers = self.layers().map(layer).zip(self.links().iter().skip(self.len - usize::from(self.span.layers)));
        let needed = readers.flat_map(|(layer, link)| {
            let gate = layer.kind.gate();
            let reads = layer.inputs().enumerate().filter(move |(_, input)| *input == activation);
            reads.map(move |(index, _)| match (gate == Some(index), link.end == link.height) {
                (true, false) => 0,
                (true, true) => height,
                (false, _) => link.next_input(),
            })
        });
        needed.min().unwrap_or(end).min(end)..end
    }

    /// How many rows of an activation there are so far, and whether it keeps them in a slab; `None` if the chain does not
    /// write it.
    pub fn state(&self, activation: u16) -> Option<(u16, bool)> {
        self.link(activation).map(|link| (link.end, link.is_slab))
    }

    /// One for each activation that it writes.
    fn links(&self) -> &[Link] {
        self.links.get(..self.len).unwrap_or_default()
    }

    fn link(&self, activation: u16) -> Option<&Link> {
        self.links().get(usize::from(activation.checked_sub(self.base)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LayerKind;

    fn window(kind: LayerKind, input: u16, [kernel, stride, padding]: [u8; 3]) -> Layer {
        let (kernel_height, padding_top) = (kernel, padding);
        Layer { input, output: input + 1, kernel_height, stride, padding_top, ..Layer::new(kind) }
    }

    /// Pointwise, depthwise 3×3 with stride 2, pointwise: 7 rows to 4.
    fn chain(band: u16) -> Chain {
        let layers = [
            window(LayerKind::Pointwise, 0, [0; 3]),
            window(LayerKind::Depthwise, 1, [3, 2, 1]),
            window(LayerKind::Pointwise, 2, [0; 3]),
        ];
        let heights = [7, 7, 4, 4];
        let shape = |number: u16| (Shape::new(heights[usize::from(number)], 1, 1), (1..3).contains(&number));
        Chain::new(Span { first: 0, layers: 3, band }, |index| layers[usize::from(index)], shape).unwrap()
    }

    #[test]
    fn each_row_once_and_no_earlier_than_needed() {
        let expected = [
            (1, 0..2, 0..0),
            (2, 0..1, 0..0),
            (3, 0..1, 0..0),
            // Row 1 is read again.
            (1, 2..4, 1..2),
            (2, 1..2, 1..1),
            (3, 1..2, 0..0),
            (1, 4..6, 2..3),
            (2, 2..3, 1..1),
            (3, 2..3, 0..0),
            (1, 6..7, 2..3),
            (2, 3..4, 1..1),
            (3, 3..4, 0..0),
        ];
        assert!(chain(1).map(|run| (run.activation, run.rows, run.moved)).eq(expected));
    }

    #[test]
    fn a_band_of_everything_is_layer_after_layer() {
        assert!(chain(4).map(|run| (run.activation, run.rows)).eq([(1, 0..7), (2, 0..4), (3, 0..4)]));
    }

    #[test]
    fn padding_stands_above_the_first_band_alone() {
        let mut chain = chain(1);
        let mut expected = [(0..2, 1), (1..4, 0), (3..6, 0), (5..7, 0)].into_iter();
        while let Some(run) = chain.next() {
            if run.activation == 2 {
                assert_eq!(Some((chain.input_rows(&run), chain.padding_top(&run))), expected.next());
            }
        }
        assert_eq!(expected.next(), None);
    }

    #[test]
    fn what_needs_its_input_whole_cannot_be_part() {
        let pool = Layer { output: 1, ..Layer::new(LayerKind::GlobalAveragePool) };
        let shape = |_| (Shape::new(1, 1, 1), false);
        let span = Span { first: 0, layers: 1, band: 1 };
        assert!(Chain::new(span, |_| pool, shape).is_none());
        let lookup = Layer { output: 1, ..Layer::new(LayerKind::Lookup) };
        assert!(Chain::new(span, |_| lookup, shape).is_some());
        assert!(Chain::new(Span { band: 0, ..span }, |_| lookup, shape).is_none());
        assert!(Chain::new(Span { layers: 0, ..span }, |_| lookup, shape).is_none());
        assert!(Chain::new(Span { layers: 17, ..span }, |_| lookup, shape).is_none());
    }
}
