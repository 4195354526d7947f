//! The `.deja` file: its exact bytes, and that nothing but a whole and consistent file is taken for a model.

use std::path::Path;

use deja::quantize::AlignedBytes;
use deja_shared::model::{Layer, LayerKind, Model, ModelError, Tensor, VERSION};
use deja_shared::tensor::{Shape, Width};
use deja_tests::chained::chained;
use deja_tests::model::{Draft, branched, seal, small, wide};

/// Where the layers of `small` stand: behind the header and seven activations.
const LAYERS: usize = (128 + 7 * 20_usize).next_multiple_of(16);

/// A change of the format must be deliberate: raise `VERSION`, and write the file anew with `DEJA_BLESS=1`.
#[test]
fn golden_bytes() {
    for draft in [small(), branched(), wide(), chained()] {
        let file = draft.emit();
        let name = format!("golden/{}.deja", draft.header.name());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if std::env::var_os("DEJA_BLESS").is_some() {
            std::fs::write(&path, &*file).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == *file, "{} differs", path.display());
    }
}

#[test]
fn a_model_reads_back_as_it_was_written() {
    reads_back(&small(), "small");
    reads_back(&branched(), "branched");
    reads_back(&wide(), "wide");
    reads_back(&chained(), "chained");
}

fn reads_back(draft: &Draft, name: &str) {
    let file = draft.emit();
    let model = Model::parse(&file).unwrap();
    assert_eq!(model.header().name(), name);
    assert_eq!(model.header().threshold, 20_000);
    assert!(model.tensors().eq(draft.tensors.iter().copied()));
    for (layer, written) in model.layers().zip(&draft.layers) {
        assert_eq!(layer.kind, written.layer.kind);
        assert!(layer.inputs().eq(written.layer.inputs()));
        assert_eq!((layer.groups, layer.second_multiplier), (written.layer.groups, written.layer.second_multiplier));
        assert_eq!((layer.wide_low, layer.wide_high), (written.layer.wide_low, written.layer.wide_high));
        assert_eq!((layer.chain, layer.band), (written.layer.chain, written.layer.band));
        assert_eq!(model.weights(&layer), written.packed());
        assert_eq!(model.biases(&layer), written.biases);
        assert_eq!(model.multipliers(&layer), written.multipliers);
    }
    assert_eq!(model.preprocessing(), draft.preprocessing);
    assert!(model.golden().eq(draft.golden.iter().map(|(picture, embedding)| (&picture[..], &embedding[..]))));
    assert_eq!(Model::reopen(&file, &model.header().fingerprint).unwrap().header(), model.header());
    assert_eq!(Model::reopen(&file, &[0; 32]).unwrap_err(), ModelError::Corrupt);
}

#[test]
fn bytes_behind_the_end_do_not_matter() {
    let file = small().emit();
    let slot: Vec<u8> = file.iter().copied().chain([0xff; 1000]).collect();
    assert_eq!(Model::parse(&AlignedBytes::from(&slot[..])).unwrap().bytes(), &*file);
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let file = small().emit();
    for len in 0..file.len() {
        let error = Model::parse(&file[..len]).unwrap_err();
        let expected = if len < 4 { ModelError::NotAModel } else { ModelError::Truncated };
        assert_eq!(error, expected, "{len} bytes");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let mut file = small().emit();
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        assert!(Model::parse(&file).is_err(), "bit {bit}");
        file[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(Model::parse(&file).is_ok());
}

#[test]
fn another_version_is_named() {
    let mut file = small().emit();
    file[4..6].copy_from_slice(&(VERSION + 1).to_le_bytes());
    let error = Model::parse(&file).unwrap_err();
    assert_eq!(error, ModelError::Version { found: VERSION + 1, supported: VERSION });
    assert_eq!(error.to_string(), "format version 4, but this program reads version 3");
}

#[test]
fn a_file_off_the_boundary_is_refused() {
    let file = small().emit();
    let shifted: Vec<u8> = std::iter::once(0).chain(file.iter().copied()).collect();
    let shifted = AlignedBytes::from(&shifted[..]);
    assert_eq!(Model::parse(&shifted[1..]).unwrap_err(), ModelError::Alignment);
    let fingerprint = Model::parse(&file).unwrap().header().fingerprint;
    assert_eq!(Model::reopen(&shifted[1..], &fingerprint).unwrap_err(), ModelError::Alignment);
}

#[test]
fn reserved_bytes_are_zero() {
    let file = small().emit();
    let layer = LAYERS;
    for place in [6, 12, 54, 82, 88, 91, 128 + 10, 128 + 18, layer + 1, layer + 13, layer + 56, layer + 63] {
        let mut file = file.clone();
        file[place] = 1;
        seal(&mut file);
        assert!(Model::parse(&file).is_err(), "byte {place}");
    }
}

/// Offsets of sections beyond the end, unaligned ones, and lengths that 32 bits could not hold.
#[test]
fn sections_lie_within_the_file() {
    let file = small().emit();
    let with = |at: usize, field: &[u8]| {
        let mut file = file.clone();
        file[at..at + field.len()].copy_from_slice(field);
        seal(&mut file);
        Model::parse(&file).unwrap_err()
    };
    for offset_at in [64, 68, 72, 76, LAYERS + 16, LAYERS + 24, LAYERS + 28] {
        assert_eq!(with(offset_at, &0xffff_fff0_u32.to_le_bytes()), ModelError::Section, "at {offset_at}");
        assert_eq!(with(offset_at, &132_u32.to_le_bytes()), ModelError::Alignment, "at {offset_at}");
    }
    // A picture of 65535 × 65535, once for each of 65535 golden pairs.
    assert_eq!(with(48, &[0xff; 4]), ModelError::Section);
    assert_eq!(with(80, &[0xff; 2]), ModelError::Section);
    assert_eq!(with(8, &100_u32.to_le_bytes()), ModelError::Truncated);
    assert_eq!(with(58, &0_u16.to_le_bytes()), ModelError::Field);
    assert_eq!(with(52, &0_u16.to_le_bytes()), ModelError::Field);
    assert_eq!(with(56, &6_u16.to_le_bytes()), ModelError::Field);
}

type Spoil = fn(&mut Draft);

#[test]
fn what_does_not_fit_together_is_refused() {
    let layer = |index| ModelError::Layer { index };
    let tensor = |index| ModelError::Tensor { index };
    let cases: &[(Spoil, ModelError)] = &[
        (|d| d.tensors[0].shape.height -= 1, tensor(0)),
        (|d| d.tensors[1].shape.channels = 0, tensor(1)),
        (|d| d.tensors[1].arena_offset = 256, tensor(1)),
        (|d| d.tensors[1].arena_offset = 145, tensor(1)),
        (|d| d.tensors[6].arena_offset = 16, tensor(6)),
        (|d| d.tensors[6].zero_point = 1, tensor(6)),
        (|d| (d.header.dimension, d.golden) = (7, Vec::new()), tensor(6)),
        (|d| d.header.arena_bytes = 335, tensor(2)),
        (|d| layer_of(d, 0).output = 2, layer(0)),
        (|d| layer_of(d, 0).input = 1, layer(0)),
        (|d| layer_of(d, 3).second_input = 4, layer(3)),
        (|d| layer_of(d, 3).second_input = 0, layer(3)),
        (|d| layer_of(d, 0).stride = 0, layer(0)),
        (|d| layer_of(d, 0).kernel_width = 0, layer(0)),
        (|d| layer_of(d, 0).padding_top = 3, layer(0)),
        (|d| layer_of(d, 0).stride = 3, layer(0)),
        (|d| layer_of(d, 1).low = 111, layer(1)),
        (|d| layer_of(d, 1).kind = LayerKind::Pointwise, layer(1)),
        (|d| layer_of(d, 2).kind = LayerKind::FullyConnected, layer(2)),
        (|d| layer_of(d, 5).kind = LayerKind::Pointwise, layer(5)),
        (|d| d.layers[2].multipliers[7] = -1, layer(2)),
        (|d| layer_of(d, 4).multiplier = -1, layer(4)),
        (|d| d.layers[2].weights.truncate(4 * 8), layer(2)),
        (|d| d.layers[2].biases[0] = (1 << 30) + 1, ModelError::Accumulator { layer: 2 }),
        (|d| d.layers[2].biases[0] = i32::MIN, ModelError::Accumulator { layer: 2 }),
        (|d| layer_of(d, 3).bias = i32::MIN, ModelError::Accumulator { layer: 3 }),
        // The second layer's result over its own input; the third's over the first's, which the fourth reads.
        (|d| d.tensors[2].arena_offset = 144, ModelError::Arena { layer: 1 }),
        (|d| d.tensors[3].arena_offset = 128, ModelError::Arena { layer: 2 }),
    ];
    refuses(small, cases);
}

#[test]
fn what_does_not_fit_together_between_branches_is_refused() {
    let layer = |index| ModelError::Layer { index };
    let cases: &[(Spoil, ModelError)] = &[
        // Groups that do not divide, that are none, and that stand where none can be.
        (|d| layer_of(d, 2).groups = 3, layer(2)),
        (|d| layer_of(d, 2).groups = 0, layer(2)),
        (|d| layer_of(d, 2).groups = 4, layer(2)),
        (|d| layer_of(d, 3).groups = 1, layer(3)),
        // A max pool between different quantizations; a window beyond the picture.
        (|d| d.tensors[2].zero_point = 0, layer(1)),
        (|d| layer_of(d, 1).stride = 5, layer(1)),
        // And between different widths.
        (widened, layer(1)),
        // Tables of a wrong length, powers that could overflow, thresholds that do not ascend.
        (|d| _ = d.layers[5].weights.pop(), layer(5)),
        (|d| d.layers[5].weights.push(0), layer(5)),
        (|d| d.layers[10].weights.truncate(510 * 8), layer(10)),
        (|d| d.layers[10].weights.extend([0; 8]), layer(10)),
        (|d| d.layers[10].weights[7] = 0x10, ModelError::Accumulator { layer: 10 }),
        (|d| d.layers[10].weights[300 * 8 + 7] = 1, layer(10)),
        // Gates, summands and parts of other shapes.
        (|d| layer_of(d, 6).second_input = 2, layer(6)),
        (|d| layer_of(d, 7).third_input = 4, layer(7)),
        (|d| layer_of(d, 7).third_input = 9, layer(7)),
        (|d| layer_of(d, 7).second_input = 6, layer(7)),
        (|d| layer_of(d, 8).second_input = 6, layer(8)),
        (|d| layer_of(d, 9).second_input = 1, layer(9)),
        (|d| layer_of(d, 9).second_multiplier = -1, layer(9)),
        (|d| layer_of(d, 11).kind = LayerKind::Lookup, layer(11)),
        (|d| layer_of(d, 5).kind = LayerKind::Widen, layer(5)),
        // In the place of what is read again, beside its place, and of what it reads twice.
        (|d| d.tensors[7].arena_offset = 96, ModelError::Arena { layer: 6 }),
        (|d| d.tensors[8].arena_offset = 224, ModelError::Arena { layer: 7 }),
        (|d| (layer_of(d, 7).second_input) = 7, ModelError::Arena { layer: 7 }),
        (|d| d.tensors[10].arena_offset = 208, ModelError::Arena { layer: 9 }),
    ];
    refuses(branched, cases);
}

/// The first result in 16 bits, which the max pool that reads it has not.
fn widened(draft: &mut Draft) {
    let first = draft.tensors[1];
    draft.tensors[1] = Tensor { width: Width::Sixteen, zero_point: 0, ..first };
    draft.tensors[2].zero_point = 0;
    draft.header.arena_bytes = 144 + 2 * 8 * 6 * 8;
}

#[test]
fn widths_that_do_not_fit_are_refused() {
    let layer = |index| ModelError::Layer { index };
    let tensor = |index| ModelError::Tensor { index };
    let cases: &[(Spoil, ModelError)] = &[
        // 16 bits are around zero, and neither the picture's nor said of the raw embedding.
        (|d| d.tensors[1].zero_point = 1, tensor(1)),
        (|d| d.tensors[0].width = Width::Sixteen, tensor(0)),
        (|d| d.tensors[14].width = Width::Sixteen, tensor(14)),
        // Twice the bytes, beyond the arena and over what is still read.
        (|d| d.header.arena_bytes = 719, tensor(3)),
        (|d| d.tensors[12].arena_offset = 640, tensor(12)),
        (|d| d.tensors[2].arena_offset = 320, ModelError::Arena { layer: 1 }),
        (|d| d.tensors[9].arena_offset = 528, ModelError::Arena { layer: 8 }),
        (|d| d.tensors[10].arena_offset = 0, ModelError::Arena { layer: 9 }),
        // Bounds of 16 bits where there are 8, none, beyond the width, and the wrong way round.
        (|d| layer_of(d, 8).wide_high = 1, layer(8)),
        (|d| layer_of(d, 8).wide_low = -1, layer(8)),
        (|d| layer_of(d, 0).wide_low = i16::MIN, layer(0)),
        (|d| layer_of(d, 0).wide_low = 20_001, layer(0)),
        // Kinds that have 8 bits only, and a gate of 16.
        (|d| layer_of(d, 3).kind = LayerKind::Lookup, layer(3)),
        (|d| layer_of(d, 4).kind = LayerKind::GeneralizedMeanPool, layer(4)),
        (|d| d.tensors[6].width = Width::Sixteen, ModelError::Tensor { index: 6 }),
        (|d| (d.tensors[6].width, d.tensors[6].zero_point) = (Width::Sixteen, 0), layer(6)),
    ];
    refuses(wide, cases);
    let mut file = wide().emit();
    file[128 + 20 + 10] = 2;
    seal(&mut file);
    assert_eq!(Model::parse(&file).unwrap_err(), ModelError::Tensor { index: 1 });
}

/// 384 products of 127 and up to 20,000, and a bias of 2³⁰, are more than 32 bits hold; the bound of what is written counts.
#[test]
fn a_sum_of_wide_values_could_overflow() {
    let mut draft = small();
    draft.golden.clear();
    draft.tensors.truncate(2);
    draft.tensors.push(Tensor { shape: Shape::new(1, 1, 6), arena_offset: 0, ..wide().tensors[14] });
    let (shape, width) = (Shape::new(8, 6, 8), Width::Sixteen);
    draft.tensors[1] = Tensor { shape, width, zero_point: 0, ..draft.tensors[1] };
    draft.header.arena_bytes = 144 + 2 * 8 * 6 * 8;
    let mut last = draft.layers.remove(5);
    draft.layers.truncate(1);
    draft.layers[0].layer = Layer { stride: 1, wide_low: -20_000, wide_high: 10_000, ..draft.layers[0].layer };
    (last.weights, last.biases[3]) = (vec![-127; 384 * 6], -(1 << 30));
    last.layer = Layer { input: 1, output: 2, ..last.layer };
    draft.layers.push(last);
    let refused = |greatest: i16, draft: &mut Draft| {
        draft.layers[0].layer.wide_low = -greatest;
        Model::parse(&draft.emit()).err()
    };
    assert_eq!(refused(32_767, &mut draft), Some(ModelError::Accumulator { layer: 1 }));
    // 384 · 127 · 22,016 + 2³⁰ < 2³¹ ≤ 384 · 127 · 22,018 + 2³⁰
    assert_eq!(refused(22_018, &mut draft), Some(ModelError::Accumulator { layer: 1 }));
    assert_eq!(refused(22_016, &mut draft), None);
    draft.layers[1].biases[3] = 0;
    assert_eq!(refused(32_767, &mut draft), None);
}

#[test]
fn weights_behind_the_last_tap_must_be_zero() {
    let file = small().emit();
    let place = Model::parse(&file).unwrap().layer(0).weights_offset as usize + 2 * 27;
    for byte in [place, place + 1] {
        let mut spoiled = file.clone();
        spoiled[byte] = 1;
        seal(&mut spoiled);
        assert_eq!(Model::parse(&spoiled).unwrap_err(), ModelError::Layer { index: 0 });
    }
}

fn refuses(draft: fn() -> Draft, cases: &[(Spoil, ModelError)]) {
    for (number, (spoil, expected)) in cases.iter().enumerate() {
        let mut draft = draft();
        spoil(&mut draft);
        assert_eq!(Model::parse(&draft.emit()).unwrap_err(), *expected, "case {number}");
    }
}

#[test]
fn a_pool_over_too_many_positions_could_overflow() {
    let mut draft = small();
    let large = Shape::new(256, 256, 3);
    draft.golden.clear();
    (draft.header.input_height, draft.header.input_width, draft.header.arena_bytes) = (256, 256, 256 * 256 * 3 + 16);
    let tensor = |shape, arena_offset| Tensor { shape, arena_offset, ..draft.tensors[0] };
    let raw = Tensor { shape: Shape::new(1, 1, 6), ..draft.tensors[6] };
    draft.tensors = vec![tensor(large, 0), tensor(Shape::new(1, 1, 3), 256 * 256 * 3), raw];
    let mut last = draft.layers[5].clone();
    last.layer = Layer { input: 1, output: 2, ..last.layer };
    last.weights.truncate(6 * 3);
    let mut pool = draft.layers[4].clone();
    pool.layer = Layer { input: 0, output: 1, ..pool.layer };
    draft.layers = vec![pool, last];
    assert_eq!(Model::parse(&draft.emit()).unwrap_err(), ModelError::Accumulator { layer: 0 });
    draft.tensors[0].shape.height = 255;
    draft.header.input_height = 255;
    assert!(Model::parse(&draft.emit()).is_ok());
}

fn layer_of(draft: &mut Draft, index: usize) -> &mut Layer {
    &mut draft.layers[index].layer
}
