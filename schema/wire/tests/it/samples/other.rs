//! Sample events, states and notices of devices and facilities.

use super::clinical::{condition_meta, deleted_meta, movements};
use super::common::{Named, at, patient, provenance};
use schema_types::device::{DeviceEvent, DeviceNotice, DeviceState, SampleSummary};
use schema_types::facility::{
    BedKey, BedStatus, FacilityEvent, FacilityNotice, FacilityState, Stay,
};
use schema_types::ids::EncounterId;
use std::collections::BTreeMap;

fn summary() -> SampleSummary {
    SampleSummary {
        samples: 6,
        sequence: Some(1042),
        device_time: at(-30),
        received_at: at(0),
        stored_and_forwarded: true,
        battery_percent: Some(0),
        provenance: provenance("OBR-1"),
    }
}

fn bare_summary() -> SampleSummary {
    SampleSummary {
        sequence: None,
        stored_and_forwarded: false,
        battery_percent: None,
        ..summary()
    }
}

/// Every kind of device event.
pub(crate) fn device_events() -> Vec<Named<DeviceEvent>> {
    let person = || patient("NGH.700001");
    let received = DeviceEvent::SamplesReceived {
        summary: summary(),
        missed: 2,
        clock_offset_micros: -30_000_000,
    };
    let late = DeviceEvent::SamplesOutOfOrder { summary: bare_summary(), filled_gap: true };
    vec![
        ("device-event-samples-received", received),
        ("device-event-samples-out-of-order", late),
        ("device-event-associated", DeviceEvent::Associated { patient: person(), at: at(1) }),
        ("device-event-dissociated", DeviceEvent::Dissociated { patient: person(), at: at(2) }),
        ("device-event-went-silent", DeviceEvent::WentSilent { at: at(3) }),
        ("device-event-spoke-again", DeviceEvent::SpokeAgain { at: at(4) }),
        ("device-event-interval-set", DeviceEvent::IntervalSet { interval_micros: 60_000_000 }),
        ("device-event-resource-stored", DeviceEvent::ResourceStored { meta: condition_meta() }),
    ]
}

/// An empty device state and one with everything.
pub(crate) fn device_states() -> Vec<Named<DeviceState>> {
    let full = DeviceState {
        association: Some((patient("NGH.700001"), at(1))),
        past_associations: vec![(patient("NGH.700002"), at(-500), at(-100))],
        samples_total: 60_000,
        out_of_order_total: 3,
        last_sequence: Some(0),
        gaps: vec![(0, 0), (7, 9), (u64::MAX - 1, u64::MAX)],
        missed_total: 6,
        clock_offset_micros: -30_000_000,
        last_received_at: Some(at(0)),
        interval_micros: 60_000_000,
        silent_since: Some(at(600)),
        battery_percent: Some(87),
        resources: BTreeMap::from([(deleted_meta().key, deleted_meta())]),
    };
    vec![("device-state-empty", DeviceState::default()), ("device-state-full", full)]
}

/// Every kind of notice to a device.
pub(crate) fn device_notices() -> Vec<Named<DeviceNotice>> {
    let seen = DeviceNotice::SamplesSeen { patient: patient("NGH.700001"), summary: summary() };
    vec![("device-notice-samples-seen", seen)]
}

pub(crate) fn stay(key: &str) -> Stay {
    Stay { patient: patient(key), revision: 11, movements: movements() }
}

fn bed(name: &str) -> BedKey {
    BedKey { ward: "4W".to_owned(), room: String::new(), bed: name.to_owned() }
}

/// Every kind of facility event.
pub(crate) fn facility_events() -> Vec<Named<FacilityEvent>> {
    let noted = FacilityEvent::StayNoted {
        encounter: EncounterId::new("V0004711"),
        stay: stay("NGH.700001"),
    };
    let set = FacilityEvent::BedStatusSet { bed: bed("A"), status: BedStatus::Cleaning, at: at(1) };
    vec![
        ("facility-event-stay-noted", noted),
        ("facility-event-bed-status-set", set),
        ("facility-event-resource-stored", FacilityEvent::ResourceStored { meta: deleted_meta() }),
    ]
}

/// An empty facility state and one with everything.
pub(crate) fn facility_states() -> Vec<Named<FacilityState>> {
    use BedStatus::{Blocked, Cleaning, Closed, Dirty, Ready, Reserved};
    let beds = [Ready, Reserved, Dirty, Cleaning, Blocked, Closed];
    let encounter = || EncounterId::new("V0004711");
    let stays: BTreeMap<_, _> = ["NGH.700001", "NGH.700002"]
        .into_iter()
        .map(|key| ((patient(key), encounter()), stay(key)))
        .collect();
    let full = FacilityState {
        movements_total: stays.values().map(|stay| stay.movements.len()).sum(),
        stays,
        beds: beds
            .into_iter()
            .zip(1_i64..)
            .map(|(status, number)| (bed(&number.to_string()), (status, at(number))))
            .collect(),
        resources: BTreeMap::from([(condition_meta().key, condition_meta())]),
    };
    vec![("facility-state-empty", FacilityState::default()), ("facility-state-full", full)]
}

/// Every kind of notice to a facility.
pub(crate) fn facility_notices() -> Vec<Named<FacilityNotice>> {
    let changed = FacilityNotice::StayChanged {
        encounter: EncounterId::new("V0004711"),
        stay: stay("NGH.700001"),
    };
    vec![("facility-notice-stay-changed", changed)]
}
