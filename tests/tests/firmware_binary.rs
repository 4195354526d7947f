//! What the linked firmware of every board promises, read from its machine code: between a picture and its embedding nothing
//! can panic, nothing computes with floating-point numbers, and the stack has a bound.
//!
//! Where the compiler's target is missing, the tests say so and pass, except in continuous integration (the environment has
//! `CI`).

use deja::simulator::machine::BOARDS;
use deja_tests::binary::Graph;
use deja_tests::binary::firmware::{self, Bound, EMBED, is_panic};

/// Most bytes on the stack between a picture and its embedding: kernels keep their scratch memory there, 6 KB at most.
const EMBED_STACK: u32 = 10 << 10;

#[test]
fn embedding_cannot_panic_and_computes_with_integers_alone() {
    for board in &BOARDS {
        let Some(program) = firmware::read(board) else { return };
        let graph = Graph::new(&program, &program.named(EMBED).unwrap(), is_panic).unwrap();
        let names = graph.names();
        println!("{}: {} functions; through registers {:#?}", board.name, names.len(), graph.indirect());
        let panic = graph.path_to(is_panic);
        assert!(panic.is_none(), "{} can panic: {panic:#?}", board.name);
        let float = graph.path_to(is_soft_float);
        assert!(float.is_none(), "{} has floating-point numbers: {float:#?}", board.name);
        assert!(graph.floats().is_empty(), "{} has floating-point numbers: {:#x?}", board.name, graph.floats());
        // The walk has seen the kernels, and not only what stands before them.
        let kernels = names.iter().filter(|name| name.starts_with("deja_firmware::kernels::")).count();
        assert!(kernels > 20, "{}: {names:#?}", board.name);
    }
}

/// That panics would be found: all else in the firmware has some on its paths.
#[test]
fn panics_elsewhere_are_found() {
    for board in &BOARDS {
        let Some(program) = firmware::read(board) else { return };
        let graph = Graph::new(&program, &program.named("Reset").unwrap(), is_panic).unwrap();
        let path = graph.path_to(is_panic).unwrap();
        assert_eq!(path.first(), Some(&"Reset"), "{}: {path:#?}", board.name);
    }
}

#[test]
fn the_stack_has_a_bound() {
    for board in &BOARDS {
        let Some(program) = firmware::read(board) else { return };
        let (bound, reserved) = (Bound::of(&program).unwrap(), program.linked("_stack_bytes").unwrap());
        let (embed, all) = (bound.embed.bytes, bound.bytes());
        println!("{}: {embed} bytes of stack to embed, {all} in all, {reserved} reserved", board.name);
        assert!(embed > 1000 && embed <= EMBED_STACK, "{}: {bound:#?}", board.name);
        assert!(all > embed && all <= reserved, "{}: {bound:#?}", board.name);
    }
}

/// What compilers call for floating-point arithmetic without instructions for it, such as `__aeabi_fadd` or `__aeabi_i2d`.
fn is_soft_float(name: &str) -> bool {
    let helper = name.strip_prefix("__aeabi_").is_some_and(|name| {
        name.starts_with(['f', 'd', 'h', 'c']) || ["i2", "ui2", "l2", "ul2"].iter().any(|from| name.starts_with(from))
    });
    helper || name.starts_with("compiler_builtins::float")
}
