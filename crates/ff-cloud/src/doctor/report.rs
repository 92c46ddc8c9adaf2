//! What the doctor prints.

use std::fmt::Write;

use serde::Serialize;

use crate::compute::Finding;
use crate::services::vm::{Difference, Kind};
use crate::{Error, Result};

/// What was seen and done.
#[derive(Debug, Default)]
pub struct Report {
    /// A server runs on this data directory, and repairs by itself.
    pub server_runs: bool,
    /// The provider did not answer.
    pub cannot_look: bool,
    /// What differs now.
    pub differences: Vec<Difference>,
    /// What differed before, and does not any more.
    pub mended: Vec<Difference>,
    /// What the host lacks.
    pub findings: Vec<Finding>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    differences: &'a [Difference],
    mended: &'a [Difference],
    findings: Vec<ShownFinding<'a>>,
    /// A server runs on this data directory, and repairs by itself.
    server_runs: bool,
}

#[derive(Serialize)]
struct ShownFinding<'a> {
    code: &'a str,
    fatal: bool,
    text: &'a str,
}

impl Report {
    /// Takes what differs now; the rest of what differed is mended.
    pub fn now(&mut self, left: Vec<Difference>) {
        let before = std::mem::replace(&mut self.differences, left);
        let differs = |it: &Difference| self.differences.iter().any(|left| left.is(it));
        self.mended = before.into_iter().filter(|it| !differs(it)).collect();
    }

    /// 0 for nothing, 1 for something that differs or that the server cannot do without, 2 if
    /// it could not be seen.
    pub fn exit_code(&self) -> u8 {
        let fatal = self.findings.iter().any(|finding| finding.fatal);
        match (self.cannot_look, self.differences.is_empty() && !fatal) {
            (true, _) => super::CANNOT_LOOK,
            (false, true) => 0,
            (false, false) => 1,
        }
    }

    /// One JSON object.
    ///
    /// # Errors
    /// Never, in fact.
    pub fn json(&self) -> Result<String> {
        let shown = Shown {
            differences: &self.differences,
            mended: &self.mended,
            findings: self.findings.iter().map(shown).collect(),
            server_runs: self.server_runs,
        };
        serde_json::to_string(&shown)
            .map(|text| text + "\n")
            .map_err(|error| Error::Bug(format!("a report is no JSON: {error}")))
    }

    /// A line each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let mut line = |what: std::fmt::Arguments<'_>| {
            let _ = writeln!(text, "{what}");
        };
        if self.server_runs {
            line(format_args!(
                "a server runs on this data: it repairs what differs by itself, within 30 s"
            ));
        }
        for it in &self.mended {
            let done = done(it.code);
            line(format_args!(
                "mended: {} {}: {done}",
                it.code.code(),
                it.object
            ));
        }
        for it in &self.differences {
            line(format_args!(
                "{} {}: {}",
                it.code.code(),
                it.object,
                it.text
            ));
        }
        for finding in &self.findings {
            let weight = match finding.fatal {
                true => "error",
                false => "warning",
            };
            line(format_args!("{weight} {}: {}", finding.code, finding.text));
        }
        let nothing = self.differences.is_empty() && !self.cannot_look;
        if nothing && self.findings.is_empty() {
            line(format_args!("nothing differs, and the host lacks nothing"));
        } else if nothing {
            line(format_args!("nothing differs"));
        }
        text
    }
}

fn shown(finding: &Finding) -> ShownFinding<'_> {
    ShownFinding {
        code: finding.code,
        fatal: finding.fatal,
        text: &finding.text,
    }
}

fn done(code: Kind) -> &'static str {
    match code {
        Kind::UnknownContainer => "the container is removed; its home, if it has one, stays",
        Kind::ContainerMissing => "it has a container again, on its home",
        Kind::ContainerDiffers => "its container does what its row says",
        Kind::UnknownHome => "it is gone",
        Kind::HomeLost => "the VM is FAILED with `volume_missing`",
        Kind::StrayNetwork => "the network is removed",
        Kind::Stuck => "it is at rest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(object: &str) -> Difference {
        Difference {
            code: Kind::ContainerMissing,
            object: object.to_owned(),
            mends: true,
            text: "it has no container".to_owned(),
        }
    }

    fn finding(fatal: bool) -> Finding {
        Finding {
            code: "live_restore_off",
            fatal,
            text: "it is off".to_owned(),
        }
    }

    #[test]
    fn exit_code_says_whether_something_is_wrong() {
        let mut report = Report::default();
        assert_eq!(report.exit_code(), 0);
        assert!(report.text().contains("nothing differs"));
        report.findings = vec![finding(false)];
        assert_eq!(report.exit_code(), 0, "a warning is no fault");
        report.findings = vec![finding(true)];
        assert_eq!(report.exit_code(), 1);
        report.findings.clear();
        report.differences = vec![difference("a")];
        assert_eq!(report.exit_code(), 1);
        report.cannot_look = true;
        assert_eq!(report.exit_code(), 2);
    }

    #[test]
    fn what_is_gone_after_the_repair_is_told_as_mended() {
        let mut report = Report {
            differences: vec![difference("a"), difference("b")],
            findings: vec![finding(false)],
            ..Report::default()
        };
        report.now(vec![difference("b")]);
        let text = report.text();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("mended: container_missing a: "));
        assert_eq!(lines[1], "container_missing b: it has no container");
        assert_eq!(lines[2], "warning live_restore_off: it is off");
        assert_eq!(lines.len(), 3);
        let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
        assert_eq!(json["mended"][0]["object"], "a");
        assert_eq!(json["differences"][0]["code"], "container_missing");
        assert_eq!(json["findings"][0]["fatal"], false);
    }
}
