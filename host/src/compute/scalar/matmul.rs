//! C = A·B as three loops.

use crate::compute::Matmul;

/// See [`Matmul`].
pub fn matmul(job: &Matmul, c: &mut [f32]) {
    job.check(c);
    for (row, out) in c.chunks_exact_mut(job.columns).take(job.rows).enumerate() {
        if !job.accumulate {
            out.fill(0.0);
        }
        for (step, b) in job.b.chunks_exact(job.columns).take(job.depth).enumerate() {
            let a = job.a[row * job.a_row + step * job.a_step];
            for (out, b) in out.iter_mut().zip(b) {
                *out += a * b;
            }
        }
    }
}
