//! Every candidate as one profile sees it.

use std::collections::BTreeSet;

use microcode::applicability::{best, refusal};
use microcode::{CpuKind, Policy, Reason, scan_as};

use super::{CandidateRow, Chosen, Hex};

/// A candidate as one profile sees it.
pub(super) struct Judged {
    file: String,
    offset: usize,
    revision: u32,
    /// `None` until the best of all files is known.
    reason: Option<Reason>,
}

impl Judged {
    pub(super) fn row(&self) -> CandidateRow {
        let reason = self.reason.unwrap_or(Reason::Chosen);
        CandidateRow {
            file: self.file.clone(),
            offset: self.offset,
            revision: Hex(self.revision),
            verdict: reason.verdict().name(),
            reason: reason.to_string(),
        }
    }
}

/// Every candidate as one profile sees it.
pub(super) struct Column<'a> {
    pub(super) policy: Policy<'a>,
    pub(super) rows: Vec<Judged>,
}

impl Column<'_> {
    pub(super) fn read(&mut self, file: &str, bytes: &[u8], cpu: &CpuKind) {
        let scan = scan_as(bytes, self.policy.profile);
        self.rows.extend(scan.candidates.iter().map(|c| Judged {
            file: file.to_owned(),
            offset: c.offset,
            revision: c.update.revision(),
            reason: refusal(&scan, c, cpu, &self.policy),
        }));
    }

    /// What applies is chosen or superseded.
    pub(super) fn choose(&mut self, cpu: &CpuKind) {
        let applying = self.rows.iter().enumerate();
        let applying = applying
            .filter(|(_, row)| row.reason.is_none())
            .map(|(index, row)| (index, row.revision));
        let Some((chosen, revision)) = best(applying, cpu.vendor, self.policy.profile) else {
            return;
        };
        for (index, row) in self.rows.iter_mut().enumerate() {
            row.reason.get_or_insert(if index == chosen {
                Reason::Chosen
            } else {
                Reason::Superseded { revision }
            });
        }
    }

    pub(super) fn chosen(&self) -> Option<Chosen> {
        let row = self
            .rows
            .iter()
            .find(|r| r.reason == Some(Reason::Chosen))?;
        Some(Chosen {
            file: row.file.clone(),
            offset: row.offset,
            revision: Hex(row.revision),
        })
    }

    /// Candidates of the other column that have no twin here with the same
    /// verdict.
    pub(super) fn nr_differing(&self, other: &Self) -> usize {
        let verdict = |row: &Judged| row.reason.map(|reason| reason.verdict());
        let here: BTreeSet<_> = self
            .rows
            .iter()
            .filter_map(|row| Some((&row.file, row.offset, verdict(row)?.name())))
            .collect();
        let differs = |row: &&Judged| {
            verdict(row).is_some_and(|v| !here.contains(&(&row.file, row.offset, v.name())))
        };
        other.rows.iter().filter(differs).count()
    }
}
