//! The command as a person or a script meets it: exit codes, help, JSON, and errors that say what to do.

mod adapt;
mod bad_input;
mod camera;
mod onnx;
mod quantize;
mod usage;
mod workshop;

use assert_cmd::Command;
use deja::network::by_name;
use deja::progress::Silent;
use deja::quantize::{Settings, Threshold, quantize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Height and width of the test model's pictures.
const SIZE: usize = 32;

/// The command in `folder`; a hanging one ends after a minute.
fn deja(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deja"));
    command.current_dir(folder).env_remove("RUST_LOG").timeout(Duration::from_secs(60));
    command
}

/// What a command that succeeds writes to standard output as one JSON object, and nothing else.
fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = deja(folder).args(arguments).args(["--json", "-"]).assert().success().get_output().stdout.clone();
    let value: Value = serde_json::from_slice(&output).expect("one JSON value");
    assert!(value.is_object(), "{value}");
    value
}

/// What a command that fails with exit code 1 says.
fn failure(folder: &Path, arguments: &[&str]) -> String {
    let output = deja(folder).args(arguments).assert().code(1).get_output().clone();
    assert!(output.stdout.is_empty(), "{arguments:?} failed and printed results");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(text.contains("error: "), "{text}");
    text
}

/// A folder with `model.deja` (random weights; only an exact copy is known) and the pictures 0.png to 3.png.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_model(&folder.path().join("model.deja"), 1);
    for number in 0..4 {
        let path = folder.path().join(format!("{number}.png"));
        let side = SIZE as u32;
        image::save_buffer(path, &picture(number), side, side, image::ColorType::Rgb8).expect("a picture");
    }
    folder
}

fn write_model(path: &Path, seed: u64) {
    let graph = by_name("mobilenet_v2_0.25", [SIZE, SIZE], 16, seed).expect("a known network");
    let pictures: Vec<u8> = (0..16).flat_map(picture).collect();
    let mut quantized = quantize(&graph, &pictures, &Settings::default(), &Silent).expect("a model");
    let threshold = Threshold { q15: 32_700, fpir_ppm: 10_000, gallery_identities: 4 };
    quantized.set_threshold(&threshold).expect("a threshold");
    std::fs::write(path, &*quantized.bytes).expect("a writable folder");
}

/// A picture unlike those of other numbers.
fn picture(number: usize) -> Vec<u8> {
    let pixel = |index: usize| {
        let (x, y, c) = (index / 3 % SIZE, index / 3 / SIZE, index % 3);
        let wave = ((x * (number + 1) + y * (7 - number % 7)) as f32 / 5.0 + (c * number) as f32).sin();
        (127.0 + 120.0 * wave) as u8
    };
    (0..SIZE * SIZE * 3).map(pixel).collect()
}

/// A running `deja simulate`; it ends with this.
struct Camera {
    process: Child,
    address: String,
}

impl Camera {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        use std::io::{BufRead, BufReader};
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_deja"))
            .current_dir(folder)
            .args(["simulate", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the command");
        let mut line = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening at ").expect("the address").to_owned();
        Self { process, address }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn path(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}
