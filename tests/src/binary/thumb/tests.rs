//! Encodings as an assembler writes them.

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
