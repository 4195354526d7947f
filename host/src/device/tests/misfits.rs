//! Peers that are no camera, or another one than expected.

use super::*;
use crate::device::{Address, ClientError};
use deja_shared::protocol::endpoints::{Endpoint, endpoint};
use deja_shared::protocol::frame::{Decoder, Frame, Kind, MAX_FRAME, encode};
use deja_shared::protocol::messages::{Capabilities, Name};
use deja_shared::protocol::refusal::Fault;
use std::io::{Read, Write};
use std::net::TcpListener;

const HASTY: Patience = Patience {
    quick: Duration::from_millis(10),
    slow: Duration::from_millis(10),
    tries: 3,
    reconnect: Duration::from_millis(50),
};

/// Answers each request of one connection with the bytes that `answer` gives.
fn peer(answer: impl Fn(&Frame<'_>) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut decoder = Decoder::new();
        let mut buffer = [0; 512];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            for &byte in &buffer[..count] {
                if let Some(Ok(frame)) = decoder.push(byte) {
                    stream.write_all(&answer(&frame)).unwrap();
                }
            }
        }
    });
    address
}

fn respond(kind: Kind, request: &Frame<'_>, message: &impl serde::Serialize) -> Vec<u8> {
    let mut frame = vec![0; MAX_FRAME];
    let length = encode(kind, request.endpoint, request.sequence, message, &mut frame).unwrap();
    frame.truncate(length);
    frame
}

fn capabilities(protocol: u16) -> Capabilities {
    Capabilities {
        protocol,
        model_format: 1,
        board: Name::try_from("odd").unwrap(),
        firmware: Name::new(),
        max_chunk: 64,
        max_model: 0,
        max_arena: 0,
        max_image: 0,
        model: None,
        identities: 0,
        templates: 0,
        max_templates: 0,
        gallery_fits_model: true,
    }
}

#[test]
fn silence_is_a_timeout_that_asks_for_the_cable() {
    let address = peer(|_| Vec::new());
    let error = Client::over(plain(address), "tcp:odd:1", HASTY).err().unwrap();
    assert!(matches!(error, ClientError::Timeout { endpoint: "Hello", .. }));
    assert!(error.to_string().contains("powered and connected") && error.to_string().contains("tcp:odd:1"), "{error}");
}

#[test]
fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::from(listener.local_addr().unwrap());
    drop(listener);
    let error = Client::connect(&address).err().unwrap();
    assert!(matches!(error, ClientError::Unreachable { .. }) && error.to_string().contains(&address.to_string()));
}

#[test]
fn another_version_is_named_and_the_older_side_is_to_be_updated() {
    let address = peer(|request| respond(Kind::Response, request, &capabilities(7)));
    let error = Client::over(plain(address), "odd", HASTY).err().unwrap();
    assert!(
        matches!(error, ClientError::Version { camera: 7, .. }) && error.to_string().contains("update this program")
    );
}

#[test]
fn answers_that_make_no_sense_are_errors_of_their_endpoint() {
    let address = peer(|request| match request.endpoint {
        endpoint::Hello::ID => respond(Kind::Response, request, &capabilities(1)),
        endpoint::Statistics::ID => respond(Kind::Response, request, &0xffu8),
        endpoint::GetThreshold::ID => respond(Kind::Fault, request, &Fault::Version),
        _ => respond(Kind::Fault, request, &Fault::UnknownEndpoint),
    });
    let mut client = Client::over(plain(address), "odd", HASTY).unwrap();
    assert!(matches!(client.statistics(), Err(ClientError::Answer { endpoint: "Statistics" })));
    assert!(matches!(client.threshold(), Err(ClientError::Restarted)));
    let unknown = client.clear().unwrap_err();
    assert!(matches!(unknown, ClientError::Fault { endpoint: "ClearGallery", fault: Fault::UnknownEndpoint }));
}

#[test]
fn late_answers_and_rubbish_are_passed_over() {
    let address = peer(|request| {
        let late = Frame { sequence: request.sequence.wrapping_sub(1), ..*request };
        let mut line = respond(Kind::Response, &late, &capabilities(9));
        line.extend_from_slice(b"rubbish\0\0more");
        line.push(0);
        line.extend(respond(Kind::Response, request, &capabilities(1)));
        line
    });
    assert_eq!(Client::over(plain(address), "odd", HASTY).unwrap().capabilities().board, "odd");
}

#[test]
fn a_picture_of_the_wrong_size_is_not_sent() {
    let address = peer(|request| respond(Kind::Response, request, &capabilities(1)));
    let mut client = Client::over(plain(address), "odd", HASTY).unwrap();
    let error = client.send_picture([4, 4], &[0; 47]).unwrap_err();
    assert!(matches!(error, ClientError::PictureSize { height: 4, width: 4, bytes: 47 }));
}
