//! Which results and gradients may share a buffer because they are never needed at the same time.

use super::plan::Plan;

/// Embedded pictures are grouped until the largest result reaches this many values.
const EMBED_VALUES: usize = 1 << 17;

impl Plan {
    /// Gives each gradient a buffer for as long as it lives: from its first contribution to its tensor's producer.
    pub fn assign_slots(&mut self) {
        let mut free: Vec<usize> = Vec::new();
        for view in self.outputs {
            self.open(view, &mut free);
        }
        for step in (0..self.steps.len()).rev() {
            for index in 0..self.steps[step].inputs.len() {
                let input = self.steps[step].inputs[index];
                if input.differentiated {
                    self.open(input.view, &mut free);
                }
            }
            let finished = &self.tensors[self.steps[step].output].views;
            free.extend(finished.iter().map(|view| self.views[*view].slot));
        }
    }

    /// Takes the free buffer that fits best for the gradient of `view`, unless it already has one.
    fn open(&mut self, view: usize, free: &mut Vec<usize>) {
        if self.views[view].slot == usize::MAX {
            let len = self.len(self.views[view].tensor);
            self.views[view].slot = take_buffer(&mut self.slots, free, len);
        }
    }

    /// Gives each tensor a buffer from its producer to its last reader; those of the results stay to the end.
    pub fn assign_places(&mut self) {
        let mut last_reader = vec![0; self.tensors.len()];
        for (index, step) in self.steps.iter().enumerate() {
            step.inputs.iter().for_each(|input| last_reader[self.views[input.view].tensor] = index);
        }
        for view in self.outputs {
            last_reader[self.views[view].tensor] = usize::MAX;
        }
        // The picture is kept as bytes and only nominally has a buffer.
        let (mut sizes, mut free) = (vec![0], Vec::new());
        self.places = vec![0; self.tensors.len()];
        for (index, step) in self.steps.iter().enumerate() {
            self.places[step.output] = take_buffer(&mut sizes, &mut free, self.len(step.output));
            let done = (1..step.output).filter(|tensor| last_reader[*tensor] == index);
            free.extend(done.map(|tensor| self.places[tensor]));
        }
        let largest = (0..self.tensors.len()).map(|tensor| self.len(tensor)).max().unwrap_or(1);
        self.embed_group = (EMBED_VALUES / largest.max(1)).max(1);
    }
}

/// The free buffer that fits `len` values best, enlarged where none is large enough, or a new one where none is free.
fn take_buffer(sizes: &mut Vec<usize>, free: &mut Vec<usize>, len: usize) -> usize {
    let waste = |buffer: &usize| (sizes[*buffer] < len, sizes[*buffer].abs_diff(len));
    let best = (0..free.len()).min_by_key(|index| waste(&free[*index]));
    let buffer = best.map_or(sizes.len(), |index| free.swap_remove(index));
    if buffer == sizes.len() {
        sizes.push(0);
    }
    sizes[buffer] = sizes[buffer].max(len);
    buffer
}
