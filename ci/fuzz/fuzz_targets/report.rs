//! Any line of a console: what is recognised in it, written again, is
//! recognised as the same. The first writing may replace characters that no
//! value can have.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use report::Line;
use report::ktap::VERSION_LINE;

fuzz_target!(|line: &str| {
    if let Some(line) = written(&Line::parse(line)) {
        let first = Line::parse(&line);
        let again = written(&first).expect("it was recognised before");
        assert_eq!(Line::parse(&again), first, "{line}");
    }
});

/// The line as the guest would write it; nothing for what is no record.
fn written(line: &Line<'_>) -> Option<String> {
    Some(match line {
        Line::Version => VERSION_LINE.to_owned(),
        Line::Plan(plan) => plan.to_string(),
        Line::Test(test) => test.to_string(),
        Line::Header(header) => header.to_string(),
        Line::Initrd(initrd) => initrd.to_string(),
        Line::Finding(finding) => finding.to_string(),
        Line::Candidate(candidate) => candidate.to_string(),
        Line::Cached(record) => record.to_string(),
        Line::Prepare(record) => record.to_string(),
        Line::Cpu(cpu) => cpu.to_string(),
        Line::Time(time) => time.to_string(),
        Line::Feature(record) => record.to_string(),
        Line::Absent(absent) => absent.to_string(),
        Line::Guard(guard) => guard.to_string(),
        Line::Arrival(guard) => guard.to_string(),
        Line::Round(guard) => guard.to_string(),
        Line::Deviation(guard) => guard.to_string(),
        Line::Handover(guard) => guard.to_string(),
        Line::Final(guard) => guard.to_string(),
        Line::Machine(record) => record.to_string(),
        Line::Load(record) => record.to_string(),
        Line::Misuse(record) => record.to_string(),
        Line::Tally(record) => record.to_string(),
        Line::Entered(record) => record.to_string(),
        Line::Exits(record) => record.to_string(),
        Line::Totals(totals) => totals.to_string(),
        Line::Other(_) => return None,
    })
}
