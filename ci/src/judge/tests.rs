use super::*;

const TOTALS_PASS: &str = "# Totals: pass:5 fail:0 xfail:0 xpass:0 skip:0 error:0";
const GUARD: &str = "# guard allocations=0 writes=0 nmis=0";

fn header(nr_cpus: usize) -> String {
    format!(
        "KTAP version 1\n# muster version=0.1.0 schema=1 protocol=muster hw=msr vendor=intel \
         sig=0x00050654 platform=0 cpus={nr_cpus} cores={nr_cpus} tsc_khz=1000000 tsc_source=pit \
         hypervisor=TCGTCGTCGTCG entry_us=200000\n1..5\n"
    )
}

fn cpu(id: usize, after: &str, outcome: &str) -> String {
    let role = match outcome {
        "late" | "aborted" => "none",
        _ => "leader",
    };
    format!(
        "# cpu id={id} apic={id} package=0 core={id} thread=0 role={role} before=0x00000001 \
         after={after} target=0x000000f0 outcome={outcome}\n"
    )
}

/// The report of a run in which every CPU ended with `outcome`.
fn report(after: &str, outcome: &str, tests: &str) -> String {
    let cpus = (0..2).map(|id| cpu(id, after, outcome)).collect::<String>();
    format!("{}{GUARD}\n{cpus}{tests}", header(2))
}

pub(super) fn passed() -> String {
    let tests = "ok 1 initrd\nok 2 cache\nok 3 rendezvous\nok 4 load\nok 5 verify\n";
    report("0x000000f0", "updated", &format!("{tests}{TOTALS_PASS}\n"))
}

/// The same with a sixth test and what is reported for it, and other words for some
/// of its own.
pub(super) fn passed_with(test: &str, lines: &str, changes: &[(&str, &str)]) -> String {
    let mut report = passed()
        .replace("1..5", "1..6")
        .replace(
            "ok 5 verify\n",
            &format!("ok 5 verify\n{lines}ok 6 {test}\n"),
        )
        .replace("pass:5", "pass:6");
    for (from, to) in changes {
        assert!(report.contains(from), "{from}");
        report = report.replacen(from, to, 1);
    }
    report
}

/// What a machine counted of a CPU.
pub(super) fn tally(cpu: u32, revision: &str, nr_loads: u32) -> String {
    format!("# tally cpu={cpu} reads=3 loads={nr_loads} misuses=0 rev={revision}\n")
}

fn not_taken() -> String {
    report(
        "0x00000001",
        "not-taken",
        "ok 1 initrd\nok 2 cache\nok 3 rendezvous\nnot ok 4 load # no effect\n\
         not ok 5 verify # 2 of 2 CPUs are off target\n\
         # Totals: pass:3 fail:2 xfail:0 xpass:0 skip:0 error:0\n",
    )
}

pub(super) fn done(console: &str) -> Evidence<'_> {
    ended(console, evidence::DONE)
}

fn ended(console: &str, status: i32) -> Evidence<'_> {
    Evidence {
        console,
        serial: "",
        machine_log: "",
        vmm_log: "",
        ending: Ending::Exited { status },
    }
}

#[track_caller]
pub(super) fn expect(evidence: &Evidence<'_>, verdict: Verdict, reason: &str) {
    let judgement = judge(evidence);
    assert_eq!(judgement.verdict, verdict, "{}", judgement.reason);
    assert!(judgement.reason.contains(reason), "{}", judgement.reason);
}

#[test]
fn all_cpus_on_target_is_a_pass() {
    expect(
        &done(&passed()),
        Verdict::Pass,
        "2 CPUs ended on revision 0x000000f0",
    );
}

#[test]
fn the_serial_log_decides_only_while_the_console_is_empty() {
    let (good, bad) = (passed(), not_taken());
    let evidence = Evidence {
        serial: &good,
        ..done("\n")
    };
    expect(&evidence, Verdict::Pass, "");
    let evidence = Evidence {
        serial: &good,
        ..done(&bad)
    };
    expect(&evidence, Verdict::Swallowed, "");
}

#[test]
fn a_write_without_effect_under_a_hypervisor_is_swallowed() {
    expect(
        &done(&not_taken()),
        Verdict::Swallowed,
        "(TCGTCGTCGTCG) ignores",
    );
}

#[test]
fn a_write_without_effect_on_bare_metal_is_a_failure() {
    let console = not_taken().replace(" hypervisor=TCGTCGTCGTCG", "");
    expect(&done(&console), Verdict::Fail, "load failed: no effect");
}

#[test]
fn one_other_damage_is_not_hidden_by_swallowed_writes() {
    for other in ["mismatch", "gp-fault", "hung", "late"] {
        let console = not_taken().replacen("not-taken", other, 1);
        expect(&done(&console), Verdict::Fail, "load failed");
    }
    let console = not_taken().replace("ok 2 cache", "not ok 2 cache # damaged");
    let console = console.replace("pass:3 fail:2", "pass:2 fail:3");
    expect(&done(&console), Verdict::Fail, "cache failed: damaged");
}

#[test]
fn a_report_cut_after_any_line_is_a_crash_that_names_the_gap() {
    let console = passed();
    let ends = console.match_indices('\n').map(|(at, _)| at + 1);
    for end in ends.filter(|&end| end < console.len()) {
        expect(&done(&console[..end]), Verdict::Crash, "before");
    }
    let cut = console.find("ok 3").unwrap();
    expect(
        &done(&console[..cut]),
        Verdict::Crash,
        "before test 3 (rendezvous) of 5",
    );
}

#[test]
fn a_panic_is_quoted_from_the_serial_log() {
    let console = header(1);
    let evidence = Evidence {
        serial: "[0][PANIC] panicked at x.rs:1:2:\nout of luck\n",
        ..ended(&console, 35)
    };
    expect(&evidence, Verdict::Crash, "out of luck");
    expect(&evidence, Verdict::Crash, "the guest panicked");
}

#[test]
fn a_complete_report_with_a_contradicting_status_is_a_crash() {
    for status in [0, 1, 3, 35, 37] {
        expect(
            &ended(&passed(), status),
            Verdict::Crash,
            "the report is complete, but",
        );
    }
    let ending = Ending::Unknown;
    let console = passed();
    expect(
        &Evidence {
            ending,
            ..done(&console)
        },
        Verdict::Pass,
        "",
    );
}

#[test]
fn a_machine_that_refuses_to_start_is_an_error_with_its_complaint() {
    let evidence = Evidence {
        vmm_log: "qemu-system-x86_64: unable to find CPU model 'Foo'\n",
        ..ended("", 1)
    };
    expect(&evidence, Verdict::Error, "unable to find CPU model 'Foo'");
}

#[test]
fn a_silent_reset_is_a_crash() {
    expect(
        &ended("", 0),
        Verdict::Crash,
        "reset or switched off, without a report",
    );
}

#[test]
fn a_timeout_is_no_crash_and_outweighs_a_failure() {
    let console = not_taken();
    for console in ["", &console, &console[..console.len() / 2]] {
        let ending = Ending::TimedOut { timeout_s: 5 };
        let evidence = Evidence {
            ending,
            serial: "last line\n",
            ..done(console)
        };
        expect(&evidence, Verdict::Timeout, "no end after 5 s");
        expect(&evidence, Verdict::Timeout, "last line");
    }
}

#[test]
fn nothing_applicable_is_a_skip_with_the_guests_reason() {
    let console = format!(
        "{}ok 1 initrd\nok 2 cache # SKIP nothing applies\nok 3 rendezvous # SKIP nothing \
         applies\nok 4 load # SKIP nothing applies\nok 5 verify # SKIP nothing applies\n\
         # Totals: pass:1 fail:0 xfail:0 xpass:0 skip:4 error:0\n",
        header(1)
    );
    expect(&done(&console), Verdict::Skip, "nothing applies");
    let console = console.replacen(" nothing applies", "", 1);
    expect(&done(&console), Verdict::Error, "without a reason");
}

#[test]
fn a_test_that_could_not_be_made_is_an_error() {
    let console = format!(
        "{}not ok 1 initrd # ERROR it is empty\nok 2 cache # SKIP no microcode\nok 3 rendezvous \
         # SKIP no microcode\nok 4 load # SKIP no microcode\nok 5 verify # SKIP no microcode\n\
         # Totals: pass:0 fail:0 xfail:0 xpass:0 skip:4 error:1\n",
        header(1)
    );
    expect(&done(&console), Verdict::Error, "it is empty");
}

#[test]
fn allocations_in_the_window_are_a_failure_even_if_the_guest_passes() {
    let console = passed().replace("allocations=0", "allocations=1");
    expect(
        &done(&console),
        Verdict::Fail,
        "1 allocation and 0 console writes",
    );
}

#[test]
fn a_pass_needs_the_records_that_prove_it() {
    let lost = passed().replacen("# cpu", "# cp", 1);
    expect(&done(&lost), Verdict::Error, "1 of 2 CPUs");
    let lost = passed().replace("# guard", "# gua");
    expect(&done(&lost), Verdict::Error, "guard record");
    let wrong = passed().replacen("after=0x000000f0", "after=0x000000ef", 1);
    expect(&done(&wrong), Verdict::Fail, "CPU 0 is not on its target");
    let none = passed().replace(" target=0x000000f0", "");
    expect(&done(&none), Verdict::Error, "no CPU had a target");
}

#[test]
fn a_report_that_contradicts_itself_is_an_error() {
    let wrong = passed().replace("schema=1", "schema=2");
    expect(&done(&wrong), Verdict::Error, "schema 2");
    let wrong = passed().replace("pass:5", "pass:4");
    expect(&done(&wrong), Verdict::Error, "totals");
    let wrong = passed().replace("ok 5 verify", "ok 5 verify\nok 5 verify");
    expect(&done(&wrong), Verdict::Error, "not in the plan");
    let wrong = passed().replace("# muster", "# must");
    expect(&done(&wrong), Verdict::Error, "header");
}

#[test]
fn a_cpu_that_did_not_come_up_is_a_failure() {
    let console = format!("{}# absent apic=3 reason=\"no answer\"\n", not_taken());
    expect(&done(&console), Verdict::Fail, "APIC id 3 did not come up");
}

#[test]
fn a_guest_that_starts_twice_has_crashed() {
    let console = format!("{}{}", header(2), passed());
    expect(&done(&console), Verdict::Crash, "started 2 times");
}

/// The machine's log for the CPUs of [`report`]: each wrote so often and ended
/// on that revision.
fn machine_log(nr_loads: u32, revision: &str) -> String {
    let tallies = (0..2).map(|cpu| tally(cpu, revision, nr_loads));
    "# machine kind=qemu-plugin version=0.1.0 started_ms=1 vendor=intel sig=0x00050654 cpus=2 \
     threads=1\n"
        .to_owned()
        + &tallies.collect::<String>()
}

fn with_machine<'a>(console: &'a str, machine_log: &'a str) -> Evidence<'a> {
    Evidence {
        machine_log,
        ..done(console)
    }
}

#[test]
fn a_machine_that_saw_what_the_guest_reports_leaves_the_verdict_alone() {
    let (console, log) = (passed(), machine_log(1, "0x000000f0"));
    expect(&with_machine(&console, &log), Verdict::Pass, "");
}

#[test]
fn a_guest_that_reports_another_revision_than_its_cpus_run_fails() {
    let (console, log) = (passed(), machine_log(1, "0x00000001"));
    expect(
        &with_machine(&console, &log),
        Verdict::Fail,
        "CPU 0 reports revision 0x000000f0 and runs 0x00000001",
    );
}

#[test]
fn a_load_too_many_or_too_few_fails() {
    for nr_loads in [0, 2] {
        let (console, log) = (passed(), machine_log(nr_loads, "0x000000f0"));
        expect(
            &with_machine(&console, &log),
            Verdict::Fail,
            "wrote the load register",
        );
    }
}

#[test]
fn a_misuse_fails_whatever_the_guest_says() {
    let log = machine_log(1, "0x000000f0")
        + "# misuse at_ns=5 cpu=1 kind=sibling-activity msr=0x0000008b\n";
    expect(
        &with_machine(&passed(), &log),
        Verdict::Fail,
        "the hardware was misused 1 time, first by CPU 1 as sibling-activity",
    );
}

#[test]
fn a_machine_s_log_that_was_cut_is_an_error() {
    let log = machine_log(1, "0x000000f0");
    let cut = log.lines().take(2).collect::<Vec<_>>().join("\n");
    expect(
        &with_machine(&passed(), &cut),
        Verdict::Error,
        "no last word on CPU 1",
    );
}

#[test]
fn a_machine_that_takes_updates_swallows_none() {
    let (console, log) = (not_taken(), machine_log(1, "0x00000001"));
    expect(&with_machine(&console, &log), Verdict::Fail, "load failed");
}

#[test]
fn two_leaders_of_a_core_fail() {
    let console = passed().replace("core=1 thread=0", "core=0 thread=1");
    expect(
        &done(&console),
        Verdict::Fail,
        "CPUs 0 and 1 both lead core 0",
    );
}

#[test]
fn another_job_passes_by_its_own_tests() {
    let console = "KTAP version 1\n1..2\n# muster version=0.1.0 schema=1 protocol=muster hw=msr \
                   job=conformance vendor=intel sig=0x00050654 platform=0 cpus=2 cores=2 \
                   tsc_khz=1000000 tsc_source=pit entry_us=0\nok 1 a\nok 2 b\n\
                   # Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n";
    expect(&done(console), Verdict::Pass, "conformance: 2 tests passed");
    let failed = console.replace("ok 2 b", "not ok 2 b # line 7");
    let failed = failed.replace("pass:2 fail:0", "pass:1 fail:1");
    expect(&done(&failed), Verdict::Fail, "b failed: line 7");
}

/// The report of a dry run in which each CPU ended so.
fn dry_run(outcome: &str) -> String {
    let header = header(2)
        .replace("hw=msr", "hw=msr job=dry-run")
        .replace("1..5", "1..2");
    let cpus = (0..2).map(|id| cpu(id, "0x00000001", outcome).replace("role=leader", "role=none"));
    let tests = "ok 1 initrd\nok 2 cache\n\
                 # Totals: pass:2 fail:0 xfail:0 xpass:0 skip:0 error:0\n";
    header + &cpus.collect::<String>() + tests
}

#[test]
fn a_dry_run_is_done_and_says_who_would_get_what() {
    let would = "2 of 2 CPUs would get revision 0x000000f0";
    expect(&done(&dry_run("planned")), Verdict::Done, would);
    let nobody = "nobody would get anything";
    expect(&done(&dry_run("already")), Verdict::Done, nobody);
}

#[test]
fn a_dry_run_that_wrote_fails() {
    let log = machine_log(1, "0x00000001");
    let console = dry_run("planned");
    let wrote = "CPU 0 wrote the load register";
    expect(&with_machine(&console, &log), Verdict::Fail, wrote);
}
