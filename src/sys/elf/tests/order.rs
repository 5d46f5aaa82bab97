//! Which libraries there are, in which order, each once.

use object::elf;

use super::*;

#[test]
fn a_static_program_loads_nothing() {
    let root = Root::new();
    let executable = Elf {
        file_type: elf::ET_EXEC.0,
        ..Elf::new()
    };
    root.elf("static", &executable)
        .elf("static-pie", &Elf::new().soname("x"));
    for name in ["static", "static-pie"] {
        assert_eq!(closure(&root.path(name)).unwrap(), Closure::default());
    }
}

#[test]
fn a_program_without_libraries_loads_its_loader() {
    let root = Root::new();
    let loader = root.path("ld.so");
    root.elf("ld.so", &Elf::new())
        .elf("a", &Elf::new().interpreter(loader.to_str().unwrap()));
    let found = closure(&root.path("a")).unwrap();
    assert_eq!(found.loader.as_ref(), Some(&loader));
    let library = Library {
        name: loader.clone().into(),
        path: Some(loader.clone()),
    };
    assert_eq!(found.libraries, [library]);
    fs::remove_file(loader).unwrap();
    assert_eq!(closure(&root.path("a")).unwrap().libraries[0].path, None);
}

#[test]
fn the_loader_stands_where_it_is_needed_first() {
    let root = Root::new();
    let loader = root.path("ld.so");
    root.elf(
        "a",
        &Elf::new()
            .interpreter(loader.to_str().unwrap())
            .runpath("$ORIGIN")
            .needed(&["ld.so", "b"]),
    )
    .elf("b", &Elf::new().needed(&["ld.so"]))
    .elf("ld.so", &Elf::new());
    let found = closure(&root.path("a")).unwrap().libraries;
    let names: Vec<_> = found
        .iter()
        .map(|library| library.name.as_os_str())
        .collect();
    assert_eq!(names, [loader.as_os_str(), OsStr::new("b")]);
}

#[test]
fn libraries_come_breadth_first_and_once() {
    let root = Root::new();
    root.elf("a", &program().rpath("$ORIGIN").needed(&["b", "c", "b"]))
        .elf("b", &Elf::new().needed(&["d", "c"]))
        .elf("c", &Elf::new().needed(&["e", "a", "none"]))
        .elf("d", &Elf::new().needed(&["d", "none"]))
        .elf("e", &Elf::new().needed(&["b"]));
    let expected = ["b => b", "c => c", "d => d", "e => e", "none => not found"];
    assert_eq!(root.libraries("a"), expected);
}

#[test]
fn one_file_of_two_names_is_loaded_once() {
    let root = Root::new();
    root.elf(
        "a",
        &program()
            .runpath("$ORIGIN")
            .needed(&["b.so.1", "b.so", "c", "d"]),
    )
    .elf("b.so.1", &Elf::new())
    .link("b.so", "b.so.1")
    .elf("c", &Elf::new().soname("d"));
    assert_eq!(root.libraries("a"), ["b.so.1 => b.so.1", "c => c"]);
}

#[test]
fn a_missing_library_is_listed_once() {
    let root = Root::new();
    let needs = |name| Elf::new().needed(&["none", name]);
    root.elf("a", &program().rpath("$ORIGIN").needed(&["b", "none"]))
        .elf("b", &needs("c"))
        .elf("c", &Elf::new().needed(&["none"]));
    assert_eq!(
        root.libraries("a"),
        ["b => b", "none => not found", "c => c"]
    );
}

#[test]
fn the_loader_under_another_name_is_the_loader() {
    let root = Root::new();
    let loader = root.path("ld.so");
    let program = Elf::new().interpreter(loader.to_str().unwrap());
    root.elf("a", &program.runpath("$ORIGIN").needed(&["b"]))
        .elf("ld.so", &Elf::new())
        .link("b", "ld.so");
    let found = closure(&root.path("a")).unwrap().libraries;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, loader);
}
