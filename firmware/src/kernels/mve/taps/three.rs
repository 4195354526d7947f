//! Filters of 3×3.

use core::arch::naked_asm;

use super::Run;

/// Filters of 3×3 at stride 1.
///
/// # Safety
/// The filters are loaded [`Filters`](crate::kernels::mve::filters::Filters) of this size; the plane has all columns and rows
/// under them, a pair of positions at a time; the results are borrowed for writing.
#[unsafe(naked)]
pub unsafe extern "C" fn three(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11",
        concat!(
            neighbours!("r0", ("r3, #8*0", 0), ("r3, #8*1", 1)),
            neighbours!("r1", ("r3, #8*3", 0), ("r3, #8*4", 1)),
            neighbours!("r2", ("r3, #8*6", 0), ("r3, #8*7", 1)),
            two!(1, ("r3, #8*2", "r0", 2), ("r3, #8*5", "r1", 2)),
            single!(1, ("r3, #8*8", "r2", 2)),
        ),
        72,
        "add r0, #32
            add r1, #32
            add r2, #32"
    )
}

/// Filters of 3×3 at stride 2.
///
/// # Safety
/// As [`three`].
#[unsafe(naked)]
pub unsafe extern "C" fn three_by_two(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11",
        concat!(
            two!(2, ("r3, #8*0", "r0", 0), ("r3, #8*1", "r0", 1)),
            two!(2, ("r3, #8*2", "r0", 2), ("r3, #8*3", "r1", 0)),
            two!(2, ("r3, #8*4", "r1", 1), ("r3, #8*5", "r1", 2)),
            two!(2, ("r3, #8*6", "r2", 0), ("r3, #8*7", "r2", 1)),
            single!(2, ("r3, #8*8", "r2", 2)),
        ),
        72,
        "add r0, #64
            add r1, #64
            add r2, #64"
    )
}
