//! Small ELF files for tests: headers, a loader's path, a dynamic section, strings, and no code.

use object::elf;

/// Where the only segment is in memory, so that addresses differ from places in the file.
const BASE: u64 = 0x40_0000;

/// An ELF file to be built.
#[derive(Debug, Clone)]
pub(in super::super) struct Elf {
    pub is_64: bool,
    pub is_little_endian: bool,
    pub machine: u16,
    pub file_type: u16,
    pub interpreter: Option<String>,
    pub dynamic: Vec<(i64, String)>,
}

impl Elf {
    /// A shared object for x86-64.
    pub fn new() -> Self {
        Self {
            is_64: true,
            is_little_endian: true,
            machine: elf::EM_X86_64.0,
            file_type: elf::ET_DYN.0,
            interpreter: None,
            dynamic: Vec::new(),
        }
    }

    pub fn interpreter(mut self, path: &str) -> Self {
        self.interpreter = Some(path.into());
        self
    }

    /// Needs these libraries, in their order.
    pub fn needed(self, names: &[&str]) -> Self {
        let add = |elf: Self, name: &&str| elf.dynamic(elf::DT_NEEDED, name);
        names.iter().fold(self, add)
    }

    pub fn soname(self, name: &str) -> Self {
        self.dynamic(elf::DT_SONAME, name)
    }

    pub fn rpath(self, list: &str) -> Self {
        self.dynamic(elf::DT_RPATH, list)
    }

    pub fn runpath(self, list: &str) -> Self {
        self.dynamic(elf::DT_RUNPATH, list)
    }

    fn dynamic(mut self, tag: elf::DynamicTag, value: &str) -> Self {
        self.dynamic.push((tag.0, value.into()));
        self
    }

    /// The bytes: header, three program headers, dynamic section, strings, the loader's path.
    pub fn build(&self) -> Vec<u8> {
        let word = if self.is_64 { 8 } else { 4 };
        let (header, program_header) = if self.is_64 { (64, 56) } else { (52, 32) };
        let dynamic_at = header + 3 * program_header;
        let dynamic_size = if self.dynamic.is_empty() {
            0
        } else {
            (self.dynamic.len() as u64 + 2) * 2 * word
        };
        let strings_at = dynamic_at + dynamic_size;
        let mut strings = vec![0];
        let mut entries = vec![(elf::DT_STRTAB.0, BASE + strings_at)];
        for (tag, value) in &self.dynamic {
            entries.push((*tag, strings.len() as u64));
            strings.extend(value.bytes().chain([0]));
        }
        entries.push((elf::DT_NULL.0, 0));

        let interpreter_at = strings_at + strings.len() as u64;
        let interpreter = self.interpreter.as_ref().map(|path| format!("{path}\0"));
        let interpreter = interpreter.unwrap_or_default();
        let end = interpreter_at + interpreter.len() as u64;

        let mut out = Writer::new(self);
        out.header(header, program_header);
        out.segment(elf::PT_LOAD, 0, end);
        out.segment(elf::PT_INTERP, interpreter_at, interpreter.len() as u64);
        out.segment(elf::PT_DYNAMIC, dynamic_at, dynamic_size);
        if dynamic_size > 0 {
            for (tag, value) in entries {
                out.word(tag.cast_unsigned());
                out.word(value);
            }
        }
        out.bytes.extend(strings);
        out.bytes.extend(interpreter.bytes());
        out.bytes
    }
}

/// Numbers in the class and byte order of a file.
struct Writer<'a> {
    elf: &'a Elf,
    bytes: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(elf: &'a Elf) -> Self {
        let class = if elf.is_64 { 2 } else { 1 };
        let order = if elf.is_little_endian { 1 } else { 2 };
        let mut bytes = elf::ELFMAG.to_vec();
        bytes.extend([class, order, 1, 0]);
        bytes.resize(16, 0);
        Self { elf, bytes }
    }

    fn header(&mut self, size: u64, program_header: u64) {
        self.number(u64::from(self.elf.file_type), 2);
        self.number(u64::from(self.elf.machine), 2);
        self.number(1, 4);
        self.word(0);
        self.word(size);
        self.word(0);
        self.number(0, 4);
        for value in [size, program_header, 3, 0, 0, 0] {
            self.number(value, 2);
        }
    }

    /// A program header; a part that is empty is none.
    fn segment(&mut self, kind: elf::ProgramType, offset: u64, size: u64) {
        let kind = if size == 0 { elf::PT_NULL } else { kind };
        self.number(u64::from(kind.0), 4);
        if self.elf.is_64 {
            self.number(4, 4);
        }
        for value in [offset, BASE + offset, BASE + offset, size, size] {
            self.word(value);
        }
        if !self.elf.is_64 {
            self.number(4, 4);
        }
        self.word(1);
    }

    fn word(&mut self, value: u64) {
        self.number(value, if self.elf.is_64 { 8 } else { 4 });
    }

    fn number(&mut self, value: u64, size: usize) {
        if self.elf.is_little_endian {
            self.bytes.extend(&value.to_le_bytes()[..size]);
        } else {
            self.bytes.extend(&value.to_be_bytes()[8 - size..]);
        }
    }
}
