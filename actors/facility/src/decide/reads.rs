//! Questions: they change nothing, need a purpose of use and are audited (AUD-1).

use super::nothing;
use crate::Facility;
use crate::board::board;
use crate::census::{Series, census, census_series};
use crate::command::{Read, Reply};
use crate::limits::SERIES_POINTS_MAX;
use crate::places::Site;
use crate::state::State;
use actors_core::{AuditNote, Context, Decision, Rejection, purpose, resource};
use schema_types::audit::AuditAction;
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;
use schema_types::time::Timestamp;

/// Why a question has no answer.
type Refusal = (ErrorCode, &'static str);

pub(super) fn decide_read(
    state: &State,
    context: &Context<'_>,
    read: Read,
) -> Result<Decision<Facility>, Rejection> {
    let audit = AuditNote::new(AuditAction::Read, operation(&read));
    if let Err(refused) = purpose::check(context.purpose) {
        let code = purpose::PurposeRefused::CODE;
        return Err(Rejection::denied(code, refused.to_string(), audit));
    }
    if context.sequence == 0 {
        let reason = "there is no such facility";
        return Err(Rejection::wrong(ErrorCode::FacilityUnknown, reason, audit));
    }
    let reply = answer(state, Site(context.entity), read)
        .map_err(|(code, reason)| Rejection::wrong(code, reason, audit.clone()))?;
    Ok(nothing(reply, audit))
}

fn operation(read: &Read) -> String {
    match read {
        Read::State => "facility-state".to_owned(),
        Read::Census { .. } => "facility-census".to_owned(),
        Read::CensusSeries { .. } => "facility-census-series".to_owned(),
        Read::BedBoard => "facility-bed-board".to_owned(),
        Read::Resource(key) => format!("fhir-read {}", key.resource_type),
        Read::ResourceVersion(key, _) => format!("fhir-vread {}", key.resource_type),
        Read::Resources { types } => format!("fhir-search {}", types.join(",")),
    }
}

fn answer(state: &State, site: Site<'_>, read: Read) -> Result<Reply, Refusal> {
    match read {
        Read::State => Ok(Reply::State(Box::new(state.clone()))),
        Read::Census { at } => Ok(Reply::Census(census(site, state, at))),
        Read::CensusSeries { from, to, step_micros } => {
            let series = series(from, to, step_micros)?;
            Ok(Reply::CensusSeries(census_series(site, state, &series)))
        }
        Read::BedBoard => Ok(Reply::BedBoard(board(site, state))),
        Read::Resource(key) => find(state, key, None),
        Read::ResourceVersion(key, version) => find(state, key, Some(version)),
        Read::Resources { types } => {
            Ok(Reply::Resources(resource::of_types(&state.resources, &types)))
        }
    }
}

fn series(from: Timestamp, to: Timestamp, step_micros: i64) -> Result<Series, Refusal> {
    if step_micros < 1 || to < from {
        return Err((ErrorCode::BadRequest, "a series goes forward, by at least a microsecond"));
    }
    let distance = i128::from(to.unix_micros()) - i128::from(from.unix_micros());
    usize::try_from(distance / i128::from(step_micros))
        .ok()
        .and_then(|steps| steps.checked_add(1))
        .filter(|points| *points <= SERIES_POINTS_MAX)
        .map(|points| Series { from, step_micros, points })
        .ok_or((ErrorCode::EntityLimit, "the series has too many instants"))
}

fn find(state: &State, key: ResourceKey, version: Option<u64>) -> Result<Reply, Refusal> {
    let meta = resource::find(&state.resources, &key, version)
        .map_err(|code| (code, "there is no such resource"))?;
    let version = version.unwrap_or(meta.version);
    Ok(Reply::Resource { key, version, current: Box::new(meta.clone()) })
}
