//! What one ELF file says to the dynamic loader, from its first header on: elf(5).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

use super::dynamic::Dynamic;
use super::error::Cause;

/// The longest program header table that the kernel reads, in bytes (`load_elf_phdrs` in fs/binfmt_elf.c).
const MOST_PROGRAM_HEADERS: usize = 64 * 1024;
/// The longest path of a loader or a script's interpreter, in bytes: PATH_MAX, as in the kernel.
const LONGEST_INTERPRETER: u64 = 4096;

/// The kind of machine code: a loader passes over libraries of another kind than the program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Abi {
    pub machine: elf::Machine,
    pub is_64: bool,
    pub is_little_endian: bool,
}

/// The part of an ELF file that decides which libraries are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub abi: Abi,
    /// PT_INTERP: the path of the loader. Libraries and static programs have none.
    pub interpreter: Option<OsString>,
    /// The dynamic section; a static program has none.
    pub dynamic: Dynamic,
}

impl Image {
    /// Reads the headers and the dynamic section, and nothing else.
    pub fn parse<'data, R: ReadRef<'data>>(data: R) -> Result<Self, Cause> {
        let length = data.len().map_err(|()| truncated("the file"))?;
        let start = data
            .read_bytes_at(0, length.min(64))
            .map_err(|()| truncated("the file"))?;
        if start.starts_with(b"#!") {
            let line = data.read_bytes_at(2, (length - 2).min(LONGEST_INTERPRETER));
            return Err(Cause::Script(script_interpreter(line.unwrap_or(start))));
        }
        if !start.starts_with(&elf::ELFMAG) {
            return Err(Cause::NotElf);
        }
        match start.get(4).copied().map(elf::FileClass) {
            Some(elf::ELFCLASS32) => Self::parse_class::<FileHeader32<Endianness>, R>(data),
            Some(elf::ELFCLASS64) => Self::parse_class::<FileHeader64<Endianness>, R>(data),
            Some(_) => Err(Cause::Malformed("neither 32 nor 64 bits".into())),
            None => Err(truncated("the header")),
        }
    }

    fn parse_class<'data, H, R>(data: R) -> Result<Self, Cause>
    where
        H: FileHeader<Endian = Endianness>,
        R: ReadRef<'data>,
    {
        let header = H::parse(data)?;
        let endian = header.endian()?;
        if !matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN) {
            return Err(Cause::Malformed("neither executable nor shared".into()));
        }
        let table = usize::from(header.e_phnum(endian)) * usize::from(header.e_phentsize(endian));
        if table > MOST_PROGRAM_HEADERS {
            return Err(Cause::Malformed("too many program headers".into()));
        }
        let segments = header.program_headers(endian, data)?;
        let of_type = |kind| segments.iter().find(move |s| s.p_type(endian) == kind);
        let dynamic = match of_type(elf::PT_DYNAMIC) {
            Some(segment) => Dynamic::read::<H, R>(segment, segments, endian, data)?,
            None => Dynamic::default(),
        };
        Ok(Self {
            abi: Abi {
                machine: header.e_machine(endian),
                is_64: header.is_class_64(),
                is_little_endian: header.is_little_endian(),
            },
            interpreter: of_type(elf::PT_INTERP)
                .map(|segment| interpreter(segment, endian, data))
                .transpose()?,
            dynamic,
        })
    }
}

pub(super) fn truncated(what: &str) -> Cause {
    Cause::Malformed(format!("{what} ends too early"))
}

/// The interpreter's path in what follows `#!`, as execve(2) takes it.
fn script_interpreter(line: &[u8]) -> String {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    line.split_whitespace().next().unwrap_or("").to_owned()
}

fn interpreter<'data, P, R>(segment: &P, endian: P::Endian, data: R) -> Result<OsString, Cause>
where
    P: ProgramHeader,
    R: ReadRef<'data>,
{
    if segment.p_filesz(endian).into() > LONGEST_INTERPRETER {
        return Err(Cause::Malformed("the loader's path is too long".into()));
    }
    let path = segment.interpreter(endian, data)?.unwrap_or_default();
    Ok(OsString::from_vec(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Elf;
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Image, Cause> {
        Image::parse(bytes)
    }

    fn program() -> Elf {
        Elf::new()
            .interpreter("/lib64/ld.so")
            .needed(&["libb.so"])
            .soname("me.so")
            .needed(&["liba.so"])
            .rpath("/r")
    }

    #[test]
    fn reads_both_classes_and_both_byte_orders() {
        for (is_64, is_little_endian) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let elf = Elf {
                is_64,
                is_little_endian,
                ..program()
            };
            let image = parse(&elf.build()).unwrap();
            assert_eq!(image.abi.machine, elf::EM_X86_64);
            assert_eq!(image.abi.is_64, is_64);
            assert_eq!(image.abi.is_little_endian, is_little_endian);
            assert_eq!(image.interpreter.unwrap(), "/lib64/ld.so");
            assert_eq!(image.dynamic.needed, ["libb.so", "liba.so"]);
            assert_eq!(image.dynamic.soname.unwrap(), "me.so");
            assert_eq!(image.dynamic.rpath.unwrap(), "/r");
            assert_eq!(image.dynamic.runpath, None);
        }
    }

    #[test]
    fn refuses_tables_of_absurd_sizes() {
        let message = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        let mut bytes = program().build();
        bytes[56..58].copy_from_slice(&[0xff, 0xff]);
        assert!(message(&bytes).ends_with("too many program headers"));
        for (count, size, too_many) in [(1024_u16, 64_u16, false), (1025, 64, true)] {
            bytes[54..56].copy_from_slice(&size.to_le_bytes());
            bytes[56..58].copy_from_slice(&count.to_le_bytes());
            let told = message(&bytes).ends_with("too many program headers");
            assert_eq!(told, too_many, "{count} of {size} bytes");
        }
        let long = Elf::new().interpreter(&"x".repeat(4096));
        assert!(message(&long.build()).ends_with("the loader's path is too long"));
        let longest = Elf::new().interpreter(&"x".repeat(4095));
        assert_eq!(
            parse(&longest.build()).unwrap().interpreter.unwrap().len(),
            4095
        );
        // Beside them there are the string table and the end, 16 bytes each.
        let largest = Elf::new().needed(&["x"; 4094]);
        assert_eq!(parse(&largest.build()).unwrap().dynamic.needed.len(), 4094);
        let large = Elf::new().needed(&["x"; 4095]);
        assert!(message(&large.build()).ends_with("the dynamic section is too large"));
    }

    #[test]
    fn tells_scripts_and_other_files_apart() {
        for (line, interpreter) in [
            ("#!/bin/sh\necho", "/bin/sh"),
            ("#! /usr/bin/env perl", "/usr/bin/env"),
            ("#!", ""),
        ] {
            let Err(Cause::Script(found)) = parse(line.as_bytes()) else {
                panic!("{line}")
            };
            assert_eq!(found, interpreter);
        }
        let long = format!("#!/{}\n", "x".repeat(200));
        assert!(matches!(parse(long.as_bytes()), Err(Cause::Script(i)) if i.len() == 201));
        for bytes in [b"".as_slice(), b"#", b"\x7fEL", b"!<arch>\n", &[0; 4096]] {
            assert!(matches!(parse(bytes), Err(Cause::NotElf)), "{bytes:?}");
        }
        let object = Elf {
            file_type: elf::ET_REL.0,
            ..Elf::new()
        };
        assert!(matches!(parse(&object.build()), Err(Cause::Malformed(_))));
    }

    #[test]
    fn names_what_is_damaged_when_cut_short() {
        let whole = program().build();
        for length in elf::ELFMAG.len()..whole.len() {
            let error = parse(&whole[..length]).expect_err("a part is no program");
            assert!(matches!(error, Cause::Malformed(_)), "{length}: {error}");
        }
    }

    #[test]
    fn survives_any_byte_being_another() {
        let mut bytes = program().build();
        for at in 0..bytes.len() {
            let original = bytes[at];
            for value in 0..=u8::MAX {
                bytes[at] = value;
                let _ = parse(&bytes);
            }
            bytes[at] = original;
        }
    }
}
