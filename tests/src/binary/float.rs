//! Which instructions compute with floating-point numbers.
//!
//! Not those that move bits: loads, stores, pushes, pops and moves of the registers, which compilers use as places to keep
//! integers, nor constants; and not the vector instructions for integers, which share the registers and most of the encoding.
//! After the Armv8-M Architecture Reference Manual (DDI 0553), C2.

/// Whether an instruction of 32 bits does.
pub fn is_float([first, second]: [u16; 2]) -> bool {
    scalar(first, second) || vector_pair(first, second) || vector_shift(first, second) || vector_mixed(first, second)
}

/// The coprocessor's number, which names half, single and double precision (9 to 11), or vectors (8, 14 and 15).
fn coprocessor(second: u16) -> u16 {
    second >> 8 & 15
}

fn bit(word: u16, number: u32) -> bool {
    word >> number & 1 == 1
}

/// VADD.F32 S, S, S and all of its kin: data processing of coprocessors 9 to 11. With bit 4 set it would be a move.
fn scalar(first: u16, second: u16) -> bool {
    let is_copy = first & 0xffbf == 0xeeb0 && second & 0x0ed0 == 0x0a40;
    first & 0xef00 == 0xee00 && matches!(coprocessor(second), 9..=11) && !bit(second, 4) && !is_copy
}

/// VADD.F32 Q, Q, Q: three registers of the same kind; and complex numbers.
fn vector_pair(first: u16, second: u16) -> bool {
    let three = first & 0xef80 == 0xef00 && coprocessor(second) >= 12;
    let complex = first & 0xfe00 == 0xfc00 && coprocessor(second) == 8;
    three || complex
}

/// VCVT, VABS.F32, VNEG.F32, VRINT, which stand among shifts by a constant and integers with two registers.
fn vector_shift(first: u16, second: u16) -> bool {
    if first & 0xef80 != 0xef80 {
        return false;
    }
    if bit(second, 4) {
        // With the upper bits of the shift 0 it is a constant.
        return first & 0x38 != 0 && second & 0x0c00 == 0x0c00;
    }
    first & 0x30 == 0x30
        && match first & 3 {
            0 => false,
            1 => bit(second, 10),
            _ => true,
        }
}

/// Vectors with a core's register, comparisons, widening: where integers have their size, 3 says floating-point.
fn vector_mixed(first: u16, second: u16) -> bool {
    if first & 0xef00 != 0xee00 || coprocessor(second) < 14 || bit(second, 4) {
        return false;
    }
    let is_last = coprocessor(second) == 15;
    if bit(first, 7) {
        // The greatest or least of a vector.
        return is_last && first & 0xfc == 0xec;
    }
    if first & 0x30 != 0x30 {
        return false;
    }
    let (with_register, odd) = (bit(second, 6), bit(first, 0));
    match (is_last, with_register) {
        // VADD, VSUB; VCMP, whose encoding with r13 is VPST.
        (true, true) if odd => bit(second, 12) || bit(second, 5) || second & 15 != 13,
        (true, true) => !bit(second, 5),
        // VCMP, but not VPSEL.
        (true, false) => odd && (bit(second, 12) || !bit(second, 0)),
        // VFMA, VFMAS; VMUL.
        (false, true) => odd && !(bit(second, 5) && bit(second, 12)),
        // VCMUL; VMAXNMA, and conversions of halves.
        (false, false) => !odd || first & 15 == 15,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes as an assembler writes them, and what it was given.
    const FLOAT: [([u8; 4], &str); 38] = [
        ([0x02, 0xef, 0x44, 0x0d], "vadd.f32 q0, q1, q2"),
        ([0x32, 0xee, 0x42, 0x0f], "vadd.f32 q0, q1, r2"),
        ([0x32, 0xfe, 0x42, 0x1f], "vsub.f16 q0, q1, r2"),
        ([0x33, 0xee, 0x62, 0x0e], "vmul.f32 q0, q1, r2"),
        ([0x02, 0xff, 0x54, 0x0d], "vmul.f32 q0, q1, q2"),
        ([0x02, 0xef, 0x54, 0x0c], "vfma.f32 q0, q1, q2"),
        ([0x33, 0xee, 0x43, 0x0e], "vfma.f32 q0, q1, r3"),
        ([0x33, 0xee, 0x43, 0x1e], "vfmas.f32 q0, q1, r3"),
        ([0xbb, 0xff, 0x42, 0x06], "vcvt.f32.s32 q0, q1"),
        ([0xbb, 0xff, 0x42, 0x07], "vcvt.s32.f32 q0, q1"),
        ([0xbc, 0xef, 0x52, 0x0e], "vcvt.f32.s32 q0, q1, #4"),
        ([0x31, 0xee, 0x02, 0x0f], "vcmp.f32 eq, q0, q1"),
        ([0x31, 0xee, 0x61, 0x1f], "vcmp.f32 gt, q0, r1"),
        ([0xb9, 0xff, 0x42, 0x07], "vabs.f32 q0, q1"),
        ([0xb9, 0xff, 0xc2, 0x07], "vneg.f32 q0, q1"),
        ([0xba, 0xff, 0x42, 0x04], "vrintn.f32 q0, q1"),
        ([0x02, 0xff, 0x54, 0x0f], "vmaxnm.f32 q0, q1, q2"),
        ([0x3f, 0xee, 0x85, 0x0e], "vmaxnma.f32 q0, q2"),
        ([0xee, 0xee, 0x04, 0x0f], "vmaxnmv.f32 r0, q2"),
        ([0x22, 0xff, 0x44, 0x0d], "vabd.f32 q0, q1, q2"),
        ([0x32, 0xfe, 0x04, 0x0e], "vcmul.f32 q0, q1, q2, #0"),
        ([0x92, 0xfc, 0x44, 0x08], "vcadd.f32 q0, q1, q2, #90"),
        ([0x32, 0xfc, 0x44, 0x08], "vcmla.f32 q0, q1, q2, #0"),
        ([0x30, 0xee, 0x81, 0x0a], "vadd.f32 s0, s1, s2"),
        ([0x30, 0xee, 0x81, 0x09], "vadd.f16 s0, s1, s2"),
        ([0x21, 0xee, 0x02, 0x0b], "vmul.f64 d0, d1, d2"),
        ([0x80, 0xee, 0x81, 0x0a], "vdiv.f32 s0, s1, s2"),
        ([0xb8, 0xee, 0xe0, 0x0a], "vcvt.f32.s32 s0, s1"),
        ([0xb4, 0xee, 0x60, 0x0a], "vcmp.f32 s0, s1"),
        ([0xa0, 0xee, 0x81, 0x0a], "vfma.f32 s0, s1, s2"),
        ([0x80, 0xfe, 0x81, 0x0a], "vmaxnm.f32 s0, s1, s2"),
        ([0xb2, 0xee, 0x60, 0x0a], "vcvtb.f32.f16 s0, s1"),
        ([0xb7, 0xee, 0x00, 0x0a], "vmov.f32 s0, #1.0"),
        ([0x31, 0xee, 0x41, 0x0f], "vcmp.f32 eq, q0, r1"),
        ([0x31, 0xee, 0x83, 0x1f], "vcmp.f32 le, q0, q1"),
        ([0xbb, 0xff, 0x42, 0x00], "vcvta.s32.f32 q0, q1"),
        ([0x3f, 0xee, 0x03, 0x0e], "vcvtb.f16.f32 q0, q1"),
        ([0x22, 0xff, 0x54, 0x0f], "vminnm.f32 q0, q1, q2"),
    ];

    const OTHERS: [([u8; 4], &str); 61] = [
        ([0x00, 0xee, 0x10, 0x1a], "vmov s0, r1"),
        ([0x51, 0xec, 0x15, 0x0b], "vmov r0, r1, d5"),
        ([0xf1, 0xee, 0x10, 0xfa], "vmrs apsr_nzcv, fpscr"),
        ([0xb0, 0xee, 0x60, 0x0a], "vmov.f32 s0, s1"),
        ([0x87, 0xef, 0x50, 0x0f], "vmov.f32 q0, #1.0"),
        ([0x91, 0xed, 0x00, 0x0a], "vldr s0, [r1]"),
        ([0x2d, 0xed, 0x10, 0x8b], "vpush {d8-d15}"),
        ([0xbd, 0xec, 0x10, 0x8b], "vpop {d8-d15}"),
        ([0x22, 0xef, 0x44, 0x08], "vadd.i32 q0, q1, q2"),
        ([0x23, 0xee, 0x42, 0x0f], "vadd.i32 q0, q1, r2"),
        ([0x03, 0xee, 0x42, 0x1f], "vsub.i8 q0, q1, r2"),
        ([0x22, 0xef, 0x54, 0x09], "vmul.i32 q0, q1, q2"),
        ([0x23, 0xee, 0x62, 0x1e], "vmul.i32 q0, q1, r2"),
        ([0xf2, 0xee, 0x04, 0x0f], "vmlav.s8 r0, q1, q2"),
        ([0x83, 0xee, 0x04, 0x0e], "vmlalv.s32 r0, r1, q1, q2"),
        ([0x23, 0xee, 0x05, 0x1e], "vrmulh.s32 q0, q1, q2"),
        ([0x23, 0xee, 0x05, 0x0e], "vmulh.s32 q0, q1, q2"),
        ([0x22, 0xef, 0x44, 0x0b], "vqdmulh.s32 q0, q1, q2"),
        ([0x23, 0xfe, 0x62, 0x0e], "vqrdmulh.s32 q0, q1, r2"),
        ([0x32, 0xee, 0x05, 0x0f], "vqdmullb.s16 q0, q1, q2"),
        ([0x32, 0xee, 0x62, 0x0f], "vqdmullb.s16 q0, q1, r2"),
        ([0x03, 0xee, 0x04, 0x0e], "vmullb.s8 q0, q1, q2"),
        ([0x22, 0xef, 0x44, 0x06], "vmax.s32 q0, q1, q2"),
        ([0x33, 0xee, 0x85, 0x0e], "vmaxa.s8 q0, q2"),
        ([0xe2, 0xee, 0x04, 0x0f], "vmaxv.s8 r0, q2"),
        ([0xe6, 0xee, 0x82, 0x0f], "vminv.s16 r0, q1"),
        ([0xb1, 0xff, 0x42, 0x03], "vabs.s8 q0, q1"),
        ([0xb9, 0xff, 0xc2, 0x03], "vneg.s32 q0, q1"),
        ([0xb0, 0xff, 0x42, 0x04], "vcls.s8 q0, q1"),
        ([0xa8, 0xef, 0x52, 0x05], "vshl.i32 q0, q1, #8"),
        ([0x24, 0xef, 0x42, 0x04], "vshl.s32 q0, q1, q2"),
        ([0x39, 0xee, 0x62, 0x1e], "vshl.s32 q0, r2"),
        ([0x3b, 0xee, 0x62, 0x1e], "vrshl.s32 q0, r2"),
        ([0xa1, 0xff, 0x52, 0x02], "vrshr.u32 q0, q1, #31"),
        ([0x9c, 0xee, 0xc3, 0x0f], "vshrnb.i32 q0, q1, #4"),
        ([0x35, 0xfe, 0x83, 0x0e], "vmovnb.i32 q0, q1"),
        ([0x37, 0xee, 0x03, 0x0e], "vqmovnb.s32 q0, q1"),
        ([0x31, 0xee, 0x83, 0x0e], "vqmovunb.s16 q0, q1"),
        ([0xb0, 0xee, 0x40, 0x2f], "vmovlb.s16 q1, q0"),
        ([0x31, 0xee, 0x03, 0x0e], "vshllb.s8 q0, q1, #8"),
        ([0x22, 0xff, 0x44, 0x00], "vhadd.u32 q0, q1, q2"),
        ([0x22, 0xee, 0x42, 0x0f], "vhadd.s32 q0, q1, r2"),
        ([0xa0, 0xee, 0x10, 0x1b], "vdup.32 q0, r1"),
        ([0x80, 0xef, 0x50, 0x00], "vmov.i32 q0, #0"),
        ([0x22, 0xef, 0x52, 0x01], "vmov q0, q1"),
        ([0x80, 0xef, 0x71, 0x01], "vbic.i32 q0, #1"),
        ([0x21, 0xfe, 0x02, 0x0f], "vcmp.i32 eq, q0, q1"),
        ([0x21, 0xfe, 0x61, 0x1f], "vcmp.s32 gt, q0, r1"),
        ([0x71, 0xfe, 0x4d, 0x0f], "vpst"),
        ([0x33, 0xfe, 0x05, 0x0f], "vpsel q0, q1, q2"),
        ([0xf9, 0xee, 0x02, 0x0f], "vaddv.s32 r0, q1"),
        ([0x89, 0xee, 0x02, 0x0f], "vaddlv.s32 r0, r1, q1"),
        ([0x21, 0xee, 0x6e, 0x0f], "vidup.u32 q0, r0, #1"),
        ([0x03, 0xfe, 0x62, 0x1e], "vbrsr.8 q0, q1, r2"),
        ([0xb0, 0xff, 0xc2, 0x00], "vrev32.8 q0, q1"),
        ([0x22, 0xfe, 0x04, 0x0f], "vcadd.i32 q0, q1, q2, #90"),
        ([0x52, 0xee, 0x70, 0x0b], "vmov.s8 r0, q1[3]"),
        ([0x90, 0xfc, 0x00, 0x1e], "vld20.8 {q0, q1}, [r0]"),
        ([0xa1, 0xee, 0xc0, 0x0f], "vshlc q0, r0, #1"),
        ([0x02, 0xee, 0x62, 0x0e], "vqdmlah.s8 q0, q1, r2"),
        ([0x82, 0xee, 0x04, 0x0f], "vrmlalvh.s32 r0, r1, q1, q2"),
    ];

    #[test]
    fn arithmetic_is_told_from_moves_and_integers() {
        let found = |bytes: [u8; 4]| is_float([[bytes[0], bytes[1]], [bytes[2], bytes[3]]].map(u16::from_le_bytes));
        FLOAT.iter().for_each(|(bytes, text)| assert!(found(*bytes), "{text}"));
        OTHERS.iter().for_each(|(bytes, text)| assert!(!found(*bytes), "{text}"));
    }
}
