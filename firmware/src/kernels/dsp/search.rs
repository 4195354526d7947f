//! A probe and the templates of a gallery.
//!
//! With a word's components c₀ to c₃ and h₀ = 256·c₁ + c₀ + 128, 256·(c₀·p₀ + c₁·p₁) is
//! h₀·p₁ + (c₀ + 128)·(256·p₀ − p₁) − 2¹⁵·p₀: `SMLAD` takes h₀ and h₂ as the word holds them, `UXTB16` gives the others.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

use crate::kernels::quad::{Found, LANES, Quad, WORD, WORDS};

/// Words that are gone through at a time.
const STEP: usize = 8;

/// For each word p₁ and p₃, then 256·p₀ − p₁ and 256·p₂ − p₃, in 16 bits each; behind them 0 in the last step, 1 in others.
type Step = [MaybeUninit<u32>; 2 * STEP + 1];

/// A probe as it is multiplied.
#[derive(Debug, Clone)]
pub struct Probe {
    steps: [Step; WORDS / STEP],
    /// How many of them are set.
    count: usize,
    /// −2¹⁵·Σ p₂ᵢ.
    bias: i32,
}

/// What [`scan`] finds on the stack.
#[repr(C)]
struct Frame<'a> {
    /// Bytes from the last word that is read of a quad to the next quad.
    skip: usize,
    end: *const Quad,
    excess: &'a mut [i32; LANES],
}

impl Probe {
    /// As [`crate::kernels::reference::Probe::empty`].
    pub const fn empty() -> Self {
        Self { steps: [[MaybeUninit::uninit(); 2 * STEP + 1]; WORDS / STEP], count: 0, bias: 0 }
    }

    /// As [`crate::kernels::reference::Probe::set`].
    pub fn set(&mut self, components: &[i8]) {
        let (whole, rest) = components.as_chunks();
        let mut last = [0; WORD * STEP];
        last.iter_mut().zip(rest).for_each(|(value, &component)| *value = component);
        let last = (!rest.is_empty()).then_some(&last);
        (self.count, self.bias) = (0, 0);
        let mut all = self.steps.iter_mut().zip(whole.iter().chain(last)).peekable();
        while let Some((step, components)) = all.next() {
            // SAFETY: the references are to all that is read and written.
            self.bias -= unsafe { prepare(step, components, all.peek().is_some()) } << 7;
            self.count += 1;
        }
    }

    /// As [`crate::kernels::reference::Probe::find`].
    pub fn find(&self, quads: &[Quad], slope: i32) -> Option<Found> {
        if quads.is_empty() || self.count == 0 {
            return None;
        }
        let (quads, mut excess) = (quads.as_ptr_range(), [0; LANES]);
        let read = (1 + self.count * STEP) * size_of::<[u32; LANES]>();
        let frame = Frame { skip: size_of::<Quad>() - read, end: quads.end, excess: &mut excess };
        // SAFETY: there is a quad, there is a step, one says that it is the last, and a quad has as many words as all.
        let next = unsafe { scan(self.steps.as_ptr(), quads.start, -slope, self.bias, frame) };
        let quads_until = (next as usize).checked_sub(quads.start as usize)? / size_of::<Quad>();
        Some(Found { index: quads_until.checked_sub(1)?, excess })
    }
}

/// Writes the step for some components and gives 256·Σ p₂ᵢ.
///
/// # Safety
/// None: everything is borrowed.
#[unsafe(naked)]
unsafe extern "C" fn prepare(_: &mut Step, _: &[i8; WORD * STEP], _is_followed: bool) -> i32 {
    naked_asm!(
        dsp!(),
        "push {{r4-r7, lr}}
        movs r7, #{words}
        movs r4, #0
        mov r5, #0x10001
        1:
        ldr r3, [r1], #4
        uxtb16 r6, r3
        sxtb16 r3, r3, ror #8
        lsl r6, r6, #8
        smlad r4, r6, r5, r4
        ssub16 r6, r6, r3
        strd r3, r6, [r0], #8
        subs r7, #1
        bne 1b
        str r2, [r0]
        mov r0, r4
        pop {{r4-r7, pc}}",
        words = const STEP
    )
}

/// Two words of four templates; r10 takes what follows the last factors.
macro_rules! two_words {
    ($registers:literal, $compared:literal) => {
        concat!("ldm r0!, ", $registers, "\n", $compared, "\n", word!("r2", "r3"), word!("r8", "r9"))
    };
}

/// A word of four templates, with the probe's factors.
macro_rules! word {
    ($p:literal, $q:literal) => {
        concat!(
            "ldm r1!, {{r10, r11, r12, lr}}\n",
            "smlad r4, r10, ",
            $p,
            ", r4\n",
            "smlad r5, r11, ",
            $p,
            ", r5\n",
            "smlad r6, r12, ",
            $p,
            ", r6\n",
            "smlad r7, lr, ",
            $p,
            ", r7\n",
            "uxtb16 r10, r10
            uxtb16 r11, r11
            uxtb16 r12, r12
            uxtb16 lr, lr\n",
            "smlad r4, r10, ",
            $q,
            ", r4\n",
            "smlad r5, r11, ",
            $q,
            ", r5\n",
            "smlad r6, r12, ",
            $q,
            ", r6\n",
            "smlad r7, lr, ",
            $q,
            ", r7\n",
        )
    };
}

/// Goes through quads until an excess is not negative; writes all four and gives the place of the next quad, or 0 where
/// there is no such quad.
///
/// # Safety
/// From `quads` on there are quads up to the frame's `end`, at least one; from `steps` on there are steps up to one that
/// is the last, for no more words than a quad has.
#[unsafe(naked)]
unsafe extern "C" fn scan(
    _steps: *const Step,
    _quads: *const Quad,
    _negative_slope: i32,
    _bias: i32,
    _: Frame<'_>,
) -> *const Quad {
    naked_asm!(
        dsp!(),
        // Stack: 0 steps, 4 slope, 8 bias, then registers, 48 frame. What multiplies leaves the flags as they are.
        "push {{r0, r2-r11, lr}}
        1:
        ldm r1!, {{r4-r7}}
        ldm sp, {{r0, r2, r3}}
        mla r4, r4, r2, r3
        mla r5, r5, r2, r3
        mla r6, r6, r2, r3
        mla r7, r7, r2, r3
        2:",
        two_words!("{{r2, r3, r8, r9}}", ""),
        two_words!("{{r2, r3, r8, r9}}", ""),
        two_words!("{{r2, r3, r8, r9}}", ""),
        two_words!("{{r2, r3, r8-r10}}", "cmp r10, #0"),
        "bne 2b
        and r2, r4, r5
        and r3, r6, r7
        tst r2, r3
        ldrd r2, r3, [sp, #48]
        add r1, r1, r2
        bpl 3f
        cmp r1, r3
        bne 1b
        movs r1, #0
        3:
        ldr r2, [sp, #56]
        stm r2, {{r4-r7}}
        mov r0, r1
        add sp, #12
        pop {{r4-r11, pc}}"
    )
}
