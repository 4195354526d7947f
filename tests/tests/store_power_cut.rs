//! The power fails inside every word and every erase: the store comes back with the old or the new state, nothing else.

use deja_firmware::board::Flash;
use deja_firmware::board::memory::{Line, MemoryFlash, PowerCut, Remains};
use deja_firmware::store::{Limits, Store};
use deja_shared::model::{Model, ModelError};
use deja_shared::protocol::messages::{ModelBegin, ModelChunk};
use deja_shared::protocol::refusal::Refusal;
use deja_tests::model::{picture, small};
use deja_tests::session::sha256;

const PAGE: u32 = 4096;
const SNAPSHOT: u32 = 2 * PAGE;
const LIMITS: Limits = Limits { arena: 1 << 20, picture: 1 << 20 };
const CHUNK: usize = 1040;
const REMAINS: [Remains; 8] = [
    Remains::Before,
    Remains::After,
    Remains::Mixture(1),
    Remains::Mixture(77),
    Remains::Mixture(90_001),
    Remains::Garbage(2),
    Remains::Garbage(78),
    Remains::Garbage(90_002),
];

type Memory = MemoryFlash<Vec<Line>>;

#[test]
fn a_snapshot_is_the_old_one_or_the_new_one() {
    let [first, old, new] = [2, 3, 4].map(|seed| payload(seed, 5000));
    let mut store = mount(blank());
    save(&mut store, &first).unwrap();
    save(&mut store, &old).unwrap();
    let start = store.into_flash();
    let cuts = cut_everywhere(
        &start,
        |store| save(store, &new),
        |flash| {
            let mut store = mount(flash);
            let found = store.snapshot().map(<[u8]>::to_vec);
            assert!(found.as_deref() == Some(&old) || found.as_deref() == Some(&new));
            save(&mut store, &new).unwrap();
            assert_eq!(mount(store.into_flash()).snapshot(), Some(new.as_slice()));
        },
    );
    // Two pages to erase, and the words of payload and record.
    assert_eq!(cuts, 2 + 5000 / 4 + 4);
}

#[test]
fn the_first_snapshot_is_there_or_not() {
    let new = payload(9, 300);
    cut_everywhere(
        &blank(),
        |store| save(store, &new),
        |flash| {
            let mut store = mount(flash);
            assert!(store.snapshot().is_none_or(|found| found == new));
            save(&mut store, &new).unwrap();
        },
    );
}

#[test]
fn a_model_is_the_old_one_or_the_new_one_and_the_transfer_goes_on() {
    let [first, old, new] = [1, 2, 3].map(model);
    let mut store = mount(blank());
    send(&mut store, &first).unwrap();
    send(&mut store, &old).unwrap();
    save(&mut store, b"gallery").unwrap();
    let start = store.into_flash();
    cut_everywhere(
        &start,
        |store| send(store, &new),
        |flash| {
            let mut store = mount(flash);
            assert_eq!(store.snapshot(), Some(b"gallery".as_slice()));
            let found = running(&store).unwrap();
            assert!(found == old || found == new);
            send(&mut store, &new).unwrap();
            assert_eq!(running(&mount(store.into_flash())), Some(new.clone()));
        },
    );
}

#[test]
fn a_model_that_fails_its_trial_never_runs_whatever_the_power_does() {
    let [first, old, new] = [1, 2, 3].map(model);
    let mut store = mount(blank());
    send(&mut store, &first).unwrap();
    send(&mut store, &old).unwrap();
    let start = store.into_flash();
    let failure = Refusal::Parity { pair: 1 };
    let act = |store: &mut Store<Memory>| {
        let begin = announcement(&new);
        let next = store.begin(&begin)?;
        send_from(store, &new, next)?;
        store.commit(&begin.sha256, LIMITS, &mut |_| Err(failure))
    };
    let mut whole = mount(start.clone());
    assert_eq!(act(&mut whole), Err(failure));
    assert_eq!(running(&whole), Some(old.clone()), "the former model runs on");
    for cut in 0..whole.into_flash().operations() - start.operations() {
        for remains in REMAINS {
            let mut flash = start.clone();
            flash.set_power_cut(Some(PowerCut { operations: cut, remains }));
            let mut store = mount(flash);
            assert!(act(&mut store).is_err());
            let mut flash = store.into_flash();
            flash.set_power_cut(None);
            let mut store = mount(flash);
            assert_eq!(running(&store), Some(old.clone()), "cut {cut} {remains:?}");
            assert!(!store.has_fallen_back());
            send(&mut store, &new).unwrap();
            assert_eq!(running(&store), Some(new.clone()));
        }
    }
}

#[test]
fn the_older_model_takes_over_from_one_that_fails_and_nothing_is_erased() {
    let [old, new] = [1, 2].map(model);
    let mut store = mount(blank());
    assert_eq!(store.recheck(LIMITS, &mut accept), Err(Refusal::NoModel));
    send(&mut store, &old).unwrap();
    send(&mut store, &new).unwrap();
    let failure = Refusal::Parity { pair: 0 };
    let mut only_old = |model: &Model<'_>| if model.bytes() == old { Ok(()) } else { Err(failure) };
    let mut store = mount(store.into_flash());
    store.settle(&mut accept);
    assert_eq!((running(&store), store.has_fallen_back()), (Some(new.clone()), false));
    assert_eq!(store.recheck(LIMITS, &mut only_old), Err(failure));
    assert_eq!((running(&store), store.has_fallen_back()), (Some(old.clone()), true));
    assert_eq!(store.recheck(LIMITS, &mut only_old), Ok(()));
    let mut store = mount(store.into_flash());
    store.settle(&mut only_old);
    assert_eq!(running(&store), Some(old.clone()));
    let small = Limits { arena: 0, ..LIMITS };
    assert!(matches!(store.recheck(small, &mut accept), Err(Refusal::ArenaTooSmall { .. })));
    assert_eq!((running(&store), store.has_fallen_back()), (None, true));
    let mut store = mount(store.into_flash());
    store.settle(&mut |_| Err(failure));
    assert_eq!((running(&store), store.has_fallen_back()), (None, true));
    let mut store = mount(store.into_flash());
    store.settle(&mut accept);
    assert_eq!((running(&store), store.has_fallen_back()), (Some(new), false), "tried anew, it passes");
}

#[test]
fn pages_that_were_sent_are_not_sent_again() {
    let new = model(8);
    let begin = announcement(&new);
    for sent in [0, 1040, 4160, 8320, new.len()] {
        let mut store = mount(blank());
        assert_eq!(store.begin(&begin), Ok(0));
        send_from(&mut store, &new[..sent], 0).unwrap();
        let mut store = mount(store.into_flash());
        let next = store.begin(&begin).unwrap();
        assert_eq!(next, if sent == new.len() { sent as u32 } else { sent as u32 / PAGE * PAGE });
        send_from(&mut store, &new, next).unwrap();
        assert_eq!(store.commit(&begin.sha256, LIMITS, &mut accept), Ok(()));
        assert_eq!(store.begin(&begin), Ok(new.len() as u32), "the running model is not sent again");
        assert_eq!(store.commit(&begin.sha256, LIMITS, &mut accept), Ok(()));
    }
}

#[test]
fn many_power_cuts_in_a_row_lose_nothing() {
    let models: Vec<Vec<u8>> = (0..4).map(model).collect();
    let mut random = 1u32;
    let mut next = move |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % below
    };
    let (mut flash, mut saved, mut running_now): (Memory, Vec<u8>, Vec<u8>) = (blank(), Vec::new(), Vec::new());
    for step in 0..1500u32 {
        let remains = REMAINS[next(8) as usize];
        flash.set_power_cut((next(3) > 0).then(|| PowerCut { operations: next(3000), remains }));
        let mut store = mount(flash);
        let (payload, model) = (payload(step, next(7000) as usize), &models[next(4) as usize]);
        let is_save = next(2) == 0;
        let done = if is_save { save(&mut store, &payload) } else { send(&mut store, model) };
        flash = store.into_flash();
        flash.set_power_cut(None);
        let store = mount(flash);
        let (snapshot, found) = (store.snapshot().unwrap_or_default(), running(&store).unwrap_or_default());
        let kept = snapshot == saved && found == running_now;
        let changed =
            if is_save { snapshot == payload && found == running_now } else { snapshot == saved && found == *model };
        assert!(if done.is_ok() { changed } else { kept || changed }, "step {step}");
        (saved, running_now) = (snapshot.to_vec(), found);
        flash = store.into_flash();
    }
}

#[test]
fn what_cannot_run_is_refused_and_the_former_model_runs_on() {
    let (old, new) = (model(1), model(2));
    let mut store = mount(blank());
    send(&mut store, &old).unwrap();
    let mut broken = new.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(send(&mut store, &broken), Err(Refusal::InvalidModel(ModelError::Corrupt)));
    assert_eq!(send(&mut store, &new[..new.len() - 16]), Err(Refusal::InvalidModel(ModelError::Truncated)));
    assert_eq!(store.begin(&ModelBegin { sha256: [1; 32], ..announcement(&new) }), Ok(0));
    assert_eq!(store.commit(&[1; 32], LIMITS, &mut accept), Err(Refusal::WrongOffset { expected: 0 }));
    send_from(&mut store, &new, 0).unwrap();
    assert_eq!(store.commit(&[2; 32], LIMITS, &mut accept), Err(Refusal::NoTransfer));
    assert_eq!(store.commit(&[1; 32], LIMITS, &mut accept), Err(Refusal::WrongDigest));
    let capacity = store.model_capacity();
    let huge = ModelBegin { bytes: capacity + 1, sha256: [3; 32] };
    assert_eq!(store.begin(&huge), Err(Refusal::ModelTooLarge { capacity }));
    assert_eq!(store.chunk(&ModelChunk { offset: 0, bytes: &[0; 16] }), Err(Refusal::NoTransfer));
    store.begin(&announcement(&new)).unwrap();
    assert_eq!(store.chunk(&ModelChunk { offset: 16, bytes: &[0; 16] }), Err(Refusal::WrongOffset { expected: 0 }));
    assert_eq!(store.chunk(&ModelChunk { offset: 0, bytes: &[0; 15] }), Err(Refusal::WrongOffset { expected: 0 }));
    send_from(&mut store, &new, 0).unwrap();
    let needed = store.commit(&sha256(&new), Limits { arena: 0, ..LIMITS }, &mut accept).unwrap_err();
    assert!(matches!(needed, Refusal::ArenaTooSmall { capacity: 0, .. }), "{needed:?}");
    store.begin(&announcement(&new)).unwrap();
    send_from(&mut store, &new, 0).unwrap();
    let small = Limits { picture: 1, ..LIMITS };
    assert_eq!(store.commit(&sha256(&new), small, &mut accept), Err(Refusal::ImageSize { capacity: 1 }));
    assert_eq!(running(&mount(store.into_flash())), Some(old));
}

#[test]
fn any_bytes_in_flash_are_survived() {
    for seed in 0..50 {
        let garbage = payload(seed, blank().mapped().len());
        let lines = garbage.chunks(16).map(|line| Line::from(<[u8; 16]>::try_from(line).unwrap())).collect();
        let mut store = mount(MemoryFlash::new(lines));
        assert!(store.snapshot().is_none() && store.model().is_none());
        send(&mut store, &model(1)).unwrap();
        save(&mut store, b"gallery").unwrap();
        store.recover().unwrap();
        let store = mount(store.into_flash());
        assert!(store.snapshot().is_none() && store.model().is_none());
    }
}

/// Cuts the power at every operation of `act`, in every way, and lets `check` look at what remains.
fn cut_everywhere(
    start: &Memory,
    act: impl Fn(&mut Store<Memory>) -> Result<(), Refusal>,
    check: impl Fn(Memory),
) -> u32 {
    let mut whole = mount(start.clone());
    act(&mut whole).unwrap();
    let operations = whole.into_flash().operations() - start.operations();
    for cut in 0..operations {
        for remains in REMAINS {
            let mut flash = start.clone();
            flash.set_power_cut(Some(PowerCut { operations: cut, remains }));
            let mut store = mount(flash);
            assert_eq!(act(&mut store), Err(Refusal::Flash), "cut {cut} {remains:?}");
            let mut flash = store.into_flash();
            flash.set_power_cut(None);
            check(flash);
        }
    }
    operations
}

fn blank() -> Memory {
    MemoryFlash::new(vec![Line::ERASED; (2 * SNAPSHOT + 2 * 4 * PAGE) as usize / 16])
}

fn mount(flash: Memory) -> Store<Memory> {
    Store::mount(flash, SNAPSHOT)
}

fn save(store: &mut Store<Memory>, payload: &[u8]) -> Result<(), Refusal> {
    store.save(|sink| payload.chunks(37).try_for_each(|piece| sink.write(piece)))
}

/// Three pages long; what makes it long does not matter to the store.
fn model(seed: u32) -> Vec<u8> {
    let mut draft = small();
    draft.golden = (0..60).map(|number| (picture(seed * 1000 + number), vec![127; 6])).collect();
    draft.emit().to_vec()
}

fn announcement(file: &[u8]) -> ModelBegin {
    ModelBegin { bytes: file.len() as u32, sha256: sha256(file) }
}

fn send(store: &mut Store<Memory>, file: &[u8]) -> Result<(), Refusal> {
    let begin = announcement(file);
    let next = store.begin(&begin)?;
    send_from(store, file, next)?;
    store.commit(&begin.sha256, LIMITS, &mut accept)
}

fn send_from(store: &mut Store<Memory>, file: &[u8], next: u32) -> Result<(), Refusal> {
    let mut offset = next;
    for bytes in file[next as usize..].chunks(CHUNK) {
        offset = store.chunk(&ModelChunk { offset, bytes })?;
    }
    Ok(())
}

/// Every model is computed rightly.
fn accept(_: &Model<'_>) -> Result<(), Refusal> {
    Ok(())
}

fn running(store: &Store<Memory>) -> Option<Vec<u8>> {
    store.model().map(|model| model.bytes().to_vec())
}

fn payload(seed: u32, length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (seed.wrapping_add(i).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
