//! What devices tell: who measures this patient, and silence of a device that does.

use super::alerts::{self, Finding, Standing};
use super::draft::Draft;
use super::{Decided, Refusal, person};
use crate::command::DeviceLink;
use crate::event::Event;
use crate::limits::{DEVICES_MAX, OPEN_ALERTS_MAX};
use schema_types::Decimal;
use schema_types::ids::EntityId;
use schema_types::patient::{AlertCondition, Severity};
use schema_types::time::Timestamp;

pub(super) fn on_association(
    draft: &mut Draft<'_>,
    device: &EntityId,
    associated: bool,
    at: Timestamp,
) -> Decided {
    person::make_provisional(draft);
    let link = DeviceLink { device: device.clone(), associated, at };
    link_device(draft, &link)
}

/// Joins or parts a device. A statement older than the one that holds changes nothing.
pub(super) fn link_device(draft: &mut Draft<'_>, link: &DeviceLink) -> Decided {
    let DeviceLink { device, associated, at } = link;
    let since = draft.devices().get(device).copied();
    match (associated, since) {
        (true, None) => {
            if draft.devices().len() >= DEVICES_MAX {
                return Err(Refusal::limit("too many devices"));
            }
            draft.emit(Event::DeviceAssociated { device: device.clone(), at: *at });
        }
        (false, Some(since)) if *at >= since => {
            draft.emit(Event::DeviceDissociated { device: device.clone(), at: *at });
            alerts::end(draft, &AlertCondition::DeviceSilent(device.clone()));
        }
        (true, Some(_)) | (false, Some(_) | None) => {}
    }
    Ok(())
}

pub(super) fn on_silence(
    draft: &mut Draft<'_>,
    device: &EntityId,
    silent: bool,
    at: Timestamp,
) -> Decided {
    person::make_provisional(draft);
    let condition = AlertCondition::DeviceSilent(device.clone());
    let is_new = !draft.alerts().contains_key(&condition);
    if silent && is_new && draft.alerts().len() >= OPEN_ALERTS_MAX {
        return Err(Refusal::limit("too many open alerts"));
    }
    let finding = Finding {
        condition,
        severity: silent.then_some(Severity::Warning),
        observed_at: at,
        trigger: Decimal::ZERO,
        observation: None,
    };
    alerts::judge(draft, finding, Standing::Newest);
    Ok(())
}
