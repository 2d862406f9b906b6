//! What a thread sees in its registers.

use super::*;

fn read(engine: &Engine, thread: u32, number: u32) -> Reply {
    engine.access(thread, Access::Read(number)).reply
}

fn write(engine: &Engine, thread: u32, number: u32, value: u64) -> Reply {
    engine.access(thread, Access::Write(number, value)).reply
}

#[test]
fn intels_revision_is_latched_by_cpuid_and_stale_until_then() {
    let engine = engine(intel(2));
    assert_eq!(read(&engine, 0, msr::BIOS_SIGN_ID), Reply::Value(1 << 32));
    assert_eq!(write(&engine, 0, msr::BIOS_SIGN_ID, 0), Reply::Done);
    assert_eq!(read(&engine, 0, msr::BIOS_SIGN_ID), Reply::Value(0));

    assert_eq!(engine.load_all(0, &intel_update(9)), Ok(9));
    assert_eq!(read(&engine, 1, msr::BIOS_SIGN_ID), Reply::Value(1 << 32));
    assert_eq!(engine.access(1, Access::Cpuid).reply, Reply::Done);
    assert_eq!(read(&engine, 1, msr::BIOS_SIGN_ID), Reply::Value(9 << 32));
    assert_eq!(read(&engine, 0, msr::BIOS_SIGN_ID), Reply::Value(0));
}

#[test]
fn a_cpu_without_any_update_leaves_the_register_alone() {
    let engine = engine(Config {
        revision: 0,
        ..intel(1)
    });
    assert_eq!(write(&engine, 0, msr::BIOS_SIGN_ID, 0xabc), Reply::Done);
    assert_eq!(engine.access(0, Access::Cpuid).reply, Reply::Done);
    assert_eq!(read(&engine, 0, msr::BIOS_SIGN_ID), Reply::Value(0xabc));
}

#[test]
fn amds_level_is_always_there_and_for_reading_only() {
    let engine = engine(amd(1));
    let level = Reply::Value(0x0800_1200);
    assert_eq!(read(&engine, 3, msr::BIOS_SIGN_ID), level);
    assert_eq!(write(&engine, 3, msr::BIOS_SIGN_ID, 0), Reply::GpFault);
    assert_eq!(read(&engine, 3, msr::BIOS_SIGN_ID), level);
}

#[test]
fn the_platform_id_lies_in_its_bits_and_cores_may_have_their_own() {
    let mut config = intel(2);
    config.platform_id = 5;
    config.core.push(crate::CoreConfig {
        id: 1,
        signature: None,
        platform_id: Some(2),
        revision: Some(7),
    });
    let engine = engine(config);
    let read_id = |thread| read(&engine, thread, msr::PLATFORM_ID);
    assert_eq!(read_id(1), Reply::Value(5 << 50));
    assert_eq!(read_id(2), Reply::Value(2 << 50));
    assert_eq!((engine.revision(1), engine.revision(3)), (1, 7));
    assert_eq!(write(&engine, 0, msr::PLATFORM_ID, 0), Reply::GpFault);
}

#[test]
fn load_registers_cannot_be_read_and_other_registers_are_the_machines() {
    let intel = engine(intel(1));
    let amd = engine(amd(1));
    assert_eq!(read(&intel, 0, msr::BIOS_UPDT_TRIG), Reply::GpFault);
    assert_eq!(read(&amd, 0, msr::PATCH_LOADER), Reply::GpFault);
    for number in [
        msr::PATCH_LOADER,
        msr::MCU_CONTROL,
        msr::ARCH_CAPABILITIES,
        0x1b,
    ] {
        assert_eq!(read(&intel, 0, number), Reply::Pass);
        assert_eq!(write(&intel, 0, number, 0), Reply::Pass);
    }
    for number in [msr::BIOS_UPDT_TRIG, msr::PLATFORM_ID, msr::MCU_CONTROL] {
        assert_eq!(read(&amd, 0, number), Reply::Pass);
        assert_eq!(write(&amd, 0, number, 0), Reply::Pass);
    }
}

#[test]
fn loading_can_be_switched_off_until_the_lock_makes_it_final() {
    let engine = engine(Config {
        late_load: LateLoad::Enabled,
        ..intel(2)
    });
    let control = |thread, value| write(&engine, thread, msr::MCU_CONTROL, value);
    assert_eq!(
        read(&engine, 0, msr::ARCH_CAPABILITIES),
        Reply::Value(1 << 9)
    );
    assert_eq!(control(0, 1 << 3), Reply::GpFault, "an unknown bit");
    assert_eq!(control(0, 2), Reply::Done);
    assert_eq!(engine.load_all(1, &intel_update(9)), Err(Refusal::Disabled));
    assert_eq!(engine.load_all(2, &intel_update(9)), Ok(9), "another core");
    assert_eq!(control(0, 0), Reply::Done);
    assert_eq!(control(0, 3), Reply::Done);
    assert_eq!(control(1, 0), Reply::GpFault, "locked");
    assert_eq!(read(&engine, 1, msr::MCU_CONTROL), Reply::Value(3));
    assert_eq!(engine.load_all(0, &intel_update(9)), Err(Refusal::Disabled));
}
