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
//! Here is only the arithmetic of rows; the checker simulates with it what the camera then does with it, so that the two
//! cannot differ, and the host plans with it.

use core::ops::Range;

use super::{Layer, LayerKind};
use crate::tensor::Shape;

/// Most layers of a chain.
pub const MAX_CHAIN: usize = 16;
/// The picture may stand before them.
const MAX_LINKS: usize = MAX_CHAIN + 1;
/// Where an activation that a link reads is not written by the chain.
const OUTSIDE: u8 = u8::MAX;

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

/// One activation that the chain writes.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    /// The links that write what it reads row by row.
    reads: [u8; 3],
    kernel: u8,
    stride: u8,
    padding: u8,
    is_slab: bool,
    input_height: u16,
    height: u16,
    /// Most rows that it computes at once.
    most: u16,
    /// The row at the start of its slab.
    first: u16,
    /// The rows before this one are computed.
    end: u16,
    /// The rows before this one are wanted.
    target: u16,
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
        for (number, link) in (base..).zip(&mut chain.links[..len]) {
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
        self.links[..self.len].iter().map(|link| u32::from(link.height)).sum()
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
        let readers = self.layers().map(layer).zip(&self.links[self.len - usize::from(self.span.layers)..]);
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

    fn link(&self, activation: u16) -> Option<&Link> {
        self.links[..self.len].get(usize::from(activation.checked_sub(self.base)?))
    }

    /// A band's rows, for each link as many as its readers use of it meanwhile.
    fn set_pace(&mut self) {
        for index in (0..self.len).rev() {
            let link = &mut self.links[index];
            link.most = match link.most {
                _ if index + 1 == self.len => self.span.band,
                0 => link.height,
                most => most,
            };
            let (reads, used) = (link.reads, link.most.saturating_mul(link.stride.into()));
            for read in reads.map(usize::from).into_iter().filter(|read| *read < index) {
                self.links[read].most = self.links[read].most.max(used);
            }
        }
    }

    /// Sets what each link must come to for the next band; at the end, whole results become whole.
    fn aim(&mut self) {
        self.links.iter_mut().for_each(|link| link.target = link.end);
        let last = self.links[self.len - 1];
        let end = last.end.saturating_add(self.span.band).min(last.height);
        for index in (0..self.len).rev() {
            let link = &mut self.links[index];
            if index + 1 == self.len {
                link.target = end;
            } else if end == last.height && !link.is_slab {
                link.target = link.height;
            }
            let (reads, wanted) = (link.reads, link.input_rows(link.end..link.target).end);
            for read in reads.map(usize::from).into_iter().filter(|read| *read < index) {
                self.links[read].target = self.links[read].target.max(wanted);
            }
        }
    }

    /// How far a link can come in its turn.
    fn reach(&self, index: usize) -> u16 {
        let link = &self.links[index];
        let reads = link.reads.iter().filter(|read| usize::from(**read) < index);
        let possible = reads.map(|&read| link.computable(self.links[usize::from(read)].end));
        possible.fold(link.target.min(link.end.saturating_add(link.most)), u16::min)
    }

    fn advance(&mut self, index: usize, end: u16) -> Run {
        let readers = self.links[..self.len].iter().filter(|link| link.reads.contains(&(index as u8)));
        let needed = readers.map(Link::next_input).min().unwrap_or(u16::MAX);
        let link = &mut self.links[index];
        let (rows, first) = (link.end..end, link.first);
        if link.is_slab {
            link.first = needed.clamp(first, rows.start);
        }
        link.end = end;
        let moved = if link.first > first { link.first - first..rows.start - first } else { 0..0 };
        // At most MAX_LINKS.
        Run { activation: self.base + index as u16, rows, moved }
    }
}

impl Iterator for Chain {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        loop {
            while self.turn < self.len {
                let index = self.turn;
                self.turn += 1;
                let end = self.reach(index);
                if end > self.links[index].end {
                    return Some(self.advance(index, end));
                }
            }
            self.aim();
            // The first link that wants rows can compute some, so that every round comes further.
            if self.links[..self.len].iter().all(|link| link.target <= link.end) {
                return None;
            }
            self.turn = 0;
        }
    }
}

impl Link {
    /// One that reads nothing of the chain.
    fn new(height: u16) -> Self {
        let reads = [OUTSIDE; 3];
        Self { reads, kernel: 1, stride: 1, input_height: height, height, ..Self::default() }
    }

    fn of(layer: &Layer, base: u16, height: u16, input_height: u16) -> Option<Self> {
        let mut link = Self { input_height, ..Self::new(height) };
        if !layer.kind.is_by_rows() {
            return None;
        }
        if matches!(layer.kind, LayerKind::Convolution | LayerKind::Depthwise | LayerKind::MaxPool) {
            (link.kernel, link.stride, link.padding) = (layer.kernel_height, layer.stride, layer.padding_top);
        }
        for (place, (index, input)) in link.reads.iter_mut().zip(layer.inputs().enumerate()) {
            let Some(read) = input.checked_sub(base) else { continue };
            if layer.kind.gate() == Some(index) {
                return None;
            }
            // A layer reads only what stands before it, so within a chain.
            *place = u8::try_from(read).unwrap_or(OUTSIDE);
        }
        Some(link)
    }

    fn input_rows(&self, rows: Range<u16>) -> Range<u16> {
        let at = |row: u16, tap: u8| {
            let row = u32::from(row) * u32::from(self.stride) + u32::from(tap);
            let row = row.saturating_sub(self.padding.into()).min(self.input_height.into());
            // At most the input's height.
            row as u16
        };
        if rows.is_empty() { 0..0 } else { at(rows.start, 0)..at(rows.end - 1, self.kernel) }
    }

    /// The first row that a later run reads.
    fn next_input(&self) -> u16 {
        if self.end < self.height { self.input_rows(self.end..self.end + 1).start } else { self.input_height }
    }

    /// The rows before this one can be computed from so many of its input.
    fn computable(&self, available: u16) -> u16 {
        if available == self.input_height {
            return self.height;
        }
        let rows = u32::from(available) + u32::from(self.padding);
        match rows.checked_sub(self.kernel.into()).and_then(|rest| rest.checked_div(self.stride.into())) {
            // At most the height.
            Some(steps) => (steps + 1).min(self.height.into()) as u16,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
