//! A map times a gate, channel by channel, alone or added to something, in assembly.

use core::arch::naked_asm;

use crate::kernels::{ChannelScale, Summand};

/// What the routines read.
#[repr(C)]
struct Scaled {
    /// 0, which goes into r0, and so on to r9: 2⁸·zero point of what is added.
    summand_offset: i32,
    /// 4: the map.
    map: *const i8,
    /// 8: the summand's multiplier.
    summand_multiplier: i32,
    /// 12: the gate.
    gate: *const i8,
    /// 16: where results go, and what is added stands.
    values: *mut i8,
    /// 20: zero point of the result.
    zero_point: i32,
    /// 24: of the map.
    map_zero_point: i32,
    /// 28: of the gate.
    gate_zero_point: i32,
    /// 32: positions, at least one.
    positions: usize,
    /// 36: channels.
    channels: usize,
    /// 40: the product's multiplier.
    multiplier: i32,
    /// 44: least result.
    low: i32,
    /// 48: greatest result.
    high: i32,
}

/// Scales the map that lies in the results' place.
pub fn scale(arguments: ChannelScale<'_>) {
    if let Some(scaled) = Scaled::new(arguments, None, Summand { zero_point: 0, multiplier: 0 }) {
        // SAFETY: the positions lie within the values, and the gate has as many as channels.
        unsafe { scale_all(&scaled) };
    }
}

/// Scales a map and adds it to what lies in the results' place.
pub fn scale_add(map: &[i8], summand: Summand, arguments: ChannelScale<'_>) {
    if let Some(scaled) = Scaled::new(arguments, Some(map), summand) {
        // SAFETY: the positions lie within the values and the map, and the gate has as many as channels.
        unsafe { scale_add_all(&scaled) };
    }
}

impl Scaled {
    /// None where there is nothing to do; pointers that are good as long as what the arguments borrow.
    fn new(arguments: ChannelScale<'_>, map: Option<&[i8]>, summand: Summand) -> Option<Self> {
        let ChannelScale { zero_point, gate, gate_zero_point, requantizer, values } = arguments;
        let positions = values.len().min(map.map_or(usize::MAX, <[i8]>::len)).checked_div(gate.len())?;
        let values = values.as_mut_ptr();
        let scaled = Self {
            summand_offset: i32::from(summand.zero_point) << 8,
            map: map.map_or(values.cast_const(), <[i8]>::as_ptr),
            summand_multiplier: summand.multiplier,
            gate: gate.as_ptr(),
            map_zero_point: zero_point.into(),
            zero_point: requantizer.zero_point,
            gate_zero_point: gate_zero_point.into(),
            positions,
            channels: gate.len(),
            values,
            multiplier: requantizer.multiplier,
            low: requantizer.low,
            high: requantizer.high,
        };
        (positions > 0).then_some(scaled)
    }
}

/// Pointers move by whole vectors, so behind each position they go back by what that is more than its channels.
macro_rules! scale {
    ($results:expr) => {
        naked_asm!(
            helium!(),
            "push {{r4-r11, lr}}
            vpush {{d8-d15}}
            ldrd r1, r3, [r0, #40]
            vdup.32 q5, r1
            vdup.32 q6, r3
            ldr r1, [r0, #48]
            vdup.32 q7, r1
            mov r12, r0
            ldm r12, {{r0-r9}}
            mov r10, r3
            add r11, r9, #3
            bic r11, r11, #3
            sub r11, r9
            1:
            mov r3, r10
            wlstp.32 lr, r9, 3f
            2:
            vldrb.s32 q0, [r1], #4
            vldrb.s32 q1, [r3], #4
            vsub.i32 q0, q0, r6
            vsub.i32 q1, q1, r7
            vmul.i32 q0, q0, q1",
            $results,
            "vstrb.32 q0, [r4], #4
            letp lr, 2b
            3:
            sub r1, r11
            sub r4, r11
            subs r8, #1
            bne 1b
            vpop {{d8-d15}}
            pop {{r4-r11, pc}}"
        )
    };
}

/// # Safety
/// Every position has as many values as channels, and as many of the map, borrowed, those for writing.
#[unsafe(naked)]
unsafe extern "C" fn scale_all(_: &Scaled) {
    scale!(narrow!("q0"))
}

/// # Safety
/// As [`scale_all`].
#[unsafe(naked)]
unsafe extern "C" fn scale_add_all(_: &Scaled) {
    scale!(narrow_sum!("q0", "r4"))
}
