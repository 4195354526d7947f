//! Copies of short rows of bytes at regular distances.

use core::arch::naked_asm;

/// Rows of `len` bytes, `step` bytes from the start of one to the start of the next.
#[derive(Clone, Copy)]
pub struct Steps<P> {
    /// The first row.
    pub start: P,
    /// To the next one.
    pub step: usize,
}

/// Copies `count` rows of `len` bytes.
///
/// # Safety
/// All of them are borrowed, those at `to` for writing, and none is on both sides.
pub unsafe fn copy(to: Steps<*mut i8>, from: Steps<*const i8>, len: usize, count: usize) {
    // SAFETY: by the caller; a short row fits one vector.
    unsafe {
        if len <= 16 {
            copy_short(to.start, from.start, len, count, to.step, from.step);
        } else {
            copy_long(to.start, from.start, len, count, to.step, from.step);
        }
    }
}

/// Writes `value` over `count` rows of `len` bytes.
///
/// # Safety
/// All of them are borrowed for writing.
pub unsafe fn fill(to: Steps<*mut i8>, value: i8, len: usize, count: usize) {
    // SAFETY: by the caller.
    unsafe { fill_rows(to.start, value.into(), len, count, to.step) }
}

/// # Safety
/// As [`copy`], and `len` is at most 16.
#[unsafe(naked)]
unsafe extern "C" fn copy_short(_: *mut i8, _: *const i8, _len: usize, _count: usize, _: usize, _: usize) {
    naked_asm!(
        helium!(),
        "push {{r4, r5, r6, lr}}
        ldrd r4, r5, [sp, #16]
        vctp.8 r2
        wls lr, r3, 2f
        1:
        vpstt
        vldrbt.u8 q0, [r1]
        vstrbt.8 q0, [r0]
        add r1, r5
        add r0, r4
        le lr, 1b
        2:
        pop {{r4, r5, r6, pc}}"
    )
}

/// # Safety
/// As [`copy`].
#[unsafe(naked)]
unsafe extern "C" fn copy_long(_: *mut i8, _: *const i8, _len: usize, _count: usize, _: usize, _: usize) {
    naked_asm!(
        helium!(),
        "push {{r4, r5, r6, r7, r8, lr}}
        cbz r3, 3f
        ldrd r4, r5, [sp, #24]
        1:
        mov r6, r0
        mov r7, r1
        wlstp.8 lr, r2, 4f
        2:
        vldrb.u8 q0, [r7], #16
        vstrb.8 q0, [r6], #16
        letp lr, 2b
        4:
        add r0, r4
        add r1, r5
        subs r3, #1
        bne 1b
        3:
        pop {{r4, r5, r6, r7, r8, pc}}"
    )
}

/// # Safety
/// As [`fill`].
#[unsafe(naked)]
unsafe extern "C" fn fill_rows(_: *mut i8, _value: i32, _len: usize, _count: usize, _step: usize) {
    naked_asm!(
        helium!(),
        "push {{r4, r5, r6, lr}}
        cbz r3, 3f
        ldr r4, [sp, #16]
        vdup.8 q0, r1
        1:
        mov r6, r0
        wlstp.8 lr, r2, 4f
        2:
        vstrb.8 q0, [r6], #16
        letp lr, 2b
        4:
        add r0, r4
        subs r3, #1
        bne 1b
        3:
        pop {{r4, r5, r6, pc}}"
    )
}
