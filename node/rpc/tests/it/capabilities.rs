//! Capabilities are only ever weakened, end when they should, and are checked at every call.

use super::world::{World, code, heart_rate, log_in, raw};
use schema_types::audit::AuditOutcome;
use schema_types::error_code::ErrorCode;
use schema_wire::rpc_capnp::{Field, patient, session};
use std::time::Duration;

type Patient = patient::Client;

fn patient_of(session: &session::Client) -> Patient {
    let mut request = session.patient_request();
    request.get().set_key("p1");
    request.send().pipeline.get_patient()
}

async fn observe(patient: &Patient) -> String {
    let mut observe = patient.observe_request();
    let mut observation = observe.get().init_observation();
    observation.reborrow().init_code().set_code("8867-4");
    let mut quantity = observation.init_value().init_quantity();
    quantity.set_unit("/min");
    quantity.init_value().set_low(75);
    code(observe.send().promise.await)
}

async fn state(patient: &Patient, fields: &[Field]) -> String {
    let mut request = patient.state_request();
    let mut list = request.get().init_fields(u32::try_from(fields.len()).unwrap());
    for (place, field) in (0..).zip(fields) {
        list.set(place, *field);
    }
    code(request.send().promise.await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_capability_never_becomes_stronger() {
    let node = World::new().start().await;
    node.client().await.observe("p1", heart_rate(80, 1)).await.unwrap();
    raw(node.address, |gateway| async move {
        let patient = patient_of(&log_in(&gateway));
        let mut restrict = patient.restrict_request();
        let mut asked = restrict.get().init_restrictions();
        asked.set_read_only(true);
        asked.reborrow().init_fields(1).set(0, Field::Vitals);
        let weak = restrict.send().pipeline.get_patient();
        assert_eq!(observe(&weak).await, "MED-AUTH-005");
        assert_eq!(state(&weak, &[]).await, "none", "what is allowed is shown");
        assert_eq!(state(&weak, &[Field::Vitals]).await, "none");
        assert_eq!(state(&weak, &[Field::Demographics]).await, "MED-AUTH-005");
        assert_eq!(code(weak.explain_request().send().promise.await), "MED-AUTH-005");
        assert_eq!(code(weak.timeline_request().send().promise.await), "MED-AUTH-005");
        let mut widen = weak.restrict_request();
        let mut asked = widen.get().init_restrictions();
        asked.reborrow().init_fields(1).set(0, Field::Demographics);
        assert_eq!(code(widen.send().promise.await), "MED-AUTH-005");
        let still = weak.restrict_request().send().pipeline.get_patient();
        assert_eq!(observe(&still).await, "MED-AUTH-005", "restricting by nothing gives nothing");
        assert_eq!(observe(&patient).await, "none", "the stronger one is as it was");
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purposes_are_those_that_were_granted() {
    let node = World::new().start().await;
    raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        let narrowed = |purpose: &str| {
            let mut restrict = session.restrict_request();
            restrict.get().init_restrictions().set_purpose(purpose);
            restrict.send().pipeline.get_session()
        };
        let billing = narrowed("HPAYMT");
        assert_eq!(code(billing.renew_request().send().promise.await), "none");
        let marketing = narrowed("HMARKT");
        assert_eq!(code(marketing.renew_request().send().promise.await), "MED-AUTH-005");
        let mut back = billing.restrict_request();
        back.get().init_restrictions().set_purpose("TREAT");
        assert_eq!(code(back.send().promise.await), "MED-AUTH-005", "a purpose is not regained");
        let mut login = gateway.login_request();
        let mut development = login.get().init_credentials().init_development();
        development.set_principal("nurse:ada");
        development.set_purpose("HMARKT");
        assert_eq!(code(login.send().promise.await), "MED-AUTH-001");
        assert_eq!(code(gateway.login_request().send().promise.await), "MED-AUTH-002");
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_capability_takes_with_it_what_came_from_it() {
    let node = World::new().start().await;
    raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        let granted = session.restrict_request().send().promise.await.unwrap();
        let granted = granted.get().unwrap();
        let (given, revoker) = (granted.get_session().unwrap(), granted.get_revoker().unwrap());
        let patient = patient_of(&given);
        assert_eq!(observe(&patient).await, "none");
        revoker.revoke_request().send().promise.await.unwrap();
        assert_eq!(observe(&patient).await, "MED-AUTH-003");
        assert_eq!(code(given.renew_request().send().promise.await), "MED-AUTH-003");
        let own = patient_of(&session);
        assert_eq!(observe(&own).await, "none", "the session behind it lives");
        session.close_request().send().promise.await.unwrap();
        assert_eq!(observe(&own).await, "MED-AUTH-003");
    })
    .await;
    // AUD-1: two observations were taken, two refused; the refused renewal stands at the desk.
    let revoked = AuditOutcome::Denied(ErrorCode::CapabilityRevoked);
    let done = AuditOutcome::Done;
    let patient = node.gateway.patient("p1");
    assert_eq!(node.outcomes(&patient).await, [done, revoked, done, revoked]);
    let desk = node.outcomes(&node.gateway.facility("sessions")).await;
    assert_eq!(desk.iter().filter(|outcome| **outcome == revoked).count(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_expire_and_a_longer_one_cannot_be_made_of_a_shorter() {
    let mut world = World::new();
    world.limits.session_ms = 60_000;
    let node = world.start().await;
    raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        let mut restrict = session.restrict_request();
        restrict.get().init_restrictions().set_expires_in_ms(30);
        let short = restrict.send().pipeline.get_session();
        let mut longer = short.restrict_request();
        longer.get().init_restrictions().set_expires_in_ms(60_000);
        let longer = patient_of(&longer.send().pipeline.get_session());
        let until = async {
            while observe(&longer).await == "none" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), until).await.unwrap();
        assert_eq!(observe(&longer).await, "MED-AUTH-004");
        assert_eq!(code(short.renew_request().send().promise.await), "MED-AUTH-004");
        assert_eq!(observe(&patient_of(&session)).await, "none");
    })
    .await;
    node.stop().await;
}
