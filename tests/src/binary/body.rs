//! One function, from an entry through all of its branches: what it calls, and how deep its stack is there.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::BinaryError;
use super::float::is_float;
use super::program::Program;
use super::thumb::{Effect, Flow, Instruction, is_long, long, short};

/// More stack than any board has: something is misunderstood.
const TOO_DEEP: u32 = 1 << 20;

/// What a function does, as far as it is looked at.
#[derive(Debug, Default)]
pub struct Body {
    /// Where it goes, with the bytes of its own that lie on the stack then.
    pub calls: BTreeMap<u32, u32>,
    /// The same for calls through a register.
    pub indirect: Option<u32>,
    /// Functions whose addresses it, or constants that it names, hold.
    pub taken: BTreeSet<u32>,
    /// Where it computes with floating-point numbers.
    pub floats: Vec<u32>,
    /// Most bytes of its own that lie on the stack.
    pub stack: u32,
    /// Registers and the lower, and the upper, halves of constants that are put there.
    halves: [BTreeSet<(u16, u16)>; 2],
}

/// What is known when an instruction is reached.
#[derive(Clone)]
struct State {
    depth: u32,
    /// How far below the stack's beginning registers lie that were made from the stack pointer.
    registers: BTreeMap<u16, u32>,
    /// How many instructions from here on are conditional.
    conditional: u32,
}

impl Body {
    /// That of the function around `entry`, from there on. What `is_end` calls an end, by its name, never returns.
    pub fn of(program: &Program, entry: u32, is_end: fn(&str) -> bool) -> Result<Self, BinaryError> {
        let range = program.function(entry).ok_or(BinaryError::NoCode(entry))?;
        let mut body = Self::default();
        let start = State { depth: 0, registers: BTreeMap::new(), conditional: 0 };
        let (mut waiting, mut seen) = (vec![(entry, start)], BTreeMap::new());
        while let Some((address, mut state)) = waiting.pop() {
            if seen.get(&address).is_some_and(|depth| *depth >= state.depth) {
                continue;
            }
            seen.insert(address, state.depth);
            let instruction = body.instruction(program, address)?;
            let is_conditional = state.conditional > 0;
            state.conditional = state.conditional.saturating_sub(1);
            let before = state.depth;
            body.apply(&mut state, instruction.effect).ok_or(BinaryError::Unknown(address))?;
            if is_conditional {
                state.depth = state.depth.max(before);
            }
            body.stack = body.stack.max(state.depth);
            if body.stack > TOO_DEEP {
                return Err(BinaryError::Unknown(address));
            }
            let mut next = body.next(program, address, instruction, (&range, state.depth))?;
            if matches!(instruction.flow, Flow::Call(to) if is_end(program.name(to))) {
                next.clear();
            }
            if is_conditional {
                next.push(address + instruction.len);
            }
            waiting.extend(next.into_iter().map(|address| (address, state.clone())));
        }
        body.take_constants(program);
        body.take_data(program, range);
        Ok(body)
    }

    fn instruction(&mut self, program: &Program, address: u32) -> Result<Instruction, BinaryError> {
        let unknown = || BinaryError::Unknown(address);
        let first = program.half(address).filter(|_| program.is_code(address)).ok_or_else(unknown)?;
        if !is_long(first) {
            return Ok(short(address, first));
        }
        let halves = [first, program.half(address + 2).ok_or_else(unknown)?];
        if is_float(halves) && !self.floats.contains(&address) {
            self.floats.push(address);
        }
        Ok(long(address, halves))
    }

    /// `None` where the stack pointer cannot be told any more.
    fn apply(&mut self, state: &mut State, effect: Effect) -> Option<()> {
        match effect {
            Effect::None => {}
            Effect::Grow(bytes) => state.depth = state.depth.saturating_add_signed(bytes),
            Effect::Below(register, bytes) => {
                _ = state.registers.insert(register, state.depth.saturating_add_signed(bytes));
            }
            Effect::Align(register, bits) => {
                state.registers.entry(register).and_modify(|depth| *depth += (1 << bits) - 1);
            }
            Effect::Lose(register) => _ = state.registers.remove(&register),
            // From a frame pointer the stack shrinks at a function's end: no less than before is a bound too.
            Effect::Set(register) => state.depth = *state.registers.get(&register).unwrap_or(&state.depth),
            Effect::Low(register, half) => _ = self.halves[0].insert((register, half)),
            Effect::High(register, half) => _ = self.halves[1].insert((register, half)),
            Effect::If(count) => state.conditional = count,
            Effect::Unknown => return None,
        }
        Some(())
    }

    /// The addresses within the function where it may go on.
    fn next(
        &mut self,
        program: &Program,
        address: u32,
        Instruction { len, flow, .. }: Instruction,
        (range, depth): (&Range<u32>, u32),
    ) -> Result<Vec<u32>, BinaryError> {
        let after = address + len;
        Ok(match flow {
            Flow::Next => vec![after],
            Flow::Branch { to, is_conditional } => {
                let mut next = if is_conditional { vec![after] } else { Vec::new() };
                if range.contains(&to) {
                    next.push(to);
                } else {
                    self.call(to, depth);
                }
                next
            }
            Flow::Call(to) => {
                self.call(to, depth);
                vec![after]
            }
            Flow::CallRegister => {
                self.indirect = self.indirect.max(Some(depth));
                vec![after]
            }
            Flow::Jump => {
                self.indirect = self.indirect.max(Some(depth));
                Vec::new()
            }
            Flow::Table { is_wide } => table(program, after, is_wide).ok_or(BinaryError::Unknown(address))?,
            Flow::Return | Flow::Stop => Vec::new(),
            Flow::Unknown => return Err(BinaryError::Unknown(address)),
        })
    }

    fn call(&mut self, to: u32, depth: u32) {
        let deepest = self.calls.entry(to).or_insert(depth);
        *deepest = depth.max(*deepest);
    }

    /// Takes note of a constant that may be the address of a function, or of constants that hold some.
    fn take(&mut self, program: &Program, constant: u32) {
        let is_function = |word: u32| word & 1 == 1 && program.is_function(word & !1);
        let words = [constant].into_iter().chain(program.constant(constant));
        self.taken.extend(words.filter(|word| is_function(*word)).map(|word| word & !1));
    }

    /// Looks for such constants in the code: any lower half may have been in a register when the upper one came.
    fn take_constants(&mut self, program: &Program) {
        let [lows, highs] = std::mem::take(&mut self.halves);
        for (register, high) in highs {
            for (_, low) in lows.iter().filter(|(other, _)| *other == register) {
                self.take(program, u32::from(high) << 16 | u32::from(*low));
            }
        }
    }

    /// Looks for such constants in the data among the code of a function.
    fn take_data(&mut self, program: &Program, range: Range<u32>) {
        for address in (range.start.next_multiple_of(4)..range.end).step_by(4) {
            if let Some(word) = program.word(address).filter(|_| !program.is_code(address)) {
                self.take(program, word);
            }
        }
    }
}

/// Where the entries of a table behind its instruction lead.
fn table(program: &Program, start: u32, is_wide: bool) -> Option<Vec<u32>> {
    let end = program.data_end(start).filter(|_| !program.is_code(start))?;
    let entry = |address: u32| {
        let half = program.half(address & !1)?;
        let byte = if address & 1 == 0 { half & 0xff } else { half >> 8 };
        Some(start + 2 * u32::from(if is_wide { half } else { byte }))
    };
    let entries = (start..end).step_by(if is_wide { 2 } else { 1 }).filter_map(entry);
    // What fills a table to a half word would lead into the table.
    Some(entries.filter(|to| *to >= end).collect())
}
