//! Two values of 16 bits in a word: the instructions on them that the compiler has no other way to name.

use core::arch::asm;

/// Bytes 0 and 2 (`SXTB16`).
pub fn even(bytes: u32) -> u32 {
    let halves;
    // SAFETY: an instruction on registers alone.
    unsafe {
        asm!("sxtb16 {}, {}", lateout(reg) halves, in(reg) bytes, options(pure, nomem, nostack, preserves_flags));
    }
    halves
}

/// Bytes 1 and 3 (`SXTB16` of the word rotated).
pub fn odd(bytes: u32) -> u32 {
    let halves;
    // SAFETY: an instruction on registers alone.
    unsafe {
        asm!("sxtb16 {}, {}, ror #8", lateout(reg) halves, in(reg) bytes, options(pure, nomem, nostack, preserves_flags));
    }
    halves
}

/// The lower halves of both, the first one's below (`PKHBT`).
pub fn lower(a: u32, b: u32) -> u32 {
    a & 0xffff | b << 16
}

/// The upper halves of both, the first one's below (`PKHTB`).
pub fn upper(a: u32, b: u32) -> u32 {
    a >> 16 | b & 0xffff_0000
}

/// A value of 16 bits twice.
pub fn both(value: i16) -> u32 {
    u32::from(value as u16) * 0x1_0001
}
