//! The format's bytes, and every file that is refused.

use super::*;

/// Two identities of two pictures: a0, a1 and b0, b1.
fn list() -> PictureList {
    let names = ["a0", "a1", "b0", "b1"].map(str::to_owned).to_vec();
    PictureList { names, fingerprint: "f00d".into() }
}

fn named(class: TripletClass, [anchor, positive, negative]: [&str; 3]) -> NamedTriplet {
    let [anchor, positive, negative] = [anchor, positive, negative].map(str::to_owned);
    NamedTriplet { class, anchor, positive, negative }
}

fn file(triplets: Vec<NamedTriplet>) -> TripletFile {
    let mut chosen = Counts::default();
    triplets.iter().for_each(|triplet| chosen.add(triplet.class, 1));
    let header = Header {
        format: TripletFile::FORMAT.into(),
        version: TripletFile::VERSION,
        checkpoint: "c0de".into(),
        epoch: 4,
        dataset: "letters".into(),
        pictures: "f00d".into(),
        embedded: 4,
        seed: 1,
        settings: OfflineSettings { triplets: 10, ..OfflineSettings::default() },
        examined: Counts { easy: 5, semi_hard: 2, hard: 1 },
        chosen,
    };
    TripletFile { header, triplets }
}

fn good() -> TripletFile {
    file(vec![named(TripletClass::Hard, ["a0", "a1", "b0"]), named(TripletClass::Easy, ["b1", "b0", "a0"])])
}

const ROWS: [Option<usize>; 4] = [Some(0), Some(1), Some(2), Some(3)];
const CLASSES: [u32; 4] = [0, 0, 1, 1];

fn resolve(file: &TripletFile, rows: &[Option<usize>]) -> Result<Resolved, TripletFileError> {
    file.resolve(Path::new("t.jsonl"), "letters", &list(), rows, &CLASSES)
}

fn parse(text: &str) -> Result<TripletFile, TripletFileError> {
    TripletFile::parse(Path::new("t.jsonl"), text.as_bytes())
}

/// Pins version 1.
#[test]
fn the_format_is_pinned() {
    let bytes = good().to_bytes().unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let expected = concat!(
        r#"{"format":"deja-triplets","version":1,"checkpoint":"c0de","epoch":4,"dataset":"letters","pictures":"f00d","#,
        r#""embedded":4,"seed":1,"settings":{"every":0,"triplets":10,"margin":0.3,"easy":0.1,"semi_hard":0.6,"hard":0.3,"#,
        r#""candidates":8},"examined":{"easy":5,"semi_hard":2,"hard":1},"chosen":{"easy":1,"semi_hard":0,"hard":1}}"#,
        "\n",
        r#"{"class":"hard","anchor":"a0","positive":"a1","negative":"b0"}"#,
        "\n",
        r#"{"class":"easy","anchor":"b1","positive":"b0","negative":"a0"}"#,
        "\n",
    );
    assert_eq!(text, expected);
    assert_eq!(TripletFile::parse(Path::new("t.jsonl"), &bytes).unwrap(), good());
}

#[test]
fn names_become_rows_and_what_is_not_in_memory_is_left_out() {
    let triplet = |anchor, positive, negative| Triplet { anchor, positive, negative };
    let resolved = resolve(&good(), &ROWS).unwrap();
    assert_eq!(resolved, Resolved { triplets: vec![triplet(0, 1, 2), triplet(3, 2, 0)], left_out: 0 });
    let resolved = resolve(&good(), &[Some(0), None, Some(2), Some(3)]).unwrap();
    assert_eq!(resolved, Resolved { triplets: vec![triplet(3, 2, 0)], left_out: 1 });
    let error = resolve(&good(), &[None; 4]).unwrap_err();
    assert!(matches!(error, TripletFileError::NoneLeft { triplets: 2, .. }), "{error}");
}

#[test]
fn files_of_other_data_are_refused() {
    let mut other = good();
    other.header.pictures = "0ff".into();
    other.header.dataset = "numbers".into();
    let message = resolve(&other, &ROWS).unwrap_err().to_string();
    assert!(message.contains("`numbers`") && message.contains("`letters`") && message.contains("t.jsonl"), "{message}");
}

#[test]
fn triplets_that_are_none_are_named_with_their_line() {
    for (names, problem) in [
        (["a0", "a1", "zz"], "`zz` is not in the data set"),
        (["a0", "b0", "b1"], "not two pictures of one identity"),
        (["a0", "a0", "b1"], "not two pictures of one identity"),
        (["a0", "a1", "a1"], "anchor and negative"),
    ] {
        let wrong = file(vec![named(TripletClass::Hard, ["a0", "a1", "b0"]), named(TripletClass::Hard, names)]);
        let message = resolve(&wrong, &ROWS).unwrap_err().to_string();
        assert!(message.contains("line 3") && message.contains(problem), "{message}");
    }
}

#[test]
fn damaged_foreign_and_newer_files_are_told_apart() {
    let text = String::from_utf8(good().to_bytes().unwrap()).unwrap();
    for foreign in ["", "anchor,positive,negative\n", "{}", "{\"format\":\"other\"}\n"] {
        assert!(matches!(parse(foreign), Err(TripletFileError::Foreign(_))), "{foreign}");
    }
    assert!(matches!(TripletFile::parse(Path::new("t"), &[0xff, 0xd8]), Err(TripletFileError::Foreign(_))));
    let newer = text.replace("\"version\":1", "\"version\":2");
    assert!(matches!(parse(&newer), Err(TripletFileError::Version { found: 2, .. })));
    let truncated: String = text.lines().take(2).map(|line| line.to_owned() + "\n").collect();
    let message = parse(&truncated).unwrap_err().to_string();
    assert!(message.contains("1 triplets where the header promises 2"), "{message}");
    let cut = &text[..text.len() - 9];
    assert!(matches!(parse(cut), Err(TripletFileError::Malformed { line: 3, .. })));
    let unknown = text.replace("\"class\":\"easy\"", "\"class\":\"trivial\"");
    assert!(matches!(parse(&unknown), Err(TripletFileError::Malformed { line: 3, .. })));
    assert!(matches!(parse(&text.replace("\"seed\":1,", "")), Err(TripletFileError::Malformed { line: 1, .. })));
}

#[test]
fn a_class_without_its_share_is_told() {
    let told = shortfalls(&good().header);
    assert_eq!(told.len(), 2, "1 easy of 1 is enough: {told:?}");
    assert!(told[0].contains("0 semi-hard triplets where 6"), "{told:?}");
    assert!(told[1].contains("1 hard triplets where 3"), "{told:?}");
}
