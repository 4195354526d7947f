//! Files and folders that are missing, damaged or not enough: each error names the thing, and nothing else happens.

use super::*;

#[test]
fn damaged_models_are_named_with_what_is_wrong() {
    let folder = folder();
    let good = std::fs::read(path(&folder, "model.deja")).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 16;
    let mut newer = good.clone();
    newer[4] = 9;
    let cases = [
        ("flipped.deja", flipped, "damaged"),
        ("newer.deja", newer, "version 9"),
        ("short.deja", good[..good.len() / 2].to_vec(), "shorter than its header says"),
        ("empty.deja", Vec::new(), "not a .deja model"),
        ("text.deja", b"a text".to_vec(), "not a .deja model"),
    ];
    let mut camera = Camera::start(folder.path(), &["model.deja"]);
    for (name, bytes, _) in &cases {
        std::fs::write(path(&folder, name), bytes).unwrap();
        for arguments in [&["inspect", name][..], &["flash", "--device", &camera.address, "--model", name]] {
            let error = failure(folder.path(), arguments);
            assert!(error.contains(name) && error.contains("deja quantize"), "{error}");
        }
    }
    for (name, _, reason) in &cases {
        let error = failure(folder.path(), &["inspect", name]).to_lowercase();
        assert!(error.contains(reason), "{name}: {error}");
    }
    assert!(camera.process.try_wait().unwrap().is_none());
}

#[test]
fn data_sets_that_cannot_be_used_are_named() {
    let folder = folder();
    std::fs::create_dir_all(path(&folder, "empty")).unwrap();
    std::fs::create_dir_all(path(&folder, "one/anna")).unwrap();
    for number in 0..3 {
        let target = path(&folder, &format!("one/anna/{number}.png"));
        std::fs::copy(path(&folder, &format!("{number}.png")), target).unwrap();
    }
    for (data, words) in
        [("nowhere", "no such file or folder"), ("empty", "no data set that deja knows"), ("one", "at least two")]
    {
        let error = failure(folder.path(), &["train", data, "--out", "run"]);
        assert!(error.contains(data) && error.contains(words), "{error}");
        assert!(!path(&folder, "run").exists(), "a run without data");
    }
    let error = failure(folder.path(), &["evaluate", "model.deja", "one"]);
    assert!(error.contains("one"), "{error}");
    let error = failure(folder.path(), &["evaluate", "0.png", "synthetic"]);
    assert!(error.contains("0.png") && error.contains(".safetensors"), "{error}");
    let error = failure(folder.path(), &["quantize", "model.deja", "synthetic", "--out", "new.deja"]);
    assert!(error.contains("model.deja") && error.contains(".safetensors"), "{error}");
    let error = failure(folder.path(), &["train", "synthetic", "--out", "run", "--network", "resnet_50"]);
    assert!(error.contains("resnet_50") && error.contains("mobilenet_v2_0.35"), "{error}");
}

#[test]
fn a_camera_that_is_not_there_is_named() {
    let folder = folder();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let device = format!("tcp:{}", listener.local_addr().unwrap());
    drop(listener);
    let error = failure(folder.path(), &["identify", "--device", &device, "0.png"]);
    assert!(error.contains(&device) && error.contains("powered and connected"), "{error}");
    let error = failure(folder.path(), &["gallery", "--device", "serial:/dev/no-such-line", "list"]);
    assert!(error.contains("/dev/no-such-line"), "{error}");
}

#[test]
fn a_camera_without_a_model_and_pictures_that_cannot_be_read_are_errors() {
    let folder = folder();
    let error = failure(folder.path(), &["identify", "--device", "sim:", "0.png"]);
    assert!(error.contains("no model"), "{error}");
    let camera = Camera::start(folder.path(), &["model.deja"]);
    std::fs::write(path(&folder, "broken.jpg"), b"not a picture").unwrap();
    let error = failure(folder.path(), &["enroll", "--device", &camera.address, "Anna", "broken.jpg", "none.png"]);
    assert!(error.contains("broken.jpg") && error.contains("none.png") && error.contains("none of 2"), "{error}");
    let error = failure(folder.path(), &["enroll", "--device", &camera.address, &"x".repeat(33), "0.png"]);
    assert!(error.contains("32 bytes"), "{error}");
    let error = failure(folder.path(), &["gallery", "--device", &camera.address, "import", "0.png"]);
    assert!(error.contains("0.png") && error.contains("no gallery"), "{error}");
    let error = failure(folder.path(), &["gallery", "--device", &camera.address, "remove", "Nobody"]);
    assert!(error.contains("Nobody"), "{error}");
    let list = json(folder.path(), &["gallery", "--device", &camera.address, "list"]);
    assert_eq!(list["identities"], serde_json::json!([]));
}

#[test]
fn firmware_needs_a_file_and_a_probe() {
    let folder = folder();
    let error = failure(folder.path(), &["flash", "--device", "sim:", "--firmware", "none.elf"]);
    assert!(error.contains("none.elf"), "{error}");
}

#[test]
fn a_flash_file_is_one_cameras_own() {
    let folder = folder();
    let _camera = Camera::start(folder.path(), &["model.deja", "--flash", "a.flash"]);
    let error = failure(folder.path(), &["simulate", "--listen", "127.0.0.1:0", "--flash", "a.flash"]);
    assert!(error.contains("a.flash") && error.contains("another simulated camera"), "{error}");
}
