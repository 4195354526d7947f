//! What an instruction does to the flow and to the stack pointer.
//!
//! After the Armv8-M Architecture Reference Manual (DDI 0553), C2. Everything else that an instruction does is passed over.

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

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(address: u32, bytes: &[u8]) -> Instruction {
        let halves: Vec<u16> = bytes.chunks(2).map(|half| u16::from_le_bytes([half[0], half[1]])).collect();
        assert_eq!(is_long(halves[0]), bytes.len() == 4, "{bytes:x?}");
        if let [first, second] = halves[..] { long(address, [first, second]) } else { short(address, halves[0]) }
    }

    /// As an assembler writes branches forward to 0xe8 and back to 0xb4, and what it was given.
    #[test]
    fn branches_go_where_the_assembler_sent_them() {
        let branch = |to, is_conditional| Flow::Branch { to, is_conditional };
        let cases: [(u32, &[u8], Flow, &str); 16] = [
            (0xb0, &[0xd0, 0xb1], branch(0xe8, true), "cbz r0"),
            (0xb2, &[0xcb, 0xb9], branch(0xe8, true), "cbnz r3"),
            (0xb6, &[0x17, 0xe0], branch(0xe8, false), "b"),
            (0xb8, &[0x16, 0xd0], branch(0xe8, true), "beq"),
            (0xba, &[0x00, 0xf0, 0x15, 0xb8], branch(0xe8, false), "b.w"),
            (0xbe, &[0x00, 0xf0, 0x13, 0x80], branch(0xe8, true), "beq.w"),
            (0xc2, &[0x00, 0xf0, 0x11, 0xf8], Flow::Call(0xe8), "bl"),
            (0xc6, &[0xf5, 0xe7], branch(0xb4, false), "b"),
            (0xc8, &[0xf4, 0xd1], branch(0xb4, true), "bne"),
            (0xca, &[0xff, 0xf7, 0xf3, 0xff], Flow::Call(0xb4), "bl"),
            (0xce, &[0xff, 0xf7, 0xf1, 0xbf], branch(0xb4, false), "b.w"),
            (0xd2, &[0x3f, 0xf4, 0xef, 0xaf], branch(0xb4, true), "beq.w"),
            (0xd6, &[0x43, 0xf0, 0x07, 0xc8], branch(0xe8, true), "wls lr, r3"),
            (0xda, &[0x03, 0xf0, 0x05, 0xc8], branch(0xe8, true), "wlstp.8 lr, r3"),
            (0xde, &[0x0f, 0xf0, 0x17, 0xc8], branch(0xb4, true), "le lr"),
            (0xe2, &[0x1f, 0xf0, 0x19, 0xc8], branch(0xb4, true), "letp lr"),
        ];
        for (address, bytes, flow, text) in cases {
            let expected = Instruction { len: bytes.len() as u32, flow, effect: Effect::None };
            assert_eq!(decode(address, bytes), expected, "{text}");
        }
    }

    #[test]
    fn other_instructions_of_the_flow() {
        let cases: [(&[u8], Flow, &str); 19] = [
            (&[0x70, 0x47], Flow::Return, "bx lr"),
            (&[0x18, 0x47], Flow::Jump, "bx r3"),
            (&[0x98, 0x47], Flow::CallRegister, "blx r3"),
            (&[0x9f, 0x46], Flow::Jump, "mov pc, r3"),
            (&[0x10, 0xbd], Flow::Return, "pop {r4, pc}"),
            (&[0x90, 0xbc], Flow::Next, "pop {r4, r7}"),
            (&[0xbd, 0xe8, 0xf0, 0x8f], Flow::Return, "pop.w {r4-r11, pc}"),
            (&[0xbd, 0xe8, 0x00, 0x0f], Flow::Next, "pop.w {r8-r11}"),
            (&[0x5d, 0xf8, 0x04, 0xfb], Flow::Return, "ldr pc, [sp], #4"),
            (&[0x5d, 0xf8, 0x04, 0xeb], Flow::Next, "ldr lr, [sp], #4"),
            (&[0xb0, 0xe8, 0x02, 0x80], Flow::Jump, "ldm.w r0!, {r1, pc}"),
            (&[0x50, 0xf8, 0x21, 0xf0], Flow::Jump, "ldr.w pc, [r0, r1, lsl #2]"),
            (&[0xdf, 0xe8, 0x01, 0xf0], Flow::Table { is_wide: false }, "tbb [pc, r1]"),
            (&[0xdf, 0xe8, 0x11, 0xf0], Flow::Table { is_wide: true }, "tbh [pc, r1, lsl #1]"),
            (&[0xfe, 0xde], Flow::Stop, "udf #254"),
            (&[0xf0, 0xf7, 0x01, 0xa0], Flow::Stop, "udf.w #1"),
            (&[0xab, 0xbe], Flow::Next, "bkpt #171"),
            (&[0x01, 0xdf], Flow::Next, "svc #1"),
            (&[0x43, 0xf0, 0x01, 0xe0], Flow::Next, "dls lr, r3"),
        ];
        for (bytes, flow, text) in cases {
            assert_eq!(decode(0, bytes).flow, flow, "{text}");
        }
    }

    #[test]
    fn effects_on_the_stack() {
        let cases: [(&[u8], Effect, &str); 29] = [
            (&[0x90, 0xb5], Effect::Grow(12), "push {r4, r7, lr}"),
            (&[0x10, 0xbd], Effect::Grow(-8), "pop {r4, pc}"),
            (&[0x07, 0xb0], Effect::Grow(-28), "add sp, #28"),
            (&[0x87, 0xb0], Effect::Grow(28), "sub sp, #28"),
            (&[0xa5, 0x46], Effect::Set(4), "mov sp, r4"),
            (&[0x6c, 0x46], Effect::Below(4, 0), "mov r4, sp"),
            (&[0x02, 0xa8], Effect::None, "add r0, sp, #8"),
            (&[0x0d, 0xf5, 0x80, 0x54], Effect::Below(4, -4096), "add.w r4, sp, #4096"),
            (&[0x0c, 0xbf], Effect::If(2), "ite eq"),
            (&[0x00, 0xbf], Effect::None, "nop"),
            (&[0x2d, 0xe9, 0xf0, 0x4f], Effect::Grow(36), "push.w {r4-r11, lr}"),
            (&[0xbd, 0xe8, 0xf0, 0x8f], Effect::Grow(-36), "pop.w {r4-r11, pc}"),
            (&[0x5d, 0xf8, 0x04, 0xfb], Effect::Grow(-4), "ldr pc, [sp], #4"),
            (&[0x4d, 0xf8, 0x04, 0x8d], Effect::Grow(4), "str r8, [sp, #-4]!"),
            (&[0x6d, 0xe9, 0x04, 0x45], Effect::Grow(16), "strd r4, r5, [sp, #-16]!"),
            (&[0xfd, 0xe8, 0x04, 0x45], Effect::Grow(-16), "ldrd r4, r5, [sp], #16"),
            (&[0x2d, 0xed, 0x10, 0x8b], Effect::Grow(64), "vpush {d8-d15}"),
            (&[0xbd, 0xec, 0x10, 0x8b], Effect::Grow(-64), "vpop {d8-d15}"),
            (&[0xad, 0xf5, 0xed, 0x5d], Effect::Grow(7584), "sub.w sp, sp, #7584"),
            (&[0xad, 0xf2, 0x1c, 0x2d], Effect::Grow(540), "subw sp, sp, #540"),
            (&[0x0d, 0xf5, 0xed, 0x5d], Effect::Grow(-7584), "add.w sp, sp, #7584"),
            (&[0xad, 0xf5, 0x00, 0x74], Effect::Below(4, 512), "sub.w r4, sp, #512"),
            (&[0x6f, 0xf3, 0x03, 0x04], Effect::Align(4, 4), "bfc r4, #0, #4"),
            (&[0xa7, 0xf1, 0x1c, 0x04], Effect::Lose(4), "sub.w r4, r7, #28"),
            (&[0xad, 0xeb, 0x04, 0x0d], Effect::Unknown, "sub.w sp, sp, r4"),
            (&[0x46, 0xf6, 0x68, 0x2c], Effect::Low(12, 27_240), "movw r12, #27240"),
            (&[0xca, 0xf6, 0xaa, 0x2c], Effect::High(12, 43_690), "movt r12, #43690"),
            (&[0x2d, 0xe9, 0x30, 0x00], Effect::Grow(8), "push.w {r4, r5}"),
            (&[0x21, 0xed, 0x04, 0x1f], Effect::None, "vstrw.32 q0, [r1, #-16]!"),
        ];
        for (bytes, effect, text) in cases {
            assert_eq!(decode(0, bytes).effect, effect, "{text}");
        }
    }
}
