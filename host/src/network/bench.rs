//! How fast the engine trains and embeds on this computer: random pictures, real steps.

use std::time::Instant;

use serde::Serialize;

use super::{Engine, Gradients, Graph, NetworkError, by_name};

/// Components of the embedding of the networks measured.
const EMBEDDING: usize = 128;

/// What is measured: which network, on pictures of which extent, how many at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// One of [`super::NAMES`].
    pub network: String,
    /// Height and width of a picture.
    pub input: [usize; 2],
    /// Pictures a step.
    pub batch: usize,
    /// Threads of the engine.
    pub threads: usize,
    /// Steps measured; one more runs first to warm up.
    pub steps: usize,
}

/// The outcome of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speed {
    /// Pictures in a second of wall time, by the median step.
    pub images_per_second: f64,
    /// Pictures a step.
    pub batch: usize,
    /// Threads of the engine.
    pub threads: usize,
    /// The most memory this process has had resident; absent where the system does not say.
    pub peak_rss_bytes: Option<u64>,
    /// Pictures in a second of processor time, over all threads and steps: what the step costs on a busy computer.
    pub images_per_cpu_second: Option<f64>,
    /// The kernels used, such as `avx512`.
    pub kernels: &'static str,
}

/// Trains: forward, backward, then `optimize`, which may update the graph by the gradients (or do nothing, to measure
/// the passes alone).
///
/// # Errors
/// An unknown network or an empty picture.
pub fn training_step(
    workload: &Workload,
    mut optimize: impl FnMut(&mut Graph, &Gradients),
) -> Result<Speed, NetworkError> {
    let (mut graph, mut engine, pixels) = prepare(workload)?;
    let n = workload.batch.max(1);
    let mut gradients = Gradients::zeros(&graph);
    let seeds: Vec<f32> = (0..n * EMBEDDING).map(|index| (index as f32).sin() / n as f32).collect();
    Ok(measure(workload, engine.kernels().name, || {
        engine.forward(&mut graph, &pixels, n);
        engine.backward(&graph, &seeds, &seeds, &mut gradients);
        optimize(&mut graph, &gradients);
    }))
}

/// Embeds one batch a step in inference mode.
///
/// # Errors
/// An unknown network or an empty picture.
pub fn embed(workload: &Workload) -> Result<Speed, NetworkError> {
    let (graph, mut engine, pixels) = prepare(workload)?;
    Ok(measure(workload, engine.kernels().name, || {
        engine.embed(&graph, &pixels, workload.batch.max(1));
    }))
}

fn prepare(workload: &Workload) -> Result<(Graph, Engine, Vec<u8>), NetworkError> {
    let graph = by_name(&workload.network, workload.input, EMBEDDING, 1)?;
    let batch = workload.batch.max(1);
    let engine = Engine::new(&graph, batch, workload.threads);
    let pixels = pixels(batch * graph.input().len());
    Ok((graph, engine, pixels))
}

/// Reproducible bytes without a pattern.
pub(crate) fn pixels(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Runs `step` once, then `workload.steps` times by the clock.
pub(crate) fn measure(workload: &Workload, kernels: &'static str, mut step: impl FnMut()) -> Speed {
    step();
    let processor = processor_seconds();
    let mut seconds: Vec<f64> = (0..workload.steps.max(1))
        .map(|_| {
            let start = Instant::now();
            step();
            start.elapsed().as_secs_f64()
        })
        .collect();
    let spent = processor.zip(processor_seconds()).map(|(before, after)| after - before);
    seconds.sort_by(f64::total_cmp);
    let batch = workload.batch.max(1);
    Speed {
        images_per_second: batch as f64 / seconds[seconds.len() / 2],
        batch,
        threads: workload.threads.max(1),
        peak_rss_bytes: peak_resident_bytes(),
        images_per_cpu_second: spent.filter(|s| *s > 0.0).map(|spent| (batch * seconds.len()) as f64 / spent),
        kernels,
    }
}

/// `VmHWM` of Linux's process status.
pub fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// User and system time of this process, from Linux's process statistics (in ticks of 10 ms).
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_counts_the_steps_and_reports_the_workload() {
        let network = "mobilenet_v2_0.35".to_string();
        let workload = Workload { network, input: [16, 16], batch: 4, threads: 2, steps: 3 };
        let mut steps = 0;
        let speed = training_step(&workload, |_, _| steps += 1).expect("a known network");
        assert_eq!((steps, speed.batch, speed.threads), (4, 4, 2));
        assert!(speed.images_per_second > 0.0);
        assert!(embed(&workload).expect("a known network").images_per_second > 0.0);
        assert!(training_step(&Workload { network: "none".into(), ..workload }, |_, _| ()).is_err());
    }
}
