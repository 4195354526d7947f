//! Filters of 5×5.

use core::arch::naked_asm;

use super::Run;

/// Filters of 5×5 at stride 1.
///
/// # Safety
/// As [`three`](super::three).
#[unsafe(naked)]
pub unsafe extern "C" fn five(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11
            add r4, r2, r11
            add r5, r4, r11",
        concat!(
            "add r6, r3, #128\n",
            neighbours!("r0", ("r3, #8*0", 0), ("r3, #8*1", 1)),
            neighbours!("r0", ("r3, #8*2", 2), ("r3, #8*3", 3)),
            neighbours!("r1", ("r3, #8*5", 0), ("r3, #8*6", 1)),
            neighbours!("r1", ("r3, #8*7", 2), ("r3, #8*8", 3)),
            neighbours!("r2", ("r3, #8*10", 0), ("r3, #8*11", 1)),
            neighbours!("r2", ("r3, #8*12", 2), ("r3, #8*13", 3)),
            neighbours!("r4", ("r3, #8*15", 0), ("r6, #8*16-128", 1)),
            neighbours!("r4", ("r6, #8*17-128", 2), ("r6, #8*18-128", 3)),
            neighbours!("r5", ("r6, #8*20-128", 0), ("r6, #8*21-128", 1)),
            neighbours!("r5", ("r6, #8*22-128", 2), ("r6, #8*23-128", 3)),
            two!(1, ("r3, #8*4", "r0", 4), ("r3, #8*9", "r1", 4)),
            two!(1, ("r3, #8*14", "r2", 4), ("r6, #8*19-128", "r4", 4)),
            single!(1, ("r6, #8*24-128", "r5", 4)),
        ),
        200,
        "add r0, #32
            add r1, #32
            add r2, #32
            add r4, #32
            add r5, #32"
    )
}

/// Filters of 5×5 at stride 2.
///
/// # Safety
/// As [`three`](super::three).
#[unsafe(naked)]
pub unsafe extern "C" fn five_by_two(_: &mut Run) {
    run!(
        "add r1, r0, r11
            add r2, r1, r11
            add r4, r2, r11
            add r5, r4, r11",
        concat!(
            "add r6, r3, #128\n",
            two!(2, ("r3, #8*0", "r0", 0), ("r3, #8*1", "r0", 1)),
            two!(2, ("r3, #8*2", "r0", 2), ("r3, #8*3", "r0", 3)),
            two!(2, ("r3, #8*4", "r0", 4), ("r3, #8*5", "r1", 0)),
            two!(2, ("r3, #8*6", "r1", 1), ("r3, #8*7", "r1", 2)),
            two!(2, ("r3, #8*8", "r1", 3), ("r3, #8*9", "r1", 4)),
            two!(2, ("r3, #8*10", "r2", 0), ("r3, #8*11", "r2", 1)),
            two!(2, ("r3, #8*12", "r2", 2), ("r3, #8*13", "r2", 3)),
            two!(2, ("r3, #8*14", "r2", 4), ("r3, #8*15", "r4", 0)),
            two!(2, ("r6, #8*16-128", "r4", 1), ("r6, #8*17-128", "r4", 2)),
            two!(2, ("r6, #8*18-128", "r4", 3), ("r6, #8*19-128", "r4", 4)),
            two!(2, ("r6, #8*20-128", "r5", 0), ("r6, #8*21-128", "r5", 1)),
            two!(2, ("r6, #8*22-128", "r5", 2), ("r6, #8*23-128", "r5", 3)),
            single!(2, ("r6, #8*24-128", "r5", 4)),
        ),
        200,
        "add r0, #64
            add r1, #64
            add r2, #64
            add r4, #64
            add r5, #64"
    )
}
