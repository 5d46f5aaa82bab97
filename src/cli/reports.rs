//! `-r FORMAT=FILE`: which reports are written, and where.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::Stop;
use crate::replace::replace;
use crate::report::Format;
use crate::results::Results;

/// The reports that are asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Reports {
    #[arg(short, long = "report", value_name = "FORMAT=FILE", help = help())]
    reports: Vec<Request>,
}

fn help() -> String {
    let names = Format::ALL.map(Format::name).join(", ");
    format!(
        "Write a report, also several; the formats are {names}; as FILE, `-` is standard output"
    )
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    format: Format,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Stdout,
    File(PathBuf),
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, file) = text
            .split_once('=')
            .filter(|(_, file)| !file.is_empty())
            .ok_or("expected a format and a file, such as `json=results.json`")?;
        let target = match file {
            "-" => Target::Stdout,
            file => Target::File(file.into()),
        };
        Ok(Self {
            format: format.parse()?,
            target,
        })
    }
}

impl Reports {
    /// Refuses two reports of which the second would replace the first.
    ///
    /// # Errors
    /// There are such.
    pub fn check(&self) -> Result<(), Stop> {
        for (index, request) in self.reports.iter().enumerate() {
            let mut others = self.reports[..index].iter();
            if others.any(|other| other.target == request.target) {
                let message = format!("error: two reports go to {}", request.target.name());
                return Err(Stop::invalid(message));
            }
        }
        Ok(())
    }

    /// The same, and the facts of the host beside a results file: they are what a statement about the results is about.
    /// Not where they are asked for, nor beside a device or a pipe.
    #[must_use]
    pub fn with_host_facts(&self) -> Self {
        let mut all = self.clone();
        let has = |format| move |request: &&Request| request.format == format;
        let json = self.reports.iter().find(has(Format::Json));
        if let (Some(json), None) = (json, self.reports.iter().find(has(Format::Host)))
            && let Target::File(path) = &json.target
            && fs::metadata(path).map_or(true, |there| there.is_file())
        {
            all.reports.push(Request {
                format: Format::Host,
                target: Target::File(path.with_extension("host.json")),
            });
        }
        all
    }

    /// Whether none is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Whether one goes to standard output, where nothing else may be then.
    #[must_use]
    pub fn take_stdout(&self) -> bool {
        let mut targets = self.reports.iter().map(|request| &request.target);
        targets.any(|target| *target == Target::Stdout)
    }

    /// Writes each report. What is wrong with one keeps no other from being written; the messages say which.
    #[must_use]
    pub fn write(&self, results: &Results) -> Vec<String> {
        let written = |request: &Request| request.write(results).err();
        self.reports.iter().filter_map(written).collect()
    }
}

impl Target {
    fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

impl Request {
    fn write(&self, results: &Results) -> Result<(), String> {
        let text = self.format.render(results);
        let written = text.and_then(|text| match &self.target {
            Target::Stdout => self.print(&text),
            // What other steps of the job have put there stays.
            Target::File(path) if self.format == Format::Summary => append(path, text.as_bytes()),
            Target::File(path) => write_file(path, self.plain(&text).as_bytes()),
        });
        written.map_err(|error| {
            let (format, target) = (self.format, self.target.name());
            let help = advice(&error);
            format!("error: cannot write the {format} report to {target}: {error}{help}")
        })
    }

    /// A reader that has seen enough, such as head(1), is no error.
    fn print(&self, text: &str) -> io::Result<()> {
        let printed = match self.format {
            Format::Terminal => anstream::stdout().write_all(text.as_bytes()),
            _ => io::stdout().write_all(text.as_bytes()),
        };
        match printed {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            printed => printed,
        }
    }

    /// Without colours, which are for terminals.
    fn plain(&self, text: &str) -> String {
        match self.format {
            Format::Terminal => anstream::adapter::strip_str(text).to_string(),
            _ => text.to_owned(),
        }
    }
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .append(true)
        .create(true)
        .open(path)?
        .write_all(bytes)
}

/// Writes a file in one go, through a symbolic link and into a device or a pipe as well.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A symbolic link is followed. A device or a pipe is written to: its name must not become a regular file's.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() => {
            OpenOptions::new().write(true).open(&path)?.write_all(bytes)
        }
        _ => replace(&path, bytes),
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "\nhelp: make its folder first",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "\nhelp: nothing was changed: make room"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "\nhelp: name a file in a folder that can be written"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results;
    use crate::source::Source;

    fn files(reports: &[&str]) -> Vec<String> {
        let reports = reports.iter().map(|text| text.parse().unwrap()).collect();
        let all = Reports { reports }.with_host_facts();
        all.reports
            .iter()
            .map(|request| request.target.name())
            .collect()
    }

    #[test]
    fn the_facts_of_the_host_lie_beside_the_results() {
        assert_eq!(
            files(&["json=a/results.json"])[1..],
            ["a/results.host.json"]
        );
        assert_eq!(files(&["json=a.json", "host=b.json"])[1..], ["b.json"]);
        for alone in ["json=-", "json=/dev/null", "tap=a.tap"] {
            assert_eq!(files(&[alone]).len(), 1, "{alone}");
        }
    }

    #[test]
    fn a_report_in_a_file_is_plain_and_replaces_the_one_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let text = include_str!("../../fixtures/results/failing.json");
        let results = results::parse(&Source::new("failing.json", text)).unwrap();
        for format in ["terminal", "tap"] {
            let path = folder.path().join(format);
            fs::write(&path, "what was there before\n".repeat(1000)).unwrap();
            let request: Request = format!("{format}={}", path.display()).parse().unwrap();
            request.write(&results).unwrap();
            let written = fs::read_to_string(&path).unwrap();
            assert!(written.contains("overlayfs"), "{written}");
            assert!(
                !written.contains('\x1b') && !written.contains("before"),
                "{written}"
            );
        }
    }

    #[test]
    fn a_folder_is_no_file_to_write_to() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |path: &Path| write_file(path, b"x").unwrap_err().kind();
        assert_eq!(kind(folder.path()), ErrorKind::IsADirectory);
        assert_eq!(kind(&folder.path().join("x/y")), ErrorKind::NotFound);
    }

    #[test]
    fn advice_fits_what_went_wrong() {
        for (kind, words) in [
            (ErrorKind::NotFound, "make its folder first"),
            (ErrorKind::StorageFull, "make room"),
            (ErrorKind::QuotaExceeded, "make room"),
            (ErrorKind::PermissionDenied, "that can be written"),
            (ErrorKind::ReadOnlyFilesystem, "that can be written"),
        ] {
            assert!(advice(&kind.into()).contains(words), "{kind}");
        }
        assert_eq!(advice(&ErrorKind::IsADirectory.into()), "");
    }

    #[test]
    fn the_help_names_every_format() {
        for format in Format::ALL {
            assert!(help().contains(format.name()), "{}: {format}", help());
        }
    }

    #[test]
    fn a_request_is_a_format_and_a_file() {
        let request: Request = "json=a=b.json".parse().unwrap();
        assert_eq!(request.target, Target::File("a=b.json".into()));
        assert_eq!("json=-".parse::<Request>().unwrap().target, Target::Stdout);
        for (text, words) in [
            ("json", "such as `json=results.json`"),
            ("json=", "such as"),
            ("jsn=a", "did you mean `json`?"),
            ("pdf=a", "no format is named `pdf`"),
        ] {
            let error = text.parse::<Request>().unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
