//! A probe and the templates of a gallery.

use core::arch::naked_asm;

use deja_shared::embedding::MAX_DIMENSION;

use crate::kernels::quad::{Found, LANES, Quad};

/// Components in a vector.
const STEP: usize = 16;

/// The components of a probe, with zeros behind them.
#[derive(Debug, Clone)]
pub struct Probe {
    components: [i8; MAX_DIMENSION],
    steps: usize,
}

/// What [`scan`] finds on the stack.
#[repr(C)]
struct Frame {
    negative_slope: i32,
    /// Bytes from the last word that is read of a quad to the next quad.
    skip: usize,
    end: *const Quad,
}

impl Probe {
    /// As [`crate::kernels::reference::Probe::empty`].
    pub const fn empty() -> Self {
        Self { components: [0; MAX_DIMENSION], steps: 0 }
    }

    /// As [`crate::kernels::reference::Probe::set`].
    pub fn set(&mut self, components: &[i8]) {
        self.steps = components.len().min(MAX_DIMENSION).div_ceil(STEP);
        self.components.fill(0);
        self.components.iter_mut().zip(components).for_each(|(value, &component)| *value = component);
    }

    /// As [`crate::kernels::reference::Probe::find`].
    pub fn find(&self, quads: &[Quad], slope: i32) -> Option<Found> {
        if quads.is_empty() || self.steps == 0 {
            return None;
        }
        let quads = quads.as_ptr_range();
        let lanes = size_of::<[i32; LANES]>() + self.steps * STEP * LANES;
        let frame = Frame { negative_slope: -slope, skip: size_of::<Quad>() - lanes, end: quads.end };
        let mut excess = [0; LANES];
        // SAFETY: there is a quad and a step, and a probe has no more components than a quad.
        let next = unsafe { scan(self.components.as_ptr(), quads.start, &mut excess, self.steps, frame) };
        let quads_until = (next as usize).checked_sub(quads.start as usize)? / size_of::<Quad>();
        Some(Found { index: quads_until.checked_sub(1)?, excess })
    }
}

/// Goes through quads until an excess is not negative; writes all four and gives the place of the next quad, or 0 where
/// there is no such quad.
///
/// # Safety
/// From `quads` on there are quads up to the frame's `end`, at least one; `steps` is at least 1, and there are `steps`
/// sixteens of components from `components` on, no more than a quad has.
#[unsafe(naked)]
unsafe extern "C" fn scan(
    _components: *const i8,
    _quads: *const Quad,
    _excess: &mut [i32; LANES],
    _steps: usize,
    _: Frame,
) -> *const Quad {
    naked_asm!(
        helium!(),
        // Frame: registers of vectors, 32 components, 36 excess, 40 steps, then registers, 80 what the caller gave.
        "push {{r0, r2-r11, lr}}
        vpush {{d8-d11}}
        vmov.i16 q5, #0x80
        1:
        ldm r1!, {{r5, r7, r9, r11}}
        movs r4, #0
        movs r6, #0
        mov r8, #0
        mov r10, #0
        ldr r0, [sp, #32]
        ldr r2, [sp, #40]
        dls lr, r2
        2:
        vld40.32 {{q0, q1, q2, q3}}, [r1]
        vld41.32 {{q0, q1, q2, q3}}, [r1]
        vld42.32 {{q0, q1, q2, q3}}, [r1]
        vld43.32 {{q0, q1, q2, q3}}, [r1]!
        vldrb.8 q4, [r0], #16
        veor q0, q0, q5
        vmladava.s8 r4, q0, q4
        veor q1, q1, q5
        vmladava.s8 r6, q1, q4
        veor q2, q2, q5
        vmladava.s8 r8, q2, q4
        veor q3, q3, q5
        vmladava.s8 r10, q3, q4
        le lr, 2b
        ldrd r2, r3, [sp, #80]
        lsls r4, r4, #8
        lsls r6, r6, #8
        lsl r8, r8, #8
        lsl r10, r10, #8
        mla r4, r5, r2, r4
        mla r6, r7, r2, r6
        mla r8, r9, r2, r8
        mla r10, r11, r2, r10
        add r1, r1, r3
        and r2, r4, r6
        and r3, r8, r10
        tst r2, r3
        ldr r3, [sp, #88]
        bpl 3f
        cmp r1, r3
        bne 1b
        movs r1, #0
        3:
        ldr r2, [sp, #36]
        stm r2, {{r4, r6, r8, r10}}
        mov r0, r1
        vpop {{d8-d11}}
        add sp, #12
        pop {{r4-r11, pc}}"
    )
}
