//! The dynamic section of an ELF file and the names in it: "Dynamic tags" of elf(5).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadRef};

use super::error::Cause;
use super::image::truncated;

/// The largest dynamic section that is read, in bytes: 4096 entries of 64 bits. The largest programs have hundreds.
const LARGEST_DYNAMIC: u64 = 64 * 1024;
/// The longest name, in bytes: PATH_MAX. There may be thousands of names, so this bounds what they cost.
const LONGEST_NAME: u64 = 4096;
/// The longest search path, in bytes. Those of some package managers reach thousands.
const LONGEST_SEARCH_PATH: u64 = 64 * 1024;

/// What a dynamic section says about other files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dynamic {
    /// DT_SONAME: the name under which others need it.
    pub soname: Option<OsString>,
    /// DT_NEEDED, in their order.
    pub needed: Vec<OsString>,
    /// DT_RPATH, unless there is a DT_RUNPATH, which cancels it.
    pub rpath: Option<OsString>,
    /// DT_RUNPATH.
    pub runpath: Option<OsString>,
}

impl Dynamic {
    /// Reads the section, of at most 64 KiB, and the names that it points to.
    pub fn read<'data, H, R>(
        segment: &H::ProgramHeader,
        segments: &[H::ProgramHeader],
        endian: Endianness,
        data: R,
    ) -> Result<Self, Cause>
    where
        H: FileHeader<Endian = Endianness>,
        R: ReadRef<'data>,
    {
        let entries = entries::<H, R>(segment, endian, data)?;
        let all = |tag| entries.iter().filter(move |entry| entry.tag(endian) == tag);
        // Of tags that stand once, loaders take the last.
        let last = |tag| all(tag).next_back().map(|entry| entry.val(endian));
        let address = last(elf::DT_STRTAB).unwrap_or(0);
        let strings = Strings::at::<H>(address, segments, endian, data);
        let name = |at| strings.get(at, LONGEST_NAME);
        let search_path = |at| strings.get(at, LONGEST_SEARCH_PATH);
        let runpath = last(elf::DT_RUNPATH).map(search_path).transpose()?;
        let rpath = match runpath {
            Some(_) => None,
            None => last(elf::DT_RPATH).map(search_path).transpose()?,
        };
        Ok(Self {
            soname: last(elf::DT_SONAME).map(name).transpose()?,
            needed: all(elf::DT_NEEDED)
                .map(|entry| name(entry.val(endian)))
                .collect::<Result<_, _>>()?,
            rpath,
            runpath,
        })
    }
}

/// The dynamic section up to its DT_NULL.
fn entries<'data, H, R>(
    segment: &H::ProgramHeader,
    endian: H::Endian,
    data: R,
) -> Result<&'data [H::Dyn], Cause>
where
    H: FileHeader,
    R: ReadRef<'data>,
{
    let (offset, size) = segment.file_range(endian);
    if size > LARGEST_DYNAMIC {
        return Err(Cause::Malformed("the dynamic section is too large".into()));
    }
    let count = usize::try_from(size).unwrap_or(0) / size_of::<H::Dyn>();
    let entries: &[H::Dyn] = data
        .read_slice_at(offset, count)
        .map_err(|()| truncated("the dynamic section"))?;
    let end = entries
        .iter()
        .position(|entry| entry.tag(endian) == elf::DT_NULL);
    Ok(&entries[..end.unwrap_or(count)])
}

/// The string table of the dynamic section, by its place in the file. It ends with its segment at the latest: loaders
/// do not look at DT_STRSZ.
struct Strings<R> {
    data: R,
    start: u64,
    end: u64,
}

impl<'data, R: ReadRef<'data>> Strings<R> {
    /// The table at a virtual address; empty when no loaded segment has that address.
    fn at<H: FileHeader>(
        address: u64,
        segments: &[H::ProgramHeader],
        endian: H::Endian,
        data: R,
    ) -> Self {
        let place = segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
            .find_map(|segment| {
                let (offset, length) = segment.file_range(endian);
                let skip = address.checked_sub(segment.p_vaddr(endian).into())?;
                let rest = length.checked_sub(skip).filter(|rest| *rest > 0)?;
                let start = offset.checked_add(skip)?;
                Some((start, start.checked_add(rest)?))
            });
        let (start, end) = place.unwrap_or((0, 0));
        Self { data, start, end }
    }

    /// The string at `offset`. Read in growing windows, because a table may have megabytes and a name has a few bytes.
    fn get(&self, offset: u64, longest: u64) -> Result<OsString, Cause> {
        let start = self.start.checked_add(offset);
        let start = start
            .filter(|start| *start < self.end)
            .ok_or_else(|| Cause::Malformed("a name lies outside the string table".into()))?;
        let longest = longest.min(self.end - start);
        let mut window = 256;
        loop {
            let size = longest.min(window);
            let bytes = self
                .data
                .read_bytes_at(start, size)
                .map_err(|()| truncated("the string table"))?;
            if let Some(length) = bytes.iter().position(|byte| *byte == 0) {
                return Ok(OsString::from_vec(bytes[..length].to_owned()));
            }
            if size == longest {
                return Err(truncated("a name"));
            }
            window *= 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::Image;
    use super::super::tests::fixture::Elf;
    use super::*;

    fn read(elf: &Elf) -> Result<Dynamic, Cause> {
        Image::parse(elf.build().as_slice()).map(|image| image.dynamic)
    }

    /// What becomes of a string of this length, with its NUL.
    fn named(length: u64, of: impl Fn(Elf, &str) -> Elf) -> Result<Dynamic, Cause> {
        let string = "n".repeat(usize::try_from(length - 1).unwrap());
        read(&of(Elf::new(), &string))
    }

    #[test]
    fn reads_long_strings_but_not_endless_ones() {
        let name = |elf: Elf, string: &str| elf.needed(&[string]);
        for length in [2, 256, 257, 1025, LONGEST_NAME] {
            let dynamic = named(length, name).unwrap();
            assert_eq!(dynamic.needed[0].len() as u64, length - 1);
        }
        let error = named(LONGEST_NAME + 1, name).unwrap_err();
        assert!(matches!(error, Cause::Malformed(_)), "{error}");

        let path = |elf: Elf, string: &str| elf.runpath(string);
        let dynamic = named(LONGEST_SEARCH_PATH, path).unwrap();
        assert_eq!(
            dynamic.runpath.unwrap().len() as u64,
            LONGEST_SEARCH_PATH - 1
        );
        let error = named(LONGEST_SEARCH_PATH + 1, path).unwrap_err();
        assert!(matches!(error, Cause::Malformed(_)), "{error}");
    }

    #[test]
    fn a_string_is_in_the_segment_of_its_address_and_ends_with_it() {
        use object::elf::{FileHeader64, ProgramHeader64};
        use object::endian::{U32, U64};
        let endian = Endianness::Little;
        let word = |number| U64::new(endian, number);
        let segment = |at, address, size| ProgramHeader64 {
            p_type: U32::new(endian, elf::PT_LOAD),
            p_flags: U32::new(endian, elf::PF_R),
            p_offset: word(at),
            p_vaddr: word(address),
            p_paddr: word(address),
            p_filesz: word(size),
            p_memsz: word(size),
            p_align: word(1),
        };
        let segments = [segment(0, 0x1000, 4), segment(4, 0x1004, 4)];
        let data = b"one\0two\0".as_slice();
        for (address, offset, string) in [
            (0x1000, 0, Some("one")),
            (0x1001, 2, Some("")),
            (0x1004, 1, Some("wo")),
            (0x1000, 4, None),
            (0x1008, 0, None),
        ] {
            let strings = Strings::at::<FileHeader64<_>>(address, &segments, endian, data);
            match (strings.get(offset, LONGEST_NAME), string) {
                (Ok(found), Some(string)) => assert_eq!(found, string),
                (Err(cause), None) => assert!(cause.to_string().contains("outside"), "{cause}"),
                other => panic!("{address:#x} {offset}: {other:?}"),
            }
        }
    }

    #[test]
    fn drops_the_rpath_beside_a_runpath() {
        let dynamic = read(&Elf::new().runpath("/new").rpath("/old")).unwrap();
        assert_eq!(
            (dynamic.rpath, dynamic.runpath),
            (None, Some("/new".into()))
        );
    }

    #[test]
    fn takes_the_last_of_two_and_nothing_behind_the_end() {
        let mut elf = Elf::new().rpath("/1").rpath("/2").needed(&["a"]);
        elf.dynamic.push((elf::DT_NULL.0, String::new()));
        let dynamic = read(&elf.rpath("/3").needed(&["b"])).unwrap();
        assert_eq!(dynamic.rpath.unwrap(), "/2");
        assert_eq!(dynamic.needed, ["a"]);
    }
}
