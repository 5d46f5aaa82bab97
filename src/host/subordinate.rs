//! The subordinate ids that were given to the caller: subuid(5), subgid(5).

use crate::sys::idmap::{Range, SubordinateIds};

/// Those of the caller; `None` where it has no users or no groups.
#[must_use]
pub fn look() -> Option<SubordinateIds> {
    let user = nix::unistd::geteuid().as_raw();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let passwd = read("/etc/passwd");
    let name = name_of(&passwd, user);
    Some(SubordinateIds {
        users: range_of(&read("/etc/subuid"), name, user)?,
        groups: range_of(&read("/etc/subgid"), name, user)?,
    })
}

/// A user's name, from the text of /etc/passwd: getpwuid(3) cannot be had in a static program.
fn name_of(passwd: &str, user: u32) -> Option<&str> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let mut names = fields.filter_map(|fields| {
        let number: u32 = fields.get(2)?.parse().ok()?;
        (number == user).then(|| fields[0])
    });
    names.next()
}

/// A user's first range, from the text of /etc/subuid or /etc/subgid; it is named there by its name or its number.
fn range_of(text: &str, name: Option<&str>, user: u32) -> Option<Range> {
    let number = user.to_string();
    let mut ranges = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let first = fields.next()?.parse().ok()?;
        let count = fields.next()?.trim().parse().ok()?;
        let is_own = owner == number || Some(owner) == name;
        is_own.then_some(Range { first, count })
    });
    ranges.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:1000::/home/anna:/bin/sh\nbroken\n";

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let name = name_of(PASSWD, 1000);
        assert_eq!(name, Some("anna"));
        assert_eq!(name_of(PASSWD, 7), None);
        let range = |first, count| Some(Range { first, count });
        let by_name = "eva:1:2\nanna:100000:65536\nanna:7:8\n";
        assert_eq!(range_of(by_name, name, 1000), range(100_000, 65_536));
        assert_eq!(range_of("1000:5:6", name, 1000), range(5, 6));
    }

    #[test]
    fn what_is_no_range_is_none() {
        for text in ["", "anna", "anna:x:1", "anna:1", "eva:1:2", ":::"] {
            assert_eq!(range_of(text, Some("anna"), 1000), None, "{text}");
        }
    }
}
