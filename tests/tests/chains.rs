//! Layers that run together by bands of rows: the same bits as layer after layer, and nothing else is accepted.

use deja_firmware::embedder;
use deja_shared::model::{ALIGNMENT, Model, ModelError, Span};
use deja_tests::chained::{chain, chained, random, read_until};
use deja_tests::model::{Draft, small};
use proptest::prelude::*;

/// Every activation whole, and the raw embedding; in an arena of exactly the bytes that the model asks for.
fn trace(draft: &Draft, fill: i8) -> Option<(Vec<Vec<i8>>, Vec<i16>)> {
    let file = draft.emit();
    let model = Model::parse(&file).ok()?;
    let picture: Vec<u8> = (0..model.header().picture_bytes()).map(|i| (i * i * 31 + i * 7) as u8).collect();
    let mut arena = vec![fill; model.header().arena_bytes as usize];
    let mut seen = vec![vec![]; model.tensor_count() - 1];
    let raw = embedder::embed_layers(&model, &picture, &mut arena, |number, rows| {
        let width = model.tensor(number).width.bytes() as u64;
        assert_eq!(rows.data.len() as u64, width * rows.shape.len());
        seen[usize::from(number)].extend_from_slice(rows.data);
    });
    Some((seen, raw.unwrap().to_vec()))
}

/// Spans of consecutive layers, one behind the other, from random numbers.
fn spans(draft: &Draft, choices: &[(u16, u16, u16)]) -> Vec<Span> {
    let mut first = 0;
    let mut spans = vec![];
    for &(skip, layers, band) in choices {
        first += skip;
        // The global pool and the matrix cannot be part.
        let layers = layers.min((draft.layers.len() as u16 - 2).saturating_sub(first));
        if layers > 0 {
            spans.push(Span { first, layers, band });
        }
        first += layers;
    }
    spans
}

fn choices() -> impl Strategy<Value = Vec<(u16, u16, u16)>> {
    proptest::collection::vec((0..3u16, 1..13u16, prop_oneof![4 => 1..4u16, 1 => 4..30u16]), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn chains_compute_what_their_layers_compute(seed: u32, choices in choices()) {
        let whole = random(seed);
        let mut draft = whole.clone();
        prop_assert!(chain(&mut draft, &spans(&whole, &choices)));
        let found = trace(&draft, 77);
        prop_assert!(found.is_some(), "refused: {:?}", Model::parse(&draft.emit()).map(|_| ()));
        let (seen, raw) = found.unwrap();
        let (whole, expected) = trace(&whole, 0).unwrap();
        prop_assert_eq!(raw, expected);
        // Rows of a slab that nobody reads are not computed.
        for (found, whole) in seen.iter().zip(&whole) {
            prop_assert_eq!(&found[..], &whole[..found.len()]);
        }
    }

    /// A slab with a row less, an activation in the place of another: refused, or the same embedding.
    #[test]
    fn other_places_are_refused_or_harmless(
        seed: u32,
        choices in choices(),
        changes in proptest::collection::vec((any::<u16>(), any::<u16>(), -2..3i64), 1..3),
    ) {
        let whole = random(seed);
        let mut draft = whole.clone();
        prop_assert!(chain(&mut draft, &spans(&whole, &choices)));
        let count = draft.tensors.len() - 1;
        for (which, other, shift) in changes {
            let other = i64::from(draft.tensors[usize::from(other) % count].arena_offset);
            let place = other + shift * ALIGNMENT as i64;
            draft.tensors[usize::from(which) % count].arena_offset = place.max(0) as u32;
        }
        let expected = trace(&whole, 0).unwrap().1;
        if let Some((_, raw)) = trace(&draft, -3) {
            prop_assert_eq!(raw, expected);
        }
    }

    #[test]
    fn a_slab_with_a_row_less_is_refused(seed: u32, choices in choices(), which: u16) {
        let mut draft = random(seed);
        let spans = spans(&draft, &choices);
        prop_assert!(chain(&mut draft, &spans));
        let mut slabs: Vec<_> = draft.tensors.iter_mut().filter(|tensor| tensor.rows_kept > 1).collect();
        if slabs.is_empty() {
            return Ok(());
        }
        let which = usize::from(which) % slabs.len();
        slabs[which].rows_kept -= 1;
        let found = Model::parse(&draft.emit()).map(|_| ());
        prop_assert!(matches!(found, Err(ModelError::Arena { .. })), "{found:?}");
    }
}

/// Every activation in the place of every other: some are accepted, and those compute the same.
#[test]
fn results_take_the_place_of_rows_that_were_read() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..60 {
        let whole = random(seed);
        let mut draft = whole.clone();
        let layers = whole.layers.len() as u16 - 2;
        assert!(chain(&mut draft, &[Span { first: 1, layers: layers - 1, band: 1 }]));
        let expected = trace(&whole, 0).unwrap().1;
        // The last result of the chain over its input.
        let input = draft.tensors[1].arena_offset;
        let result = &mut draft.tensors[usize::from(layers)];
        if result.bytes() > whole.tensors[1].bytes() || read_until(&whole, 1) > layers {
            continue;
        }
        result.arena_offset = input;
        match trace(&draft, 5) {
            Some((_, raw)) => {
                assert_eq!(raw, expected, "seed {seed}");
                accepted += 1;
            }
            None => refused += 1,
        }
    }
    assert!(accepted > 5 && refused > 5, "{accepted} accepted, {refused} refused");
}

#[test]
fn the_chained_model_is_the_small_one_in_less_memory() {
    let (small, chained) = (small(), chained());
    assert!(chained.header.arena_bytes < small.header.arena_bytes);
    assert_eq!(trace(&small, 0).unwrap().1, trace(&chained, 1).unwrap().1);
}

type Spoil = fn(&mut Draft);

#[test]
fn what_cannot_be_a_chain_is_refused() {
    let (layer, tensor) = (|index| ModelError::Layer { index }, |index| ModelError::Tensor { index });
    let cases: &[(Spoil, ModelError)] = &[
        (|d| d.layers[0].layer.band = 0, layer(0)),
        (|d| d.layers[0].layer.chain = 0, tensor(0)),
        // Into the pool, beyond the end, and one within the other.
        (|d| d.layers[0].layer.chain = 5, layer(0)),
        (|d| d.layers[0].layer.chain = 6, layer(0)),
        (|d| d.layers[0].layer.chain = u16::MAX, layer(0)),
        (|d| d.layers[2].layer.chain = 1, layer(0)),
        (|d| d.layers[2].layer.band = 1, layer(0)),
        (|d| d.layers[4].layer.band = 1, layer(4)),
        // A slab outside of a chain, one that is read behind its chain, and one as high as the whole.
        (|d| d.tensors[5].rows_kept = 1, tensor(5)),
        (|d| d.tensors[6].rows_kept = 1, tensor(6)),
        (|d| d.tensors[4].rows_kept = 1, tensor(4)),
        (|d| d.tensors[0].rows_kept = 8, tensor(0)),
        (|d| d.layers[0].layer.chain = 3, tensor(1)),
    ];
    for (number, (spoil, expected)) in cases.iter().enumerate() {
        let mut draft = chained();
        spoil(&mut draft);
        assert_eq!(Model::parse(&draft.emit()).unwrap_err(), *expected, "case {number}");
    }
}
