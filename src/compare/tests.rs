use super::*;

const REVIEWED: &str = "# hostname\nhappy\n# unshare --uts\n  # hostname inner\n  # hostname\n  inner\n# cat a\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";

#[test]
fn equal_texts_differ_in_nothing() {
    assert!(diff("a\nb", "a\r\nb\n\n", 1).is_empty());
    assert!(diff("", "\n", 1).is_empty());
    assert_eq!(diff("a", "a", 1).plain(), "");
}

#[test]
fn all_of_a_new_transcript_is_inserted() {
    assert_eq!(diff("", "# pwd\n/", 5).plain(), "  5 + # pwd\n  6 + /\n");
    assert_eq!(diff("/\n", "\n", 5).plain(), "5   - /\n");
}

#[test]
fn a_change_is_shown_with_its_lines_in_the_file_and_its_step() {
    let observed = REVIEWED.replace("happy", "life").replace('8', "eight");
    let shown = "
 5  5   # hostname
 6    - happy
    6 + life
 7  7   # unshare --uts
 8  8     # hostname inner
 9  9     # hostname
...
       # cat a
16 16   5
17 17   6
18 18   7
19    - 8
   19 + eight
20 20   9
";
    assert_eq!(diff(REVIEWED, &observed, 5).plain(), shown[1..]);
}

#[test]
fn numbers_follow_each_side() {
    let lines = &diff("a\nb\nc", "b\nc\nd", 10).hunks[0].lines;
    let numbers: Vec<_> = lines.iter().map(|line| (line.old, line.new)).collect();
    assert_eq!(
        numbers,
        [
            (Some(10), None),
            (Some(11), Some(10)),
            (Some(12), Some(11)),
            (None, Some(12))
        ]
    );
}

#[test]
fn what_cannot_be_seen_is_made_visible() {
    assert_eq!(
        diff("a\nx\ty\nz", "a \nx y\u{a0}\nz", 1).plain(),
        "1   - a\n2   - x\\ty\n  1 + a·\n  2 + x y\\u{a0}\n3 3   z\n"
    );
    assert!(!diff("a", "\x1b[2J", 1).coloured().contains("\x1b[2J"));
}

#[test]
fn colours_change_nothing_but_colours() {
    let diff = diff(REVIEWED, &REVIEWED.replace('9', "nine"), 1);
    let coloured = diff.coloured();
    assert!(coloured.contains("\x1b[31m"), "{coloured:?}");
    assert_eq!(
        anstream::adapter::strip_str(&coloured).to_string(),
        diff.plain()
    );
}

#[test]
fn texts_without_a_common_line_are_compared_in_bounded_time() {
    let side = |name: &str| {
        (0..60_000)
            .map(|n| format!("{name}{n}\n"))
            .collect::<String>()
    };
    let start = std::time::Instant::now();
    let diff = diff(&side("a"), &side("b"), 1);
    assert_eq!(diff.hunks[0].lines.len(), 120_000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn a_diff_turns_one_side_into_the_other() {
    let mut seed = 7_u32;
    let mut next = |limit: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % limit
    };
    for _ in 0..500 {
        let mut side = |length| {
            (0..next(length))
                .map(|_| format!("{}\n", next(4)))
                .collect::<String>()
        };
        let (old, new) = (normalise(&side(30)), normalise(&side(30)));
        let side = |keep: fn(&Line) -> Option<usize>| {
            let lines = diff(&old, &new, 1)
                .hunks
                .into_iter()
                .flat_map(|hunk| hunk.lines);
            lines.filter_map(move |line| keep(&line).map(|number| (number, line.text)))
        };
        for (number, text) in side(|line| line.old) {
            assert_eq!(old.split('\n').nth(number - 1), Some(text.as_str()));
        }
        for (number, text) in side(|line| line.new) {
            assert_eq!(new.split('\n').nth(number - 1), Some(text.as_str()));
        }
        assert_eq!(diff(&old, &new, 1).is_empty(), old == new);
    }
}

#[test]
fn a_step_that_is_shown_is_not_named_above() {
    let reviewed = "# cat a\n1\n2\n3\n4\n# cat b\n5\n6\n";
    let shown = &diff(reviewed, &reviewed.replace('6', "six"), 1).hunks[0];
    assert_eq!(shown.lines[1].text, "# cat b");
    assert_eq!(shown.step, None);
}

#[test]
fn a_step_stands_above_the_text_of_its_lines() {
    let shown = diff("# cat a\n1\n2\n3\n4", "# cat a\n1\n2\n3\nfour", 1);
    assert_eq!(
        shown.plain(),
        "     # cat a\n2 2   1\n3 3   2\n4 4   3\n5   - 4\n  5 + four\n"
    );
    let wide = diff("# cat a\n1\n2\n3\n4", "# cat a\n1\n2\n3\nfour", 100);
    assert!(wide.plain().starts_with("         # cat a\n101 101   1\n"));
}

#[test]
fn what_everybody_sees_is_shown_as_it_is() {
    assert_eq!(visible("ä \"x\" 'y' \\"), "ä \"x\" 'y' \\");
}
