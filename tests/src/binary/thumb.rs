//! What an instruction does to the flow and to the stack pointer.
//!
//! After the Armv8-M Architecture Reference Manual (DDI 0553), C2. Everything else that an instruction does is passed over.

#[cfg(test)]
mod tests;

/// A register's number.
pub type Register = u16;

const SP: Register = 13;
const LR: Register = 14;
const PC: Register = 15;

/// Where it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// With the next instruction.
    Next,
    /// At an address; perhaps with the next instruction instead.
    Branch { to: u32, is_conditional: bool },
    /// Calls a function there, and then the next instruction.
    Call(u32),
    /// Calls a function whose address is in a register.
    CallRegister,
    /// Jumps to an address in a register or in memory.
    Jump,
    /// Jumps by a table of bytes or half words that follows.
    Table { is_wide: bool },
    /// Goes back to the caller.
    Return,
    /// Nowhere.
    Stop,
    /// It is not known here.
    Unknown,
}

/// What it does to the stack pointer, or to registers from which that may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing of the kind.
    None,
    /// The stack grows by so many bytes, or shrinks.
    Grow(i32),
    /// The register comes to lie so far below the stack pointer.
    Below(Register, i32),
    /// So many lower bits of the register become 0.
    Align(Register, u32),
    /// The register is set otherwise.
    Lose(Register),
    /// The stack pointer is set to the register.
    Set(Register),
    /// The lower half of a constant.
    Low(Register, u16),
    /// The upper half of a constant.
    High(Register, u16),
    /// The next so many instructions are conditional.
    If(u32),
    /// It is not known here.
    Unknown,
}

/// An instruction, as far as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Bytes.
    pub len: u32,
    pub flow: Flow,
    pub effect: Effect,
}

/// Whether an instruction has 32 bits, by its first half.
pub fn is_long(first: u16) -> bool {
    first >> 11 > 0b11100
}

/// That of 16 bits at `address`.
pub fn short(address: u32, half: u16) -> Instruction {
    let register = half >> 3 & 15;
    let offset = |value: u32, bits: u32| address.wrapping_add(4).wrapping_add(signed(value, bits));
    let branch = |to, is_conditional| Flow::Branch { to, is_conditional };
    let pushed = |list: u16| 4 * list.count_ones() as i32;
    let mut effect = Effect::None;
    let flow = match half {
        _ if half & 0xff00 == 0xde00 => Flow::Stop,
        _ if half & 0xff00 == 0xdf00 => Flow::Next,
        _ if half & 0xf000 == 0xd000 => branch(offset(u32::from(half & 0xff) << 1, 9), true),
        _ if half & 0xf800 == 0xe000 => branch(offset(u32::from(half & 0x7ff) << 1, 12), false),
        _ if half & 0xf500 == 0xb100 => {
            let ahead = u32::from(half >> 3 & 0x1f) << 1 | u32::from(half >> 9 & 1) << 6;
            branch(address.wrapping_add(4).wrapping_add(ahead), true)
        }
        _ if half & 0xff80 == 0x4700 => {
            if register == LR {
                Flow::Return
            } else {
                Flow::Jump
            }
        }
        _ if half & 0xff80 == 0x4780 => Flow::CallRegister,
        // MOV and ADD to the program counter.
        _ if half & 0xff87 == 0x4687 || half & 0xff87 == 0x4487 => Flow::Jump,
        _ if half & 0xfe00 == 0xbc00 => {
            effect = Effect::Grow(-pushed(half & 0x1ff));
            if half & 0x100 != 0 { Flow::Return } else { Flow::Next }
        }
        _ => {
            effect = match half {
                _ if half & 0xfe00 == 0xb400 => Effect::Grow(pushed(half & 0x1ff)),
                _ if half & 0xff80 == 0xb000 => Effect::Grow(-4 * i32::from(half & 0x7f)),
                _ if half & 0xff80 == 0xb080 => Effect::Grow(4 * i32::from(half & 0x7f)),
                _ if half & 0xff87 == 0x4685 => Effect::Set(register),
                _ if half & 0xff87 == 0x4485 => Effect::Unknown,
                _ if half & 0xff78 == 0x4668 => Effect::Below(half & 7 | half >> 4 & 8, 0),
                // IT, but not its kin that are hints.
                _ if half & 0xff00 == 0xbf00 && half & 15 != 0 => Effect::If(4 - (half & 15).trailing_zeros()),
                _ => Effect::None,
            };
            Flow::Next
        }
    };
    Instruction { len: 2, flow, effect }
}

/// That of 32 bits at `address`.
pub fn long(address: u32, halves: [u16; 2]) -> Instruction {
    Instruction { len: 4, flow: flow(address.wrapping_add(4), halves), effect: effect(halves) }
}

fn flow(after: u32, [first, second]: [u16; 2]) -> Flow {
    let is_system = first >> 6 & 14 == 14;
    if first & 0xf800 == 0xf000 && second & 0x8000 != 0 {
        return match second & 0xd000 {
            0xd000 => Flow::Call(after.wrapping_add(far(first, second))),
            0x9000 => Flow::Branch { to: after.wrapping_add(far(first, second)), is_conditional: false },
            0x8000 if !is_system => {
                let (sign, j1, j2) = (first >> 10 & 1, second >> 13 & 1, second >> 11 & 1);
                let upper = u32::from(sign) << 20 | u32::from(j2) << 19 | u32::from(j1) << 18;
                let offset = upper | u32::from(first & 0x3f) << 12 | u32::from(second & 0x7ff) << 1;
                Flow::Branch { to: after.wrapping_add(signed(offset, 21)), is_conditional: true }
            }
            // Undefined for ever; other system instructions go on.
            0x8000 => {
                if first & 0xfff0 == 0xf7f0 && second & 0xf000 == 0xa000 {
                    Flow::Stop
                } else {
                    Flow::Next
                }
            }
            _ => low_overhead(after, first, second),
        };
    }
    let (base, target) = (first & 15, second >> 12);
    match first {
        _ if first & 0xfff0 == 0xe8d0 && second & 0xffe0 == 0xf000 => Flow::Table { is_wide: second & 16 != 0 },
        // LDR to the program counter.
        _ if first & 0xff70 == 0xf850 && target == PC => {
            if base == SP {
                Flow::Return
            } else {
                Flow::Jump
            }
        }
        // LDM with it.
        _ if first & 0xfe50 == 0xe810 && second & 0x8000 != 0 => {
            if base == SP {
                Flow::Return
            } else {
                Flow::Jump
            }
        }
        _ => Flow::Next,
    }
}

/// Loops of Armv8.1-M: WLS and WLSTP may go to their end, LE and LETP to their beginning.
fn low_overhead(after: u32, first: u16, second: u16) -> Flow {
    let distance = u32::from(second >> 1 & 0x3ff) << 2 | u32::from(second >> 11 & 1) << 1;
    let is_loop = first & 0xff80 == 0xf000;
    match second & 0xf001 {
        0xc001 if is_loop && first & 15 == PC => {
            Flow::Branch { to: after.wrapping_sub(distance), is_conditional: first & 0x20 == 0 }
        }
        0xc001 if is_loop => Flow::Branch { to: after.wrapping_add(distance), is_conditional: true },
        // DLS, DLSTP, LCTP; VCTP.
        0xe001 if is_loop => Flow::Next,
        _ => Flow::Unknown,
    }
}

fn effect([first, second]: [u16; 2]) -> Effect {
    if first & 0xf800 == 0xf000 {
        // Where the upper bit of the second half is set, it is a branch.
        return if second & 0x8000 == 0 { constant(first, second) } else { Effect::None };
    }
    let (target, list) = (second >> 8 & 15, 4 * second.count_ones() as i32);
    let (byte, seven) = (i32::from(second & 0xff), i32::from(second & 0x7f));
    match first {
        0xe92d => Effect::Grow(list),
        0xe8bd => Effect::Grow(-list),
        // STR, LDR; STRD, LDRD.
        0xf84d if second & 0x0f00 == 0x0d00 => Effect::Grow(byte),
        0xf85d if second & 0x0f00 == 0x0b00 => Effect::Grow(-byte),
        0xe96d => Effect::Grow(4 * byte),
        0xe8fd => Effect::Grow(-4 * byte),
        // Vectors; VPUSH, VPOP.
        _ if first & 0xffbf == 0xed2d && second & 0x1e00 == 0x1e00 => Effect::Grow(seven << (second >> 7 & 3)),
        _ if first & 0xffbf == 0xecbd && second & 0x1e00 == 0x1e00 => Effect::Grow(-(seven << (second >> 7 & 3))),
        _ if first & 0xffbf == 0xed2d && second & 0x0e00 == 0x0a00 => Effect::Grow(4 * byte),
        _ if first & 0xffbf == 0xecbd && second & 0x0e00 == 0x0a00 => Effect::Grow(-4 * byte),
        // ADD and SUB of a register.
        _ if matches!(first & 0xffe0, 0xeb00 | 0xeba0) && target == SP => Effect::Unknown,
        _ => Effect::None,
    }
}

/// That of data processing with a constant.
fn constant(first: u16, second: u16) -> Effect {
    let (base, target) = (first & 15, second >> 8 & 15);
    match first {
        _ if first & 0xfbf0 == 0xf240 => Effect::Low(target, half(first, second)),
        _ if first & 0xfbf0 == 0xf2c0 => Effect::High(target, half(first, second)),
        0xf36f => {
            let (from, to) = (second >> 10 & 0x1c | second >> 6 & 3, second & 31);
            if from == 0 { Effect::Align(target, u32::from(to) + 1) } else { Effect::Lose(target) }
        }
        // ADD and SUB of a constant.
        _ if matches!(first & 0x03e0, 0x0100 | 0x01a0 | 0x0200 | 0x02a0) => {
            let number = if first & 0x0200 != 0 { twelve(first, second).into() } else { expand(twelve(first, second)) };
            let down =
                if first & 0x00a0 == 0x00a0 { number.cast_signed() } else { number.cast_signed().wrapping_neg() };
            match (base, target) {
                (SP, SP) => Effect::Grow(down),
                (SP, _) => Effect::Below(target, down),
                // The frame's beginning is restored.
                (_, SP) => Effect::Set(base),
                _ => Effect::Lose(target),
            }
        }
        _ => Effect::None,
    }
}

/// The offset of BL and B.W.
fn far(first: u16, second: u16) -> u32 {
    let sign = u32::from(first >> 10 & 1);
    let inverted = |bit: u32| (u32::from(second >> bit & 1) ^ sign) ^ 1;
    let upper = sign << 24 | inverted(13) << 23 | inverted(11) << 22;
    signed(upper | u32::from(first & 0x3ff) << 12 | u32::from(second & 0x7ff) << 1, 25)
}

/// A number of so many bits, with its sign.
fn signed(value: u32, bits: u32) -> u32 {
    ((value << (32 - bits)).cast_signed() >> (32 - bits)).cast_unsigned()
}

/// `i:imm3:imm8`.
fn twelve(first: u16, second: u16) -> u16 {
    (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xff
}

/// `imm4:i:imm3:imm8`.
fn half(first: u16, second: u16) -> u16 {
    (first & 15) << 12 | twelve(first, second)
}

/// The constant that twelve bits stand for.
fn expand(twelve: u16) -> u32 {
    let byte = u32::from(twelve & 0xff);
    match twelve >> 8 {
        0 => byte,
        1 => byte * 0x0001_0001,
        2 => byte * 0x0100_0100,
        3 => byte * 0x0101_0101,
        _ => (byte | 0x80).rotate_right(u32::from(twelve >> 7)),
    }
}
