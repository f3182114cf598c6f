//! `query`: a filter, a group and a top 100 over all patients, in this process; each is asked
//! several times, audited each time, and the slowest is told beside the median.

use crate::error::BenchError;
use crate::node::OwnNode;
use crate::people::PRINCIPAL;
use crate::plan::{Plan, World};
use crate::prepare;
use crate::report::{Report, as_float, rounded};
use node_query::{Asker, QueryLimits, ask};
use schema_types::ids::{CommandId, PrincipalId, SourceId};

/// How often each query is asked.
const TIMES: usize = 5;
/// What is asked.
const QUERIES: [(&str, &str); 4] = [
    ("filter", "select count(*) from patients where heart_rate > 75 and oxygen_saturation >= 97"),
    (
        "group",
        "select facility, count(*), avg(heart_rate), max(news2) from patients group by facility",
    ),
    (
        "filter_and_group",
        "select unit, count(*), avg(systolic_pressure) from patients where heart_rate > 70 \
         group by unit",
    ),
    ("top_100", "select key, heart_rate from patients order by heart_rate desc limit 100"),
];

/// Measures the queries.
///
/// # Errors
/// [`BenchError`].
pub async fn run(world: &World, plan: &Plan) -> Result<Report, BenchError> {
    let in_process = Plan { in_process: true, ..plan.clone() };
    let own = OwnNode::start_usual(world, &in_process).await?;
    prepare::patients(own.gateway(), plan.patients).await?;
    let clock = &world.environment.clock;
    let mut report = Report::new("query");
    report.set("nodes", 1);
    report.set("patients", plan.patients);
    let mut asked = 0_u64;
    let mut errors = 0_u64;
    for (name, text) in QUERIES {
        let mut times = Vec::new();
        for time in 0..TIMES {
            let asker = Asker {
                principal: PrincipalId::new(PRINCIPAL),
                purpose: "TREAT".to_owned(),
                source: SourceId::new(PRINCIPAL),
                command_id: CommandId::new(format!("{name}-{time}")),
            };
            let gateway = own.gateway();
            let began = clock.monotonic_micros();
            let limits = QueryLimits::default();
            let answer = ask(&gateway.runtime, &gateway.tenant, text, &asker, limits).await;
            let micros = clock.monotonic_micros().saturating_sub(began);
            match answer {
                Ok(answer) => {
                    asked += 1;
                    times.push(micros);
                    report.set("scanned", answer.scanned);
                    report.set(&format!("{name}_rows"), answer.rows.len());
                }
                Err(error) => {
                    errors += 1;
                    report.set(&format!("{name}_error"), error.to_string());
                }
            }
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied();
        for (figure, micros) in [("seconds", median), ("seconds_max", times.last().copied())] {
            let seconds =
                micros.map_or(serde_json::Value::Null, |one| rounded(as_float(one) / 1e6));
            report.set(&format!("{name}_{figure}"), seconds);
        }
    }
    report.set("operations", asked);
    report.set("errors", errors);
    own.stop().await;
    Ok(report)
}
