//! Where a library is looked for.

use object::elf;

use super::*;

#[test]
fn rpath_holds_for_libraries_of_libraries_and_runpath_does_not() {
    let root = Root::new();
    root.elf("rpath", &program().rpath("$ORIGIN/lib").needed(&["b"]))
        .elf("runpath", &program().runpath("$ORIGIN/lib").needed(&["b"]))
        .elf(
            "cancelled",
            &program()
                .rpath("$ORIGIN/lib")
                .runpath("$ORIGIN/none")
                .needed(&["b"]),
        )
        .elf("lib/b", &Elf::new().needed(&["c"]))
        .elf("lib/c", &Elf::new());
    assert_eq!(root.libraries("rpath"), ["b => lib/b", "c => lib/c"]);
    assert_eq!(root.libraries("runpath"), ["b => lib/b", "c => not found"]);
    assert_eq!(root.libraries("cancelled"), ["b => not found"]);
}

#[test]
fn an_rpath_is_inherited_from_who_asked_and_not_from_others() {
    let root = Root::new();
    root.elf("a", &program().rpath("$ORIGIN/1").needed(&["b", "e"]))
        .elf("1/b", &Elf::new().rpath("$ORIGIN/../2").needed(&["c"]))
        .elf("2/c", &Elf::new().needed(&["d"]))
        .elf("2/d", &Elf::new())
        .elf("1/e", &Elf::new().needed(&["f"]))
        .elf("2/f", &Elf::new());
    let expected = [
        "b => 1/b",
        "e => 1/e",
        "c => 1/../2/c",
        "f => not found",
        "d => 1/../2/d",
    ];
    assert_eq!(root.libraries("a"), expected);
}

#[test]
fn a_runpath_hides_the_rpaths_above_it() {
    let root = Root::new();
    root.elf("a", &program().rpath("$ORIGIN/1").needed(&["b"]))
        .elf(
            "1/b",
            &Elf::new().runpath("$ORIGIN/../2").needed(&["c", "d"]),
        )
        .elf("1/c", &Elf::new())
        .elf("2/d", &Elf::new().needed(&["c"]));
    // Nothing of b's leads to c, so the program does not start; d's would, and ldd says both too.
    let expected = ["b => 1/b", "c => not found", "d => 1/../2/d", "c => 1/c"];
    assert_eq!(root.libraries("a"), expected);
}

#[test]
fn the_nearest_rpath_comes_first_and_runpath_before_the_system() {
    let root = Root::new();
    root.elf("a", &program().rpath("$ORIGIN/far").needed(&["b"]))
        .elf(
            "far/b",
            &Elf::new()
                .rpath("$ORIGIN/../near")
                .needed(&["c", "libc.so.6"]),
        )
        .elf("far/c", &Elf::new())
        .elf("near/c", &Elf::new())
        .elf("far/libc.so.6", &Elf::new());
    let expected = [
        "b => far/b",
        "c => far/../near/c",
        "libc.so.6 => far/libc.so.6",
    ];
    assert_eq!(root.libraries("a"), expected);
}

#[test]
fn origin_is_the_resolved_program_and_the_path_of_a_library() {
    let root = Root::new();
    root.elf(
        "opt/bin/a",
        &program().runpath("${ORIGIN}/../lib").needed(&["b"]),
    )
    .link("bin/a", "opt/bin/a")
    .elf("store/b", &Elf::new().runpath("$ORIGIN").needed(&["c"]))
    .link("opt/lib/b", "store/b")
    .elf("opt/lib/c", &Elf::new())
    .elf("store/c", &Elf::new());
    let expected = ["b => opt/bin/../lib/b", "c => opt/bin/../lib/c"];
    assert_eq!(root.libraries("bin/a"), expected);
}

#[test]
fn lib_and_platform_stand_for_names_of_the_architecture() {
    let root = Root::new();
    root.elf(
        "a",
        &program()
            .runpath("$ORIGIN/$LIB:$ORIGIN/$PLATFORM")
            .needed(&["b", "c", "d"]),
    )
    .elf("lib/x86_64-linux-gnu/b", &Elf::new())
    .elf("lib64/b", &Elf::new())
    .elf("lib64/c", &Elf::new())
    .elf("x86_64/d", &Elf::new());
    let expected = [
        "b => lib/x86_64-linux-gnu/b",
        "c => lib64/c",
        "d => x86_64/d",
    ];
    assert_eq!(root.libraries("a"), expected);
}

#[test]
fn a_name_with_a_slash_is_a_path() {
    let root = Root::new();
    let absolute = root.path("lib/c");
    root.elf(
        "a",
        &program().needed(&["$ORIGIN/lib/b", absolute.to_str().unwrap(), "/none/d"]),
    )
    .elf("lib/b", &Elf::new())
    .elf("lib/c", &Elf::new());
    let absolute = format!("{} => lib/c", absolute.display());
    let expected = ["$ORIGIN/lib/b => lib/b", &absolute, "/none/d => not found"];
    assert_eq!(root.libraries("a"), expected);
}

#[test]
fn libraries_of_another_architecture_are_passed_over() {
    let root = Root::new();
    root.elf(
        "a",
        &program()
            .runpath("$ORIGIN/1:$ORIGIN/2:$ORIGIN/3")
            .needed(&["b"]),
    )
    .elf(
        "1/b",
        &Elf {
            machine: elf::EM_AARCH64.0,
            ..Elf::new()
        },
    )
    .elf(
        "2/b",
        &Elf {
            is_64: false,
            ..Elf::new()
        },
    )
    .elf("3/b", &Elf::new());
    assert_eq!(root.libraries("a"), ["b => 3/b"]);
}

#[test]
fn musl_is_searched_by_its_own_rules() {
    let root = Root::new();
    let loader = root.path("lib/ld-musl-x.so.1");
    let musl = Elf::new().interpreter(loader.to_str().unwrap());
    let system = root.path("sys").display().to_string();
    root.elf("lib/ld-musl-x.so.1", &Elf::new())
        .write("etc/ld-musl-x.path", system.as_bytes())
        .elf(
            "a",
            &musl.runpath("$ORIGIN/run").needed(&["b", "libc.so", "e"]),
        )
        .elf("run/b", &Elf::new().needed(&["c", "d", "libc.musl-x.so.1"]))
        .elf("run/c", &Elf::new().soname("g"))
        .elf(
            "sys/d",
            &Elf::new()
                .runpath("$ORIGIN/../f:$LIB")
                .needed(&["f", "g", "libpthread.so.0"]),
        )
        .elf("sys/e", &Elf::new())
        .elf("sys/libc.so", &Elf::new())
        .elf("f/f", &Elf::new());
    // a's RUNPATH holds for b too, d's is void for its $LIB, and c's DT_SONAME is no name that c is known by.
    let expected = [
        "b => run/b",
        "e => sys/e",
        "c => run/c",
        "d => sys/d",
        "f => not found",
        "g => not found",
    ];
    assert_eq!(root.libraries("a"), expected);
    let found = closure(&root.path("a")).unwrap().libraries;
    assert_eq!(
        found[1],
        Library {
            name: loader.clone().into(),
            path: Some(loader)
        }
    );
}
