//! A camera from its first model to a restart, served by the command alone.

use super::*;
use deja::quantize::AlignedBytes;
use deja_shared::model::Model;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn simulate_flash_enroll_identify_export_clear_import() {
    let folder = folder();
    let here = folder.path();
    let camera = Camera::start(here, &["--flash", "camera.flash"]);
    let device = ["--device", &camera.address];
    let ask = |verb: &str, arguments: &[&str]| json(here, &[&[verb], &device[..], arguments].concat());

    let flashed = ask("flash", &["--model", "model.deja"]);
    let inspected = json(here, &["inspect", "model.deja"]);
    assert_eq!(flashed["model"]["fingerprint"], inspected["fingerprint"]);

    std::fs::write(path(&folder, "broken.jpg"), b"not a picture").unwrap();
    let anna = ask("enroll", &["Anna", "0.png", "broken.jpg", "1.png"]);
    assert_eq!((&anna["templates"], anna["enrolled"].as_array().unwrap().len()), (&2.into(), 2));
    assert_eq!(anna["skipped"][0]["image"], "broken.jpg");
    assert!(anna["enrolled"][0]["own"].is_null() && anna["enrolled"][1]["own"].is_number(), "{anna}");
    ask("enroll", &["Bo", "2.png"]);

    let seen = ask("identify", &["2.png", "3.png"]);
    assert_eq!(seen["pictures"][0]["name"], "Bo");
    assert_eq!(seen["pictures"][0]["cosine"], 1.0);
    assert!(seen["pictures"][0]["margin"].as_f64().unwrap() > 0.0);
    assert_eq!((&seen["pictures"][1]["decision"], &seen["pictures"][1]["name"]), (&"unknown".into(), &Value::Null));

    assert_eq!(ask("gallery", &["export", "people.json"])["templates"], 3);
    assert_eq!(ask("gallery", &["clear"])["identities"], 2);
    assert_eq!(ask("identify", &["2.png"])["pictures"][0]["decision"], "unknown");
    assert_eq!(ask("gallery", &["import", "people.json"])["added"], 3);
    assert_eq!(ask("gallery", &["import", "people.json"])["added"], 0);
    assert_eq!(ask("gallery", &["remove", "Anna"])["templates"], 2);
    assert_eq!(ask("gallery", &["threshold", "0.25"])["cosine"].as_f64().unwrap().mul_add(100.0, 0.5) as i32, 25);

    drop(camera);
    let again = Camera::start(here, &["--flash", "camera.flash"]);
    let list = json(here, &["gallery", "--device", &again.address, "list"]);
    assert_eq!(list["identities"].as_array().unwrap().len(), 1);
    assert_eq!(list["identities"][0]["name"], "Bo");
    let output = deja(here).args(["identify", "--device", &again.address, "2.png"]).assert().success();
    let line = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(line.starts_with("2.png: Bo  cosine 1.000"), "{line}");
}

#[test]
fn verify_certifies_the_model_and_names_one_that_was_changed() {
    let folder = folder();
    let here = folder.path();
    write_model(&path(&folder, "newer.deja"), 2);
    let camera = Camera::start(here, &["model.deja", "--flash", "camera.flash"]);
    let device = ["--device", &camera.address];
    let fingerprint = |file: &str| json(here, &["inspect", file])["fingerprint"].clone();
    let certificate = json(here, &[&["verify"], &device[..]].concat());
    assert_eq!((&certificate["certified"], &certificate["golden_pairs"]), (&true.into(), &2.into()));
    assert_eq!((&certificate["fingerprint"], &certificate["board"]), (&fingerprint("model.deja"), &"sim".into()));
    assert_eq!((&certificate["fault"], &certificate["rolled_back"]), (&Value::Null, &false.into()));

    let newer = std::fs::read(path(&folder, "newer.deja")).unwrap();
    std::fs::write(path(&folder, "forged.deja"), forged(&newer)).unwrap();
    let error = failure(here, &[&["flash", "--model", "forged.deja"], &device[..]].concat());
    for part in ["forged.deja", "on this computer either", "refused ModelCommit", "bit for bit"] {
        assert!(error.contains(part), "{error}");
    }
    json(here, &[&["flash", "--model", "newer.deja"], &device[..]].concat());
    assert_eq!(json(here, &[&["verify"], &device[..]].concat())["fingerprint"], fingerprint("newer.deja"));

    drop(camera);
    let mut flash = std::fs::read(path(&folder, "camera.flash")).unwrap();
    let place = 16 * flash.windows(newer.len()).step_by(16).position(|there| there == newer).unwrap();
    flash[place..place + newer.len()].copy_from_slice(&forged(&newer));
    std::fs::write(path(&folder, "camera.flash"), flash).unwrap();
    let camera = Camera::start(here, &["--flash", "camera.flash"]);
    let output = deja(here).args(["verify", "--device", &camera.address]).assert().success().get_output().clone();
    let (said, warned) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let older = fingerprint("model.deja");
    assert!(said.starts_with(&older.as_str().unwrap()[..12]) && said.contains("certified"), "{said}");
    assert!(warned.contains("newer model") && warned.contains("flash the newer one again"), "{warned}");
    let error = failure(here, &["verify", "--device", "sim:"]);
    assert!(error.contains("no model"), "{error}");
}

/// One bit of a weight is another, and the fingerprint fits.
fn forged(file: &[u8]) -> Vec<u8> {
    let mut forged = AlignedBytes::from(file);
    let model = Model::parse(&forged).unwrap();
    let place = model.layer(model.header().layer_count - 1).weights_offset as usize;
    forged[place] ^= 0x40;
    let digest = Model::digest(&forged);
    forged[16..48].copy_from_slice(&digest);
    forged.to_vec()
}

#[test]
fn watch_tells_what_the_camera_sees() {
    let folder = folder();
    std::fs::create_dir(path(&folder, "door")).unwrap();
    std::fs::copy(path(&folder, "0.png"), path(&folder, "door/0.png")).unwrap();
    let camera = Camera::start(folder.path(), &["model.deja", "--frames", "door", "--interval", "0.1"]);
    json(folder.path(), &["enroll", "--device", &camera.address, "Anna", "0.png"]);
    let seen = json(folder.path(), &["watch", "--device", &camera.address, "--seconds", "4"]);
    let sightings = seen["sightings"].as_array().unwrap();
    assert!(!sightings.is_empty());
    assert!(sightings.iter().all(|sighting| sighting["name"] == "Anna" && sighting["uptime_ms"].is_number()), "{seen}");
}

#[test]
fn an_unplugged_transfer_goes_on_when_the_cable_is_back() {
    let folder = folder();
    let camera = Camera::start(folder.path(), &["--flash", "camera.flash"]);
    let length = std::fs::metadata(path(&folder, "model.deja")).unwrap().len();
    let cable = Cable::to(camera.address.strip_prefix("tcp:").unwrap(), length / 2);
    let device = format!("tcp:{}", cable.address);
    let flashed = json(folder.path(), &["flash", "--device", &device, "--model", "model.deja"]);
    assert_eq!(flashed["model"]["bytes"].as_u64(), Some(length));
    let carried = cable.carried.load(Ordering::Relaxed);
    assert!(carried < length + length / 4, "{carried} bytes for a model of {length}");
    assert_eq!(json(folder.path(), &["gallery", "--device", &camera.address, "list"])["gallery_fits_model"], true);
}

/// A cable that breaks once, after so many bytes, and then holds.
struct Cable {
    address: String,
    carried: Arc<AtomicU64>,
}

impl Cable {
    fn to(camera: &str, break_after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let carried = Arc::new(AtomicU64::new(0));
        let (counter, camera) = (Arc::clone(&carried), camera.to_owned());
        std::thread::spawn(move || {
            let mut limit = break_after;
            for host in listener.incoming() {
                let (host, camera) = (host.unwrap(), TcpStream::connect(&camera).unwrap());
                let (mut back, mut to_host) = (camera.try_clone().unwrap(), host.try_clone().unwrap());
                let answers = std::thread::spawn(move || std::io::copy(&mut back, &mut to_host));
                carry(&host, &camera, &counter, limit);
                let _ = (host.shutdown(Shutdown::Both), camera.shutdown(Shutdown::Both));
                let _ = answers.join();
                limit = u64::MAX;
            }
        });
        Self { address, carried }
    }
}

fn carry(mut host: &TcpStream, mut camera: &TcpStream, counter: &AtomicU64, limit: u64) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = host.read(&mut buffer) {
        if counter.fetch_add(count as u64, Ordering::Relaxed) > limit || camera.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
