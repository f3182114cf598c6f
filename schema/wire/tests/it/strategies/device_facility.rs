//! Generated events, states and notices of devices and facilities.

use super::Tape;
use schema_types::device::{DeviceEvent, DeviceNotice, DeviceState, SampleSummary};
use schema_types::facility::{
    BedKey, BedStatus, FacilityEvent, FacilityNotice, FacilityState, Stay,
};
use schema_types::ids::{EncounterId, EntityId};
use std::collections::BTreeMap;

impl Tape {
    fn summary(&mut self) -> SampleSummary {
        SampleSummary {
            samples: self.u32(),
            sequence: self.option(Self::u64),
            device_time: self.time(),
            received_at: self.time(),
            stored_and_forwarded: self.flag(),
            battery_percent: self.option(Self::byte),
            provenance: self.provenance(),
        }
    }

    pub(crate) fn device_event(&mut self) -> DeviceEvent {
        match self.byte() % 8 {
            0 => DeviceEvent::WentSilent { at: self.time() },
            1 => DeviceEvent::SpokeAgain { at: self.time() },
            2 => DeviceEvent::SamplesReceived {
                summary: self.summary(),
                missed: self.u64(),
                clock_offset_micros: self.i64(),
            },
            3 => {
                DeviceEvent::SamplesOutOfOrder { summary: self.summary(), filled_gap: self.flag() }
            }
            4 => DeviceEvent::Associated { patient: self.entity(), at: self.time() },
            5 => DeviceEvent::Dissociated { patient: self.entity(), at: self.time() },
            6 => DeviceEvent::IntervalSet { interval_micros: self.i64() },
            _ => DeviceEvent::ResourceStored { meta: self.resource_meta() },
        }
    }

    pub(crate) fn device_state(&mut self) -> DeviceState {
        DeviceState {
            association: self.option(|tape| (tape.entity(), tape.time())),
            past_associations: self.list(|tape| (tape.entity(), tape.time(), tape.time())),
            samples_total: self.u64(),
            out_of_order_total: self.u64(),
            last_sequence: self.option(Self::u64),
            gaps: self.list(|tape| (tape.u64(), tape.u64())),
            missed_total: self.u64(),
            clock_offset_micros: self.i64(),
            last_received_at: self.option(Self::time),
            interval_micros: self.i64(),
            silent_since: self.option(Self::time),
            battery_percent: self.option(Self::byte),
            resources: self.map(Self::resource_entry),
        }
    }

    pub(crate) fn device_notice(&mut self) -> DeviceNotice {
        DeviceNotice::SamplesSeen { patient: self.entity(), summary: self.summary() }
    }

    fn stay(&mut self) -> Stay {
        Stay { patient: self.entity(), revision: self.u64(), movements: self.list(Self::movement) }
    }

    fn stay_entry(&mut self) -> ((EntityId, EncounterId), Stay) {
        let stay = self.stay();
        ((stay.patient.clone(), self.encounter_id()), stay)
    }

    fn bed(&mut self) -> BedKey {
        BedKey { ward: self.text(), room: self.text(), bed: self.text() }
    }

    fn bed_status(&mut self) -> BedStatus {
        use BedStatus::{Blocked, Cleaning, Closed, Dirty, Ready, Reserved};
        self.pick(&[Ready, Reserved, Dirty, Cleaning, Blocked, Closed])
    }

    pub(crate) fn facility_event(&mut self) -> FacilityEvent {
        match self.byte() % 3 {
            0 => FacilityEvent::BedStatusSet {
                bed: self.bed(),
                status: self.bed_status(),
                at: self.time(),
            },
            1 => FacilityEvent::StayNoted { encounter: self.encounter_id(), stay: self.stay() },
            _ => FacilityEvent::ResourceStored { meta: self.resource_meta() },
        }
    }

    pub(crate) fn facility_state(&mut self) -> FacilityState {
        let stays: BTreeMap<_, Stay> = self.map(Self::stay_entry);
        FacilityState {
            movements_total: stays.values().map(|stay| stay.movements.len()).sum(),
            stays,
            beds: self.map(|tape| (tape.bed(), (tape.bed_status(), tape.time()))),
            resources: self.map(Self::resource_entry),
        }
    }

    pub(crate) fn facility_notice(&mut self) -> FacilityNotice {
        FacilityNotice::StayChanged { encounter: self.encounter_id(), stay: self.stay() }
    }
}
