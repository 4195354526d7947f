//! One row at a time.

use core::arch::naked_asm;

use super::Block;

/// One row; `$results` from q0, then `$store`.
macro_rules! one {
    ($results:expr, $store:literal) => {
        naked_asm!(
            helium!(),
            enter!(),
            "ldm sp, {{r0, r2, r4, r6}}
            ldr r9, [sp, #16]
            ldrd r5, r7, [sp, #20]
            wls lr, r9, 2f
            1:
            vldrb.u8 q4, [r11], #16
            vld20.8 {{q0, q1}}, [r5]
            vld21.8 {{q0, q1}}, [r5]!
            vld20.8 {{q2, q3}}, [r7]
            vld21.8 {{q2, q3}}, [r7]!
            vmladava.s8 r0, q0, q4
            vmladava.s8 r2, q1, q4
            vmladava.s8 r4, q2, q4
            vmladava.s8 r6, q3, q4
            le lr, 1b
            2:
            ldr r3, [sp, #56]
            cbz r3, 3f
            ldr r5, [sp, #44]
            vpst
            vldrbt.u8 q4, [r11]
            vld20.8 {{q0, q1}}, [r5]
            vld21.8 {{q0, q1}}, [r5]!
            vld20.8 {{q2, q3}}, [r5]
            vld21.8 {{q2, q3}}, [r5]
            vmladava.s8 r0, q0, q4
            vmladava.s8 r2, q1, q4
            vmladava.s8 r4, q2, q4
            vmladava.s8 r6, q3, q4
            3:",
            gather!("q0", "r0", "r2", "r4", "r6"),
            "ldr r5, [sp, #32]",
            $results,
            $store,
            leave!(),
        )
    };
}

/// One row into 8 bits.
///
/// # Safety
/// As [`pairs_rest`](super::pairs_rest), but for one row, and steps may be 0.
#[unsafe(naked)]
pub unsafe extern "C" fn one(_: &Block) {
    one!(narrow!("q0"), "vstrb.32 q0, [r1]")
}

/// One row, added to what lies in the results' place.
///
/// # Safety
/// As [`one`].
#[unsafe(naked)]
pub unsafe extern "C" fn one_sum(_: &Block) {
    one!(concat!("ldrd r0, r2, [sp, #48]\n", narrow_sum!("q0", "r1")), "vstrb.32 q0, [r1]")
}

/// One row into 16 bits.
///
/// # Safety
/// As [`one`], and results have two bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn one_wide(_: &Block) {
    one!(narrow!("q0"), "vstrh.32 q0, [r1]")
}

/// All rows of at most 16 taps into 8 bits, with the filters in q0 to q3 all the time.
///
/// # Safety
/// The filters have 32 bytes each; a row has as many taps as stand behind the whole vectors; all of them are borrowed, as
/// are four results a row.
#[unsafe(naked)]
pub unsafe extern "C" fn small(_: &Block) {
    naked_asm!(
        helium!(),
        "ldr r12, [r0, #100]",
        enter!(),
        "ldrd r5, r7, [sp, #20]
        vld20.8 {{q0, q1}}, [r5]
        vld21.8 {{q0, q1}}, [r5]
        vld20.8 {{q2, q3}}, [r7]
        vld21.8 {{q2, q3}}, [r7]
        ldrd r5, r7, [sp, #32]
        ldr r9, [sp, #60]
        dls lr, r9
        1:
        ldm sp, {{r0, r2, r4, r6}}
        vpst
        vldrbt.u8 q4, [r11]
        add r11, r12
        vmladava.s8 r0, q0, q4
        vmladava.s8 r2, q1, q4
        vmladava.s8 r4, q2, q4
        vmladava.s8 r6, q3, q4",
        gather!("q4", "r0", "r2", "r4", "r6"),
        narrow!("q4"),
        "vstrb.32 q4, [r1]
        add r1, r7
        le lr, 1b",
        leave!(),
    )
}
