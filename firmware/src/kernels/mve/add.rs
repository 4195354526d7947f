//! The sum of two activations.

use core::arch::naked_asm;

use crate::kernels::Add;

/// As [`crate::kernels::reference::add`].
pub fn add(arguments: Add<'_>) {
    let Add { b, multiplier_a, multiplier_b, bias, requantizer, values } = arguments;
    let sums = Sums {
        values: values.as_mut_ptr(),
        b: b.as_ptr(),
        len: values.len().min(b.len()),
        multiplier_a: multiplier_a.into(),
        multiplier_b: multiplier_b.into(),
        zero_point: requantizer.zero_point,
        bias,
        multiplier: requantizer.multiplier,
        low: requantizer.low,
        high: requantizer.high,
    };
    // SAFETY: both slices have at least `len` values.
    unsafe { add_all(&sums) }
}

/// What [`add_all`] reads into r0 to r9.
#[repr(C)]
struct Sums {
    values: *mut i8,
    b: *const i8,
    len: usize,
    multiplier_a: i32,
    multiplier_b: i32,
    zero_point: i32,
    bias: i32,
    multiplier: i32,
    low: i32,
    high: i32,
}

/// # Safety
/// `len` values are borrowed for writing, and as many of `b`.
#[unsafe(naked)]
unsafe extern "C" fn add_all(_: &Sums) {
    naked_asm!(
        helium!(),
        "push {{r4-r9, r10, lr}}
        vpush {{d10-d15}}
        mov r12, r0
        ldm r12, {{r0-r9}}
        vdup.32 q5, r7
        vdup.32 q6, r8
        vdup.32 q7, r9
        wlstp.32 lr, r2, 2f
        1:
        vldrb.s32 q0, [r0]
        vldrb.s32 q1, [r1], #4
        vmul.i32 q0, q0, r3
        vmla.i32 q0, q1, r4
        vadd.i32 q0, q0, r6",
        narrow!("q0"),
        "vstrb.32 q0, [r0], #4
        letp lr, 1b
        2:
        vpop {{d10-d15}}
        pop {{r4-r9, r10, pc}}"
    )
}
