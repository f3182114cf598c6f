//! Words made from a few generated values: every variant of what commands and replies are made of.

use actors_core::resource::{ResourceFacts, StoredVersion, WriteMode, WriteOutcome};
use proptest::prelude::*;
use schema_types::Decimal;
use schema_types::clinical::*;
use schema_types::error_code::ErrorCode;
use schema_types::ids::*;
use schema_types::measure::Measure;
use schema_types::patient::*;
use schema_types::phi::Phi;
use schema_types::quantity::Quantity;
use schema_types::score::*;
use schema_types::time::Timestamp;

/// Fails when a list lacks a variant; does not compile when the match lacks one.
macro_rules! assert_covers {
    ($items:expr, $($pattern:pat),+ $(,)?) => {{
        let mut missing = std::collections::BTreeSet::from([$(stringify!($pattern)),+]);
        for item in &$items {
            missing.remove(match item { $($pattern => stringify!($pattern)),+ });
        }
        assert!(missing.is_empty(), "no sample of {missing:?}");
    }};
}
pub(super) use assert_covers;

/// What all samples of one case are made from.
#[derive(Debug, Clone)]
pub(super) struct Seed {
    pub(super) text: String,
    pub(super) number: u64,
    pub(super) signed: i64,
    pub(super) decimal: Decimal,
    pub(super) flag: bool,
    pub(super) pick: usize,
}

impl Seed {
    pub(super) fn plain() -> Self {
        let text = "x1".to_owned();
        Self { text, number: 7, signed: -5, decimal: Decimal::new(368, 1), flag: true, pick: 3 }
    }

    pub(super) fn any() -> impl Strategy<Value = Self> {
        let decimal = (any::<i64>(), any::<i32>(), 0_u32..=28, any::<bool>()).prop_map(
            |(low, high, scale, is_small)| {
                let wide = (i128::from(high) << 64) | i128::from(low.unsigned_abs());
                let mantissa = if is_small { i128::from(low % 1_000) } else { wide };
                Decimal::from_i128_with_scale(mantissa, scale)
            },
        );
        let numbers = (any::<u64>(), any::<i64>(), any::<bool>(), any::<usize>());
        (any::<String>(), decimal, numbers).prop_map(
            |(text, decimal, (number, signed, flag, pick))| Self {
                text,
                number,
                signed,
                decimal,
                flag,
                pick,
            },
        )
    }

    pub(super) fn at(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.signed)
    }

    pub(super) fn maybe<T>(&self, value: T) -> Option<T> {
        self.flag.then_some(value)
    }

    pub(super) fn small(&self) -> u32 {
        u32::try_from(self.number % 1_000).unwrap()
    }

    fn one_of<T: Copy>(&self, all: &[T]) -> T {
        all[self.pick % all.len()]
    }

    pub(super) fn entity(&self, kind: EntityKind) -> EntityId {
        EntityId::new(TenantId::new(self.text.as_str()), kind, &self.text)
    }

    pub(super) fn digest(&self) -> MessageDigest {
        MessageDigest::of(self.text.as_bytes())
    }

    pub(super) fn encounter(&self) -> EncounterId {
        EncounterId::new(self.text.as_str())
    }

    pub(super) fn code(&self) -> Code {
        Code { system: "s".to_owned(), code: self.text.clone(), display: String::new() }
    }

    pub(super) fn provenance(&self) -> Provenance {
        let source = SourceId::new(self.text.as_str());
        Provenance { source, message: self.digest(), position: "OBX-1".to_owned() }
    }

    pub(super) fn measure(&self) -> Measure {
        self.one_of(Measure::ALL)
    }

    pub(super) fn model(&self) -> ScoreModel {
        self.one_of(ScoreModel::ALL)
    }

    fn quantity(&self) -> Quantity {
        Quantity { value: self.decimal, unit: self.text.clone() }
    }

    pub(super) fn observations(&self) -> Vec<Observation> {
        let values = vec![
            ObservationValue::Quantity(self.quantity()),
            ObservationValue::Coded(self.code()),
            ObservationValue::Text(Phi::new(self.text.clone())),
            ObservationValue::Sampled {
                origin: self.quantity(),
                period_ms: self.decimal,
                factor: self.decimal,
                data: self.text.clone(),
            },
            ObservationValue::Absent(self.text.clone()),
        ];
        assert_covers!(
            values,
            ObservationValue::Quantity(_),
            ObservationValue::Coded(_),
            ObservationValue::Text(_),
            ObservationValue::Sampled { .. },
            ObservationValue::Absent(_),
        );
        use ObservationStatus::{Corrected, Final, Preliminary, Withdrawn};
        let statuses = [Preliminary, Final, Corrected, Withdrawn];
        assert_covers!(statuses, Preliminary, Final, Corrected, Withdrawn);
        let observation = |(value, status)| self.observation(value, status);
        values.into_iter().zip(statuses.into_iter().cycle()).map(observation).collect()
    }

    fn observation(&self, value: ObservationValue, status: ObservationStatus) -> Observation {
        Observation {
            id: ObservationId::new(self.text.as_str()),
            code: self.code(),
            category: "laboratory".to_owned(),
            value,
            measured: self.maybe((self.measure(), self.decimal)),
            effective_at: self.at(),
            status,
            device: self.maybe(self.entity(EntityKind::Device)),
            encounter: self.maybe(self.encounter()),
            provenance: self.provenance(),
            issues: vec![self.one_of(ErrorCode::ALL)],
        }
    }

    pub(super) fn location(&self) -> Location {
        let text = || self.text.clone();
        Location { facility: text(), ward: text(), room: String::new(), bed: text() }
    }

    /// One of every kind, their classes in turn.
    pub(super) fn movements(&self) -> Vec<Movement> {
        let classes = EncounterClass::ALL.iter().copied().cycle();
        let movement = |(kind, class): (&MovementKind, _)| Movement {
            kind: *kind,
            at: self.at(),
            message_id: self.text.clone(),
            class,
            location: self.maybe(self.location()),
            prior_location: None,
            provenance: self.provenance(),
        };
        MovementKind::ALL.iter().zip(classes).map(movement).collect()
    }

    pub(super) fn movement(&self) -> Movement {
        let movements = self.movements();
        movements[self.pick % movements.len()].clone()
    }

    pub(super) fn key(&self) -> ResourceKey {
        ResourceKey { resource_type: "Patient".to_owned(), id: self.text.clone() }
    }

    pub(super) fn meta(&self) -> ResourceMeta {
        ResourceMeta {
            key: self.key(),
            version: self.number,
            updated_at: self.at(),
            deleted: self.flag,
            digest: self.digest(),
            date: self.maybe(self.at()),
            codes: vec![self.code()],
            categories: Vec::new(),
            status: self.text.clone(),
        }
    }

    pub(super) fn facts(&self) -> ResourceFacts {
        let (codes, categories) = (vec![self.code()], Vec::new());
        let (digest, date, status) = (self.digest(), self.maybe(self.at()), self.text.clone());
        ResourceFacts { digest, date, codes, categories, status }
    }

    pub(super) fn modes(&self) -> [WriteMode; 3] {
        let modes = [WriteMode::Create, WriteMode::Update, WriteMode::Delete];
        assert_covers!(modes, WriteMode::Create, WriteMode::Update, WriteMode::Delete);
        modes
    }

    /// Writes of a directory or device.
    pub(super) fn writes(&self) -> Vec<actors_core::resource::ResourceWrite> {
        let write = |mode| actors_core::resource::ResourceWrite {
            key: self.key(),
            mode,
            body: Phi::new(self.text.clone().into_bytes()),
            if_match: self.maybe(self.number),
            facts: self.facts(),
        };
        self.modes().map(write).to_vec()
    }

    pub(super) fn versions(&self) -> Vec<StoredVersion> {
        use WriteOutcome::{Created, Deleted, Unchanged, Updated};
        let outcomes = [Created, Updated, Deleted, Unchanged];
        assert_covers!(outcomes, Created, Updated, Deleted, Unchanged);
        let (version, updated_at) = (self.number, self.at());
        let stored = |outcome| StoredVersion { key: self.key(), version, updated_at, outcome };
        outcomes.map(stored).to_vec()
    }

    pub(super) fn patch(&self) -> DemographicsPatch {
        let identifier = Identifier {
            system: String::new(),
            value: Phi::new(self.text.clone()),
            type_code: "MR".to_owned(),
        };
        DemographicsPatch {
            identifiers: vec![identifier],
            name: FieldUpdate::Set(Phi::new(self.name())),
            birth_date: FieldUpdate::Keep,
            sex: FieldUpdate::Set(self.one_of(&sexes())),
            address: FieldUpdate::Clear,
            phone: FieldUpdate::Set(Phi::new(self.text.clone())),
            deceased_at: FieldUpdate::Set(self.at()),
        }
    }

    pub(super) fn name(&self) -> PersonName {
        PersonName { family: self.text.clone(), given: vec![String::new(), self.text.clone()] }
    }

    pub(super) fn value(&self) -> MeasuredValue {
        MeasuredValue {
            value: self.decimal,
            effective_at: self.at(),
            recorded_at: self.at(),
            observation: ObservationId::new(self.text.as_str()),
            future_dated: self.flag,
            provenance: Origin::from(&self.provenance()),
        }
    }

    pub(super) fn result(&self) -> ScoreResult {
        self.score().result(self.flag)
    }

    pub(super) fn score(&self) -> Score {
        let input = ScoreInput {
            measure: self.measure(),
            value: self.decimal,
            observed_at: self.at(),
            observation: ObservationId::new(self.text.as_str()),
        };
        let part = |points| ScorePart {
            parameter: self.one_of(PARAMETERS),
            points,
            inputs: vec![input.clone()],
        };
        use Band::{High, Low, LowMedium, Medium, Normal};
        let bands = [Normal, Low, LowMedium, Medium, High];
        assert_covers!(bands, Normal, Low, LowMedium, Medium, High);
        let reasons = [Missing::Absent, Missing::Stale];
        assert_covers!(reasons, Missing::Absent, Missing::Stale);
        let [absent, stale] = reasons.map(Err);
        Score {
            model: self.model(),
            model_version: 3,
            as_of: self.at(),
            minimum: self.decimal,
            maximum: self.decimal,
            band: self.one_of(&bands),
            parts: vec![part(Ok(-2)), part(absent), part(stale)],
        }
    }

    /// One of every condition, severity and status.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        let conditions = [
            AlertCondition::Score(self.model()),
            AlertCondition::CriticalValue(self.measure()),
            AlertCondition::DeviceSilent(self.entity(EntityKind::Device)),
        ];
        assert_covers!(
            conditions,
            AlertCondition::Score(_),
            AlertCondition::CriticalValue(_),
            AlertCondition::DeviceSilent(_),
        );
        use AlertStatus::{Acknowledged, Active, Escalated, Resolved};
        let statuses = [Active, Escalated, Acknowledged, Resolved];
        assert_covers!(statuses, Active, Escalated, Acknowledged, Resolved);
        let severities = [Severity::Warning, Severity::Critical];
        assert_covers!(severities, Severity::Warning, Severity::Critical);
        let conditions = conditions.into_iter().cycle();
        let zipped = conditions.zip(statuses).zip(severities.into_iter().cycle());
        zipped
            .map(|((condition, status), severity)| self.alert(condition, status, severity))
            .collect()
    }

    fn alert(&self, condition: AlertCondition, status: AlertStatus, severity: Severity) -> Alert {
        Alert {
            id: AlertId::new(self.text.as_str()),
            condition,
            severity,
            status,
            observed_at: self.at(),
            raised_at: self.at(),
            changed_at: self.at(),
            escalations: self.small(),
            suppressed: 0,
            calm_results: 1,
            acknowledged_by: self.maybe(PrincipalId::new(self.text.as_str())),
            future_dated: self.flag,
            trigger: self.decimal,
            observation: self.maybe(ObservationId::new(self.text.as_str())),
        }
    }
}

fn sexes() -> [AdministrativeSex; 4] {
    use AdministrativeSex::{Female, Male, Other, Unknown};
    let all = [Female, Male, Other, Unknown];
    assert_covers!(all, Female, Male, Other, Unknown);
    all
}
