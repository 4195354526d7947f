//! OSNet as PyTorch computes it (`golden/osnet.py`), layer for layer: outputs and every parameter's gradient.

mod operators;

use super::{Engine, Gradients, Graph, Role, by_name};

#[derive(serde::Deserialize)]
struct Golden {
    network: String,
    raw: Vec<f64>,
    embedding: Vec<f64>,
    /// The parameter's number, its gradient along [`noise`] 2000 + number, and its length.
    gradients: Vec<(usize, f64, f64)>,
}

/// In −1..1, by the script's formula.
fn noise(number: usize, count: usize) -> Vec<f64> {
    let value = |index: usize| (number as f64 * 1.7 + index as f64 * 12.9898).sin() * 43758.5453;
    (0..count).map(|index| 2.0 * (value(index) - value(index).floor()) - 1.0).collect()
}

fn fill(graph: &mut Graph) {
    for (number, parameter) in graph.parameters.iter_mut().enumerate() {
        let fan_in = parameter.values.len() / parameter.shape[parameter.shape.len() - 1];
        let (factor, middle) = match parameter.role {
            Role::Weight => ((6.0 / fan_in as f64).sqrt(), 0.0),
            Role::Affine if parameter.name.ends_with("exponent") => (0.3, 3.0),
            Role::Affine if parameter.name.ends_with("gamma") => (0.3, 1.0),
            Role::Affine => (0.3, 0.0),
            Role::Statistic => continue,
        };
        let values = noise(number, parameter.values.len());
        parameter.values.iter_mut().zip(values).for_each(|(to, value)| *to = (value * factor + middle) as f32);
    }
}

fn assert_close(what: &str, got: impl IntoIterator<Item = f64>, want: &[f64], tolerance: f64) {
    let largest = want.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (got, want) in got.into_iter().zip(want) {
        assert!((got - want).abs() < tolerance * largest, "{what}: {got} where PyTorch has {want}");
    }
}

#[test]
fn outputs_and_gradients_are_those_of_pytorch() {
    let cases: Vec<Golden> = serde_json::from_str(include_str!("golden/osnet.json")).expect("the script's file");
    assert_eq!(cases.len(), 2);
    for golden in cases {
        let mut graph = by_name(&golden.network, [64, 32], 8, 0).expect("a known name");
        fill(&mut graph);
        let pixels: Vec<u8> = noise(1000, 4 * graph.input().len()).iter().map(|x| ((x + 1.0) * 128.0) as u8).collect();
        let [d_raw, d_embedding] =
            [1001, 1002].map(|seed| noise(seed, 4 * 8).iter().map(|x| *x as f32).collect::<Vec<_>>());
        let mut engine = Engine::new(&graph, 4, 2);
        let outputs = engine.forward(&mut graph, &pixels, 4);
        assert_close("raw embedding", outputs.raw.iter().map(|x| f64::from(*x)), &golden.raw, 1e-4);
        assert_close("embedding", outputs.embedding.iter().map(|x| f64::from(*x)), &golden.embedding, 1e-3);
        let mut gradients = Gradients::zeros(&graph);
        engine.backward(&graph, &d_raw, &d_embedding, &mut gradients);
        let trained = graph.parameters.iter().filter(|parameter| parameter.role != Role::Statistic).count();
        assert_eq!(golden.gradients.len(), trained);
        for (number, along, length) in golden.gradients {
            let gradient: Vec<f64> = gradients.values[number].iter().map(|x| f64::from(*x)).collect();
            let got = gradient.iter().zip(noise(2000 + number, gradient.len())).map(|(a, b)| a * b).sum::<f64>();
            let size = gradient.iter().map(|x| x * x).sum::<f64>().sqrt();
            let name = &graph.parameters[number].name;
            let error = (got - along).abs().max((size - length).abs()) / (length + 1e-3);
            assert!(error < 5e-3, "{name}: {got} of {size} where PyTorch has {along} of {length}");
        }
    }
}
