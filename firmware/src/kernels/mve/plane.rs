//! Sixteen channels of a part of an input, with the zero point for what lies beyond the edge: 16 bytes a column, so that
//! neighbours lie at distances that instructions can hold.

use core::arch::naked_asm;
use core::mem::MaybeUninit;
use core::ops::Range;

use deja_shared::tensor::{Shape, View};

/// Channels of a plane.
pub const CHANNELS: usize = 16;
/// Columns in all of its rows.
pub const COLUMNS: usize = 288;

/// Room for a plane, without contents.
#[repr(align(16))]
pub struct Plane(MaybeUninit<[i8; COLUMNS * CHANNELS]>);

impl Plane {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Its first column.
    pub fn start(&self) -> *const i8 {
        self.0.as_ptr().cast()
    }

    /// Takes rows and columns of the input, which may lie beyond its edge, and 16 channels from `first` on, or as many as
    /// there are.
    ///
    /// # Safety
    /// There is room: rows × columns are at most [`COLUMNS`].
    pub unsafe fn load(
        &mut self,
        input: View<'_>,
        first: usize,
        (rows, columns): (Range<isize>, Range<isize>),
        zero_point: i8,
    ) {
        let Shape { height, width, channels } = input.shape;
        let (channels, width) = (usize::from(channels), usize::from(width));
        let (above, inner_rows, below) = split(&rows, height.into());
        let (left, inner, right) = split(&columns, width);
        let to = self.0.as_mut_ptr().cast::<i8>();
        let mut lines = Lines {
            to,
            from: input.data.as_ptr(),
            row_bytes: width * channels,
            channels,
            left: columns.len(),
            inner: 0,
            right: 0,
            rows: above,
            zero_point: zero_point.into(),
            lanes: CHANNELS.min(channels - first),
        };
        let row_bytes = columns.len() * CHANNELS;
        // SAFETY: there is room, by the caller; the inner rows and columns lie on the input.
        unsafe {
            load_lines(&lines);
            (lines.to, lines.rows) = (to.wrapping_add((above + inner_rows) * row_bytes), below);
            load_lines(&lines);
            let (y, x) = (rows.start.max(0).cast_unsigned(), columns.start.max(0).cast_unsigned());
            lines.from = input.data.as_ptr().wrapping_add((y * width + x) * channels + first);
            (lines.to, lines.rows) = (to.wrapping_add(above * row_bytes), inner_rows);
            (lines.left, lines.inner, lines.right) = (left, inner, right);
            load_lines(&lines);
        }
    }
}

/// How many of a range lie before 0, between 0 and `extent`, and behind.
fn split(range: &Range<isize>, extent: usize) -> (usize, usize, usize) {
    let extent = extent.cast_signed();
    let before = (range.end.min(0) - range.start).max(0).cast_unsigned();
    let inside = (range.end.min(extent) - range.start.max(0)).max(0).cast_unsigned();
    (before, inside, range.len() - before - inside)
}

/// Rows of a plane that are alike, as [`load_lines`] reads it.
#[repr(C)]
struct Lines {
    /// 0: the first one's first column.
    to: *mut i8,
    /// 4: what lies under the first inner column.
    from: *const i8,
    /// 8: of the input.
    row_bytes: usize,
    /// 12: of the input.
    channels: usize,
    /// 16: columns before those that lie on the input.
    left: usize,
    /// 20: columns that do.
    inner: usize,
    /// 24: columns behind.
    right: usize,
    /// 28: number of rows.
    rows: usize,
    /// 32: what fills columns that do not lie on the input.
    zero_point: i32,
    /// 36: channels that are read.
    lanes: usize,
}

/// # Safety
/// What is written is borrowed for writing, and what is read is borrowed.
#[unsafe(naked)]
unsafe extern "C" fn load_lines(_: &Lines) {
    naked_asm!(
        helium!(),
        "push {{r4-r10, lr}}
        mov r12, r0
        ldm r12, {{r0-r9}}
        cbz r7, 9f
        vdup.8 q1, r8
        vctp.8 r9
        1:
        wls lr, r4, 3f
        2:
        vstrb.8 q1, [r0], #16
        le lr, 2b
        3:
        mov r8, r1
        wls lr, r5, 5f
        4:
        vpst
        vldrbt.u8 q0, [r8]
        vstrb.8 q0, [r0], #16
        add r8, r3
        le lr, 4b
        5:
        wls lr, r6, 7f
        6:
        vstrb.8 q1, [r0], #16
        le lr, 6b
        7:
        add r1, r2
        subs r7, #1
        bne 1b
        9:
        pop {{r4-r10, pc}}"
    )
}
