//! What is to happen to one person, as a script of stages with times. Whether a stage can happen
//! when its time comes (is there a bed, is the person there) is for the hospital to see.

use super::course::Course;
use super::places::Ward;
use super::random::Random;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

/// One step of a stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A05.
    PreAdmit(Ward),
    /// A04: comes to the emergency department.
    Register,
    /// A01.
    Admit(Ward),
    /// A06: the emergency visit becomes an admission.
    ToInpatient(Ward),
    /// A02.
    Transfer(Ward),
    /// A12.
    CancelTransfer,
    /// A08.
    Update,
    /// A07.
    ToOutpatient,
    /// A03.
    Discharge,
    /// A13.
    CancelDischarge,
    /// A11.
    CancelAdmit,
    /// A04 under another record number.
    RegisterDuplicate,
    /// A40 of the two records.
    Merge,
}

/// The script of one person over `span` seconds, in order of time.
pub(crate) fn script(random: &mut Random, course: &Course, span: i64) -> Vec<(i64, Stage)> {
    let mut script = Script { random, stages: Vec::new() };
    match script.random.below(100) {
        0..40 => script.resident(course),
        40..76 => script.emergency(course, span),
        76..90 => script.elective(course, span),
        _ => script.direct(course, span),
    }
    let mut stages = script.stages;
    stages.retain(|(at, _)| *at < span);
    stages.sort_by_key(|(at, _)| *at);
    stages
}

struct Script<'a> {
    random: &'a mut Random,
    stages: Vec<(i64, Stage)>,
}

impl Script<'_> {
    fn add(&mut self, at: i64, stage: Stage) {
        self.stages.push((at, stage));
    }

    fn medical_ward(&mut self) -> Ward {
        self.random.pick(&[Ward::MedicalOne, Ward::MedicalTwo])
    }

    /// In the house already when the day begins.
    fn resident(&mut self, course: &Course) {
        let ward = match self.random.below(100) {
            0..70 => self.medical_ward(),
            70..92 => Ward::Surgical,
            _ => Ward::Intensive,
        };
        let at = self.random.between(1, 4 * MINUTE);
        self.add(at, Stage::Admit(ward));
        self.inpatient(course, at, ward);
    }

    fn emergency(&mut self, course: &Course, span: i64) {
        let at = self.random.between(5 * MINUTE, span.max(6 * MINUTE));
        self.add(at, Stage::Register);
        if self.random.chance(80) {
            self.add(at + 2 * MINUTE, Stage::RegisterDuplicate);
            let later = self.random.between(25 * MINUTE, 2 * HOUR);
            self.add(at + later, Stage::Merge);
        }
        let stays = course.decline.is_some() || self.random.chance(620);
        let decided = at + self.random.between(35 * MINUTE, 3 * HOUR);
        if !stays {
            self.add(decided, Stage::Discharge);
            return;
        }
        let ward = self.medical_ward();
        if self.random.chance(500) {
            self.add(decided, Stage::ToInpatient(ward));
        } else {
            // Waits in the emergency department for a bed elsewhere.
            self.add(decided, Stage::ToInpatient(Ward::Emergency));
            let waited = self.random.between(40 * MINUTE, 5 * HOUR);
            self.add(decided + waited, Stage::Transfer(ward));
        }
        self.inpatient(course, decided, ward);
    }

    fn elective(&mut self, course: &Course, span: i64) {
        let planned = self.random.between(MINUTE, (span / 3).max(2 * MINUTE));
        self.add(planned, Stage::PreAdmit(Ward::Surgical));
        let at = planned + self.random.between(20 * MINUTE, 5 * HOUR);
        self.add(at, Stage::Admit(Ward::Surgical));
        if self.random.chance(60) {
            self.add(at + 8 * MINUTE, Stage::CancelAdmit);
            return;
        }
        if self.random.chance(150) {
            self.add(at + 3 * HOUR, Stage::Transfer(Ward::Intensive));
            self.add(at + 9 * HOUR, Stage::Transfer(Ward::Surgical));
        }
        self.inpatient(course, at, Ward::Surgical);
    }

    fn direct(&mut self, course: &Course, span: i64) {
        let at = self.random.between(5 * MINUTE, span.max(6 * MINUTE));
        let ward = self.medical_ward();
        self.add(at, Stage::Admit(ward));
        if self.random.chance(80) {
            let noticed = self.random.between(4 * MINUTE, 30 * MINUTE);
            self.add(at + noticed, Stage::CancelAdmit);
            return;
        }
        self.inpatient(course, at, ward);
    }

    /// What happens on the wards after an admission at `at`.
    fn inpatient(&mut self, course: &Course, at: i64, ward: Ward) {
        if self.random.chance(140) {
            let later = self.random.between(20 * MINUTE, 5 * HOUR);
            self.add(at + later, Stage::Update);
        }
        let mut earliest_home = at + 4 * HOUR;
        if let Some(decline) = &course.decline {
            let seen = decline.begins_at + decline.ramp * 8 / 10;
            let better = decline.begins_at + decline.ramp + decline.hold + 3 * HOUR;
            self.add(seen.max(at + 10 * MINUTE), Stage::Transfer(Ward::Intensive));
            self.add(better.max(at + 3 * HOUR), Stage::Transfer(Ward::MedicalOne));
            earliest_home = better + 6 * HOUR;
        } else if self.random.chance(160) {
            self.move_wards(at, ward);
        }
        if self.random.chance(25) {
            self.add(at + 4 * HOUR, Stage::ToOutpatient);
            self.add(at + 5 * HOUR, Stage::Discharge);
        } else if self.random.chance(480) {
            let home = earliest_home + self.random.between(0, 14 * HOUR);
            self.add(home, Stage::Discharge);
            if self.random.chance(70) {
                let noticed = self.random.between(4 * MINUTE, 20 * MINUTE);
                self.add(home + noticed, Stage::CancelDischarge);
                self.add(home + 3 * HOUR, Stage::Discharge);
            }
        }
    }

    fn move_wards(&mut self, at: i64, ward: Ward) {
        let to = match ward {
            Ward::MedicalOne | Ward::Intensive => Ward::MedicalTwo,
            Ward::MedicalTwo => Ward::Surgical,
            Ward::Surgical | Ward::Emergency => Ward::MedicalOne,
        };
        let when = at + self.random.between(40 * MINUTE, 9 * HOUR);
        self.add(when, Stage::Transfer(to));
        if self.random.chance(200) {
            let noticed = self.random.between(3 * MINUTE, 12 * MINUTE);
            self.add(when + noticed, Stage::CancelTransfer);
        }
    }
}
