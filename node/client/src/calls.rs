//! The calls themselves: requests written, answers read. Everything here runs on the client's
//! thread.

use crate::error::ClientError;
use crate::model::{
    AlertSummary, CensusView, Explained, LiveState, NodeStatus, QueryRow, Receipt, TimelinePage,
};
use crate::observation::NewObservation;
use crate::read;
use crate::worker::{Link, Worker};
use schema_wire::rpc_capnp::{self as wire, session};
use std::rc::Rc;
use std::sync::Arc;

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn write(mut builder: wire::new_observation::Builder<'_>, observation: &NewObservation) {
    if let Some(id) = &observation.id {
        builder.set_id(&id[..]);
    }
    let mut code = builder.reborrow().init_code();
    code.set_code(&observation.code[..]);
    if let Some(system) = &observation.code_system {
        code.set_system(&system[..]);
    }
    if !observation.category.is_empty() {
        builder.set_category(&observation.category[..]);
    }
    let mut quantity = builder.reborrow().init_value().init_quantity();
    quantity.set_unit(&observation.unit[..]);
    let mut value = quantity.init_value();
    let magnitude = observation.value.mantissa().unsigned_abs();
    value.set_low(u64::try_from(magnitude & u128::from(u64::MAX)).unwrap_or(0));
    value.set_high(u32::try_from(magnitude >> 64).unwrap_or(0));
    value.set_scale(u8::try_from(observation.value.scale()).unwrap_or(0));
    value.set_is_negative(observation.value.is_sign_negative() && magnitude != 0);
    builder.set_effective_at_unix_micros(observation.effective_at_unix_micros);
    if let Some(device) = &observation.device {
        builder.set_device(&device[..]);
    }
    if let Some(encounter) = &observation.encounter {
        builder.set_encounter(&encounter[..]);
    }
}

/// What a capability that was held for long may have met: it is asked for anew next time.
fn forget_on_failure<T>(
    link: &Link,
    patient: &str,
    result: Result<T, capnp::Error>,
) -> Result<T, ClientError> {
    result.map_err(|error| {
        let error = ClientError::from(error);
        link.forget(patient);
        if error.is_of_session() {
            link.log_out();
        }
        error
    })
}

pub(crate) async fn observe(
    link: Rc<Link>,
    session: session::Client,
    asked: Arc<(String, NewObservation)>,
) -> Result<Receipt, ClientError> {
    let (key, observation) = &*asked;
    let command_id = observation.command_id.as_deref().unwrap_or_default();
    let mut request = link.patient(&session, key).observe_request();
    let mut params = request.get();
    write(params.reborrow().init_observation(), observation);
    params.set_command_id(command_id);
    let answer = forget_on_failure(&link, key, request.send().promise.await)?;
    read::receipt(answer.get()?.get_receipt()?, command_id)
}

/// One call for what is left, until nothing is left that may be tried again.
pub(crate) async fn observe_many(
    worker: Rc<Worker>,
    items: Vec<(String, NewObservation)>,
) -> Result<Vec<Result<Receipt, ClientError>>, ClientError> {
    let mut results: Vec<Option<Result<Receipt, ClientError>>> =
        items.iter().map(|_| None).collect();
    let mut left: Vec<usize> = (0..items.len()).collect();
    let mut tries = 0;
    while !left.is_empty() {
        tries += 1;
        let link = worker.link();
        let sent = match link.session().await {
            Ok(session) => observe_some(&session, &items, &left).await,
            Err(error) => Err(error),
        };
        let mut hint = None;
        match sent {
            Err(error) if error.is_transient() && worker.may_retry(tries) => {
                hint = error.retry_after_ms();
            }
            Err(error) => return Err(error),
            Ok(some) => {
                let mut again = Vec::new();
                for (place, result) in left.into_iter().zip(some) {
                    let failed = result.as_ref().err();
                    if failed.is_some_and(ClientError::is_transient) && worker.may_retry(tries) {
                        hint = hint.max(failed.and_then(ClientError::retry_after_ms));
                        again.push(place);
                    } else {
                        results[place] = Some(result);
                    }
                }
                left = again;
            }
        }
        if !left.is_empty() {
            worker.back_off(tries, hint).await;
        }
    }
    Ok(results.into_iter().map(|result| result.unwrap_or(Err(ClientError::Deadline))).collect())
}

async fn observe_some(
    session: &session::Client,
    items: &[(String, NewObservation)],
    wanted: &[usize],
) -> Result<Vec<Result<Receipt, ClientError>>, ClientError> {
    let mut request = session.observe_many_request();
    let mut list = request.get().init_items(count(wanted.len()));
    for (place, (patient, observation)) in (0..).zip(wanted.iter().map(|index| &items[*index])) {
        let mut item = list.reborrow().get(place);
        item.set_patient(&patient[..]);
        item.set_command_id(observation.command_id.as_deref().unwrap_or_default());
        write(item.init_observation(), observation);
    }
    let answer = request.send().promise.await?;
    let list = answer.get()?.get_results()?;
    read::check_length(list.len(), wanted.len())?;
    let results = list.iter().zip(wanted).map(|(result, index)| {
        use wire::observe_result::Which;
        let command_id = items[*index].1.command_id.as_deref().unwrap_or_default();
        match result.which()? {
            Which::Failure(failure) => Err(read::failure(failure?)?),
            Which::Receipt(receipt) => read::receipt(receipt?, command_id),
        }
    });
    Ok(results.collect())
}

pub(crate) async fn read(
    link: Rc<Link>,
    session: session::Client,
    key: Arc<str>,
) -> Result<LiveState, ClientError> {
    let request = link.patient(&session, &key).state_request();
    let answer = forget_on_failure(&link, &key, request.send().promise.await)?;
    read::state(answer.get()?.get_state()?)
}

pub(crate) async fn read_many(
    session: session::Client,
    patients: Arc<Vec<String>>,
) -> Result<Vec<Result<LiveState, ClientError>>, ClientError> {
    let mut request = session.read_many_request();
    let mut list = request.get().init_patients(count(patients.len()));
    for (place, patient) in (0..).zip(&*patients) {
        list.set(place, &patient[..]);
    }
    let answer = request.send().promise.await?;
    let list = answer.get()?.get_results()?;
    read::check_length(list.len(), patients.len())?;
    let results = list.iter().map(|result| {
        use wire::state_result::Which;
        match result.which()? {
            Which::Failure(failure) => Err(read::failure(failure?)?),
            Which::State(state) => read::state(state?),
        }
    });
    Ok(results.collect())
}

pub(crate) async fn query(
    session: session::Client,
    expression: Arc<str>,
    rows_max: u32,
) -> Result<(Vec<String>, Vec<QueryRow>), ClientError> {
    let mut request = session.cohort_request();
    request.get().set_expression(&expression[..]);
    let cohort = request.send().pipeline.get_cohort();
    let mut run = cohort.run_request();
    run.get().set_rows_max(rows_max);
    let answer = run.send().promise.await?;
    let result = answer.get()?.get_result()?;
    let mut columns = Vec::new();
    for column in result.get_columns()? {
        columns.push(column.get_name()?.to_string()?);
    }
    let mut rows = Vec::new();
    for row in result.get_rows()? {
        rows.push(read::row(row)?);
    }
    Ok((columns, rows))
}

pub(crate) async fn explain(
    link: Rc<Link>,
    session: session::Client,
    asked: Arc<(String, String)>,
) -> Result<Vec<Explained>, ClientError> {
    let (key, model) = &*asked;
    let mut request = link.patient(&session, key).explain_request();
    request.get().set_model(&model[..]);
    let answer = forget_on_failure(&link, key, request.send().promise.await)?;
    answer.get()?.get_explanations()?.iter().map(read::explained).collect()
}

pub(crate) async fn timeline(
    link: Rc<Link>,
    session: session::Client,
    asked: Arc<(String, u32, Vec<u8>)>,
) -> Result<TimelinePage, ClientError> {
    let (key, limit, cursor) = &*asked;
    let mut request = link.patient(&session, key).timeline_request();
    let mut params = request.get();
    params.set_limit(*limit);
    params.set_cursor(cursor);
    let answer = forget_on_failure(&link, key, request.send().promise.await)?;
    let answer = answer.get()?;
    let mut page = TimelinePage::default();
    for item in answer.get_items()? {
        let (kind, text) = (item.get_kind()?.to_string()?, item.get_text()?.to_string()?);
        page.items.push((item.get_at_unix_micros(), kind, text));
    }
    let next = answer.get_next()?;
    page.next = (!next.is_empty()).then(|| next.to_vec());
    Ok(page)
}

pub(crate) async fn census(
    session: session::Client,
    facility: Arc<str>,
) -> Result<CensusView, ClientError> {
    let mut request = session.facility_request();
    request.get().set_key(&facility[..]);
    let facility = request.send().pipeline.get_facility();
    let answer = facility.census_request().send().promise.await?;
    let mut census = CensusView::default();
    for ward in answer.get()?.get_wards()? {
        census.wards.insert(ward.get_ward()?.to_string()?, ward.get_occupied());
    }
    Ok(census)
}

pub(crate) async fn acknowledge(
    session: session::Client,
    asked: Arc<(String, String, String)>,
) -> Result<Option<AlertSummary>, ClientError> {
    let (patient, alert, command_id) = &*asked;
    let alerts = session.alerts_request().send().pipeline.get_alerts();
    let mut request = alerts.acknowledge_request();
    let mut params = request.get();
    params.set_patient(&patient[..]);
    params.set_alert(&alert[..]);
    params.set_command_id(&command_id[..]);
    let answer = request.send().promise.await?;
    let answer = answer.get()?;
    if answer.has_alert() { read::alert(answer.get_alert()?).map(Some) } else { Ok(None) }
}

pub(crate) async fn status(session: session::Client) -> Result<NodeStatus, ClientError> {
    let admin = session.admin_request().send().pipeline.get_admin();
    let (nodes, health, metrics) = futures::join!(
        admin.nodes_request().send().promise,
        admin.health_request().send().promise,
        admin.metrics_request().send().promise,
    );
    let mut status = NodeStatus::default();
    for node in nodes?.get()?.get_nodes()? {
        status.node = node.get_name()?.to_string()?;
        status.version = node.get_version()?.to_string()?;
    }
    status.ready = health?.get()?.get_is_ready();
    for metric in metrics?.get()?.get_metrics()? {
        status.metrics.insert(metric.get_name()?.to_string()?, metric.get_value());
    }
    Ok(status)
}
