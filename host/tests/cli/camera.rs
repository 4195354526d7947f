//! A camera from its first model to a restart, served by the command alone.

use super::*;
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
